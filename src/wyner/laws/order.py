"""The order in which a plan is evaluated: calls of one factor that do not wait for each other are
one call.

Several divergences decode different draws by one p(x|z,u). One call on all their rows costs less
than a call on each: the products are larger, and the gradients of the weights come out of one
product in place of a sum over calls.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from wyner.laws.plan import Op


def schedule(ops: Sequence[Op], factors: nn.ModuleDict) -> list[tuple[int, ...]]:
    """Operations by index, each after its arguments; an entry with several is one call of a factor.

    Only factors whose networks treat every row by itself are called on the rows of several
    operations at once.
    """
    joined = {
        op.name
        for op in ops
        if op.kind == "dist" and getattr(factors[op.name].network, "by_rows", False)
    }
    left, done, found = list(range(len(ops))), set[int](), list[tuple[int, ...]]()
    while left:
        ready = [i for i in left if done.issuperset(ops[i].args)]
        now: list[tuple[int, ...]] = [
            (i,) for i in ready if ops[i].kind != "dist" or ops[i].name not in joined
        ]
        if not now:
            calls = {
                ops[i].name: tuple(k for k in ready if ops[k].name == ops[i].name) for i in ready
            }
            waiting = {ops[i].name for i in left if i not in ready and ops[i].kind == "dist"}
            now = [
                next(
                    (c for name, c in calls.items() if name not in waiting),
                    calls[ops[ready[0]].name],
                )
            ]
        found += now
        done.update(i for step in now for i in step)
        left = [i for i in left if i not in done]
    return found
