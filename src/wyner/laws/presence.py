"""Rows that lack variables: which of them can answer a divergence, and which scores count there.

For a row in which some observed variables are missing, KL(q || p) is that of the laws without them:

1. an observed variable that is missing is integrated out of p, and with it every latent whose
   descendants in p are all missing: nothing is left that it explains;
2. a combination of experts leaves out the members that read what is missing; it can be drawn while
   one member is left that reads data;
3. the row answers if everything that remains can be computed from what it has.

A row without y counts in "q(x,y) q(z|x,y) || p(z) p(x|z) p(y|z)" as a row of
"q(x) q(z|x) || p(z) p(x|z)" if q(z|x,y) is a product of experts, and not at all if it is a network
of both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from wyner.laws.notation import Conditional, Law
from wyner.laws.plan import Node, Plan


class Presence(NamedTuple):
    """What patterns of missing variables leave of a plan.

    Attributes:
        answers: `(D, P)`, 1 where a pattern can answer the divergence.
        counts: `(D, S, P)`, 1 where a score counts in it.
        members: of each combination, by operation, `(k, P)`, 1 where a member is left.
    """

    answers: Tensor
    counts: Tensor
    members: dict[int, Tensor]


def presence(
    plan: Plan, laws: Sequence[str], scores: Sequence[int], there: Mapping[str, Tensor]
) -> Presence:
    """Evaluates patterns of missing variables.

    Args:
        plan: the operations.
        laws: names of the divergences.
        scores: operations of their scores.
        there: by observed variable, `(P,)` truth values: whether a pattern has it.
    """
    whole = torch.ones_like(next(iter(there.values())))
    has, members = _has(plan, there, whole)
    answers, counts = [], []
    for law in laws:
        nodes = {n.variable: n for n in plan.nodes[law]}
        alive: dict[str, Tensor] = {}
        for name in nodes:
            _explains(name, nodes, there, has, alive)
        answered = torch.stack([~alive[n] | has[nodes[n].op] for n in nodes]).all(0)
        answered = answered & torch.stack([alive[n] for n in nodes]).any(0)
        none = torch.zeros_like(whole)
        own = {node.op: alive[name] & answered for name, node in nodes.items()}
        answers.append(answered)
        counts.append(torch.stack([own.get(op, none) for op in scores]))
    return Presence(torch.stack(answers), torch.stack(counts), members)


def _has(
    plan: Plan, there: Mapping[str, Tensor], whole: Tensor
) -> tuple[list[Tensor], dict[int, Tensor]]:
    """Whether a pattern has what each operation reads; members that are left of combinations."""
    has, reads, members = list[Tensor](), list[bool](), dict[int, Tensor]()
    for i, op in enumerate(plan.ops):
        if op.kind == "given":
            has.append(there[op.name])
            reads.append(True)
            continue
        reads.append(any(reads[k] for k in op.args))
        own = [has[k] for k in op.args]
        if op.kind == "combine":
            members[i] = torch.stack(own)
            # the prior alone is no answer
            informed = [has[k] for k in op.args if reads[k]]
            has.append(torch.stack(informed).any(0) if informed else whole)
        else:
            has.append(torch.stack([whole, *own]).all(0))
    return has, members


def _explains(
    name: str,
    nodes: Mapping[str, Node],
    there: Mapping[str, Tensor],
    has: Sequence[Tensor],
    found: dict[str, Tensor],
) -> Tensor:
    """Whether a variable of p is there, or a latent that something which is there depends on.

    A latent that nothing depends on in p stands for itself: it counts where it can be scored.
    """
    if name not in found:
        node = nodes[name]
        children = [k for k, n in nodes.items() if name in n.given]
        if node.data:
            found[name] = there[name]
        elif children:
            below = [_explains(k, nodes, there, has, found) for k in children]
            found[name] = torch.stack(below).any(0)
        else:
            found[name] = has[node.op]
    return found[name]


def without(
    q: Law, p: Law, missing: Collection[str], known: Collection[str]
) -> tuple[Law, Law] | None:
    """A pair of laws with some observed variables integrated out, by rule 1.

    Factors of q that read what is missing are replaced by those that do not: q(z|a,b) takes the
    place of q(z|a,b,c).

    Args:
        q, p: a pair in which p has a factor for each of the missing variables.
        missing: observed variables.
        known: names of the factors that the model has.

    Returns:
        The smaller pair; None if the model lacks a factor of it.
    """
    gone = set(missing)
    while True:  # latents whose children are all gone explain nothing
        parents = {g: [t.of[0] for t in p.terms if g in t.given] for g in p.variables}
        idle = {v for v, below in parents.items() if below and gone.issuperset(below)} - gone
        if not idle:
            break
        gone |= idle

    def cut(law: Law, own: bool) -> Law | None:
        terms = []
        for t in law.terms:
            of = tuple(v for v in t.of if v not in gone)
            left = Conditional(t.head, of, tuple(g for g in t.given if g not in gone))
            if not of:
                continue
            if left != t and len(t.of) == 1 and (not own or left.name not in known):
                return None
            terms.append(left)
        return Law(tuple(terms), " ".join(t.name for t in terms))

    small = cut(q, True), cut(p, False)
    return None if small[0] is None or small[1] is None else (small[0], small[1])
