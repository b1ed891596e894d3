"""Laws as text: `q(x,y) q(z|x,y)` is a product of conditionals in the order of sampling."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from wyner.errors import LawError, refuse_unknown

NAME = r"[A-Za-z_]\w*"
LIST = rf"{NAME}(?:\s*,\s*{NAME})*"
FACTOR = re.compile(rf"\s*({NAME})\(\s*({LIST})\s*(?:\|\s*({LIST})\s*)?\)")


class Conditional(NamedTuple):
    """One conditional `head(of|given)` as it is written; `q(x,y)` of observed variables is data."""

    head: str
    of: tuple[str, ...]
    given: tuple[str, ...]

    @property
    def name(self) -> str:
        """Canonical text, without spaces: the key of its network."""
        return f"{self.head}({','.join(self.of)}{'|' + ','.join(self.given) if self.given else ''})"


class Law(NamedTuple):
    """A product of factors, and what it was read from."""

    terms: tuple[Conditional, ...]
    text: str

    @property
    def variables(self) -> tuple[str, ...]:
        """Everything the law says something about, in the order of sampling."""
        return tuple(v for t in self.terms for v in t.of)


def parse(text: str, where: str = "law") -> Law:
    """Reads a law.

    Args:
        text: factors in sampling order, for example `"p(z) p(x|z)"`.
        where: what to call it in errors.

    Raises:
        LawError: not a product of factors, a repeated variable, or a parent that is not drawn
            before it is used.
    """
    terms, at = [], 0
    stripped = text.rstrip()
    while at < len(stripped):
        match = FACTOR.match(text, at)
        if match is None:
            raise LawError(
                f"{where}: cannot read {stripped[at:].strip()!r}; expected factors such as q(z|x,y)"
                f" or p(x), got {text!r}"
            )
        head, of, given = match.groups()
        split = lambda s: tuple(n.strip() for n in s.split(",")) if s else ()
        terms.append(Conditional(head, split(of), split(given)))
        at = match.end()
    if not terms:
        raise LawError(f"{where}: the law is empty; expected factors such as p(z) p(x|z)")
    return Law(tuple(terms), " ".join(t.name for t in terms))


def read_conditional(text: str, where: str = "factor") -> Conditional:
    """Reads one factor, such as `"q(z|x)"`.

    Raises:
        LawError: not one factor.
    """
    terms = parse(text, where).terms
    if len(terms) != 1:
        raise LawError(f"{where}: expected one factor such as q(z|x), got {text!r}")
    return terms[0]


def is_data(term: Conditional, observed: Iterable[str]) -> bool:
    """Whether a factor is the distribution of the data: unconditional, q, of observed variables."""
    return term.head == "q" and not term.given and set(term.of) <= set(observed)


def check(
    law: Law,
    variables: Iterable[str],
    observed: Iterable[str],
    where: str,
    given: Iterable[str] = (),
) -> None:
    """Refuses a law that cannot be sampled in the order written.

    Args:
        law: what to check.
        variables: every declared name.
        observed: the declared names that data exist for.
        where: the law's name, for the message.
        given: variables whose values are known beforehand (a sampler's conditions).

    Raises:
        LawError: unknown, repeated or late variables; a factor of several variables that is not
            data.
    """
    known, seen = set(variables), set(given)
    drawn: set[str] = set()
    for term in law.terms:
        refuse_unknown(
            "variable", (*term.of, *term.given), known, f"{where}: {term.name}", LawError
        )
        if twice := drawn.intersection(term.of) | {n for n in term.of if term.of.count(n) > 1}:
            raise LawError(
                f"{where}: {term.name} draws {names_of(twice)} a second time; every variable stands"
                " on the left of one factor"
            )
        if len(term.of) > 1 and not is_data(term, observed):
            raise LawError(
                f"{where}: {term.name} draws {len(term.of)} variables at once; only data may: write"
                " one factor for each"
            )
        if term.head == "q" and not term.given and not is_data(term, observed):
            raise LawError(
                f"{where}: {term.name} is the aggregate of a latent, which has no density; write a"
                f" prior p({','.join(term.of)}) or match it by a density ratio"
            )
        if len(set(term.given)) < len(term.given):
            raise LawError(f"{where}: {term.name} names a parent twice; write each parent once")
        if missing := [g for g in term.given if g not in seen]:
            raise LawError(
                f"{where}: {term.name} needs {names_of(missing)}, which no factor before it draws;"
                f" there is {names_of(seen) or 'nothing yet'}"
            )
        drawn.update(term.of)
        seen.update(term.of)


def names_of(names: Iterable[str]) -> str:
    """Names in order, for a message."""
    return ", ".join(sorted(names))
