"""The TOML files inside the package."""

from __future__ import annotations

from importlib import resources


def shipped(package: str) -> list[str]:
    """Names of the TOML files of a package, in order."""
    return sorted(
        p.name.removesuffix(".toml")
        for p in resources.files(package).iterdir()
        if p.name.endswith(".toml")
    )


def text_of(package: str, name: str) -> str:
    """The text of a file."""
    return resources.files(package).joinpath(f"{name}.toml").read_text()
