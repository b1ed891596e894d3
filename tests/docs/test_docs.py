"""The documentation is code: every python block runs, every link leads somewhere, the text is plain
ASCII."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "benchmarks" / "README.md",
]
PAGES = [p for p in PAGES if p.exists()]
LANGUAGES = {"python", "sh", "text", "toml", "json"}
"""A block in any other language is likely a python block that would never run."""

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```\s*$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(text: str) -> list[tuple[str, str, int]]:
    """Language, code and line of the first line of code, for every fenced block."""
    return [
        (m.group(1), m.group(2), text.count("\n", 0, m.start(2)) + 1) for m in FENCE.finditer(text)
    ]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_python_blocks_run_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType(f"page_{page.stem}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for language, code, line in blocks(page.read_text()):
        assert language in LANGUAGES, (
            f"{name(page)}:{line}: write ```python, ```sh, ```text, ```toml or ```json, not"
            f" ```{language}"
        )
        if language == "python":
            exec(compile("\n" * (line - 1) + code, str(page), "exec"), vars(module))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    text = FENCE.sub("", page.read_text())
    local = [t.split("#")[0] for t in LINK.findall(text) if not re.match(r"[a-z]+:", t)]
    missing = [t for t in local if t and not (page.parent / t).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_text_is_ascii(page):
    odd = {c for c in page.read_text() if ord(c) > 127}
    assert not odd


def test_the_finder_of_blocks_finds_them():
    text = "a\n\n```python\nx = 1\n```\n\n```sh\nls\n```\n"
    assert blocks(text) == [("python", "x = 1\n", 4), ("sh", "ls\n", 8)]


def test_every_model_has_a_page_and_every_page_a_line_in_the_index():
    from wyner.models import TABLE

    index = (ROOT / "docs" / "models" / "README.md").read_text()
    for model in TABLE:
        assert f"wyner.models.{model}`" in index
    for page in (ROOT / "docs" / "models").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index
