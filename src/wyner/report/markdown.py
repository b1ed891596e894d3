"""Tables of results as Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def grid(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [
        list(head),
        ["---"] * len(head),
        *([cell.replace("|", "\\|") for cell in line] for line in body),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def filled(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """The same without columns that are empty throughout; the first one stays."""
    keep = [
        i for i, _ in enumerate(head) if i == 0 or any(line[i] not in ("", "-") for line in body)
    ]
    return grid([head[i] for i in keep], [[line[i] for i in keep] for line in body])
