"""Which models can be one batched program.

They need the same structure, and networks that PyTorch can map over stacked parameters.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, vmap

from wyner.models.base import Model
from wyner.objectives import Objective, Program
from wyner.ragged import Ragged
from wyner.seeds import forked
from wyner.sparse import SparseRows
from wyner.training.rows import Rows, Tensors
from wyner.training.settings import Settings

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def united(models: Sequence[Model], objectives: Sequence[Objective]) -> Program:
    """The program of all divergences that these objectives use, over the first model's factors."""
    active = {t.law for o in objectives for t in o.active}
    used = (dataclasses.replace(t, weight=1.0) for t in objectives[0].terms if t.law in active)
    return models[0].program(Objective(tuple(used)))


def operations(programs: Sequence[Program]) -> tuple[list[list[int]], list[list[int]]]:
    """Numbers for the scores and the draws of each program, the same for what computes the same."""
    known: dict[tuple, int] = {}
    scores, draws = [], []
    for program in programs:
        own: list[int] = []
        for op in program.plan.ops:
            key = op.kind, op.name, tuple(own[a] for a in op.args)
            own.append(known.setdefault(key, len(known)))
        scores.append([own[op] for op in program.ops])
        draws.append([k for k, op in zip(own, program.plan.ops, strict=True) if op.kind == "draw"])
    return scores, draws


def structure(model: Model, settings: Settings) -> Hashable:
    """What models must have in common to be one program: all but values, seeds and weights."""

    def plain(m: nn.Module) -> tuple[tuple[str, str], ...]:
        own = ((k, repr(v)) for k, v in vars(m).items() if k[0] != "_" and k != "training")
        return tuple(sorted(own))

    parts: list[Any] = [repr(dataclasses.replace(settings, seed=0)), repr(model.laws)]
    for p in model.phases:
        laws = tuple(t.law for t in p.objective.terms)
        parts.append((p.name, p.train, p.freeze, repr(p.when), laws))
    for kind in (model.factors, model.features):
        parts += [(name, type(m), plain(m)) for name, m in kind.named_modules()]
    tensors = (*model.named_parameters(), *model.named_buffers())
    parts += [(n, tuple(t.shape), t.dtype) for n, t in tensors]
    return tuple(parts)


def unitable(models: Sequence[Model], masked: bool) -> bool:
    """Whether models of one structure train the same factors and log the same means in one program.

    A divergence that only some of them use may bring in factors that the others must not touch, and
    with missing rows a term that several divergences share is averaged over the rows of the first
    of them.
    """
    for phases in zip(*(m.phases for m in models), strict=True):
        whole = united(models, [p.objective for p in phases])
        programs = [m.program(p.objective) for m, p in zip(models, phases, strict=True)]
        scores, _ = operations([whole, *programs])
        owners = {k: whole.divergences[o] for k, o in zip(scores[0], whole.owner, strict=True)}
        for phase, program, own in zip(phases, programs, scores[1:], strict=True):
            if phase.train is None and set(program.used) != set(whole.used):
                return False
            mine = [program.divergences[o] for o in program.owner]
            if masked and [owners[k] for k in own] != mine:
                return False
    return True


def together(
    models: Sequence[Model], settings: Sequence[Settings], masked: bool
) -> list[list[int]]:
    """Models by index, in groups that can each be one program, ordered by their first members."""
    alike: dict[Hashable, list[int]] = {}
    found: list[list[int]] = []
    for i, (m, s) in enumerate(zip(models, settings, strict=True)):
        if solitary(m, s):
            found.append([i])
        else:
            alike.setdefault(structure(m, s), []).append(i)
    for group in alike.values():
        if len(group) == 1 or unitable([models[i] for i in group], masked):
            found.append(group)
            continue
        active: dict[Hashable, list[int]] = {}
        for i in group:
            laws = tuple(tuple(t.law for t in p.objective.active) for p in models[i].phases)
            active.setdefault(laws, []).append(i)
        found += active.values()
    return sorted(found)


def solitary(model: Model, settings: Settings) -> str:
    """What a batched program does not do of what a model asks for; empty if it can do all."""
    if any(p.objective.measured for p in model.phases):
        return (
            "terms that are computed from draws (SymmetricKL, Information, ...) train one model at"
            " a time"
        )
    if settings.ema is not None:
        return "averages of weights (ema) are kept for one model at a time"
    return ""


def obstacle(model: Model, settings: Settings, rows: Rows) -> str:
    """Why copies of a model cannot train as one program; empty if they can.

    Every phase is tried on two rows: its networks must leave their buffers alone (batch
    normalisation does not), draw no random numbers of their own (dropout does), and take part in
    `torch.func.vmap`.
    """
    if reason := solitary(model, settings):
        return reason
    if (settings.devices, settings.strategy, settings.precision) != (1, "auto", "32-true"):
        return (
            "a batched program runs on one device in float32 (devices=1, strategy='auto',"
            " precision='32-true')"
        )
    if settings.accumulate != 1 or settings.channels_last:
        return (
            "a batched program takes whole batches in the usual layout (accumulate=1,"
            " channels_last=False)"
        )
    if any(getattr(m, h) for m in model.modules() for h in HOOKS):
        return "its networks have hooks"
    if any(isinstance(v, Ragged) for v in rows.values.values()):
        return "its rows are sequences that are cut anew in every epoch"
    if any(isinstance(v, SparseRows) for v in rows.values.values()):
        return "its rows are sparse"
    batch = rows.take(torch.arange(2))
    for k, phase in enumerate(model.phases):
        with forked(0):
            if reason := _tried(copy.deepcopy(model), k, *batch):
                return f"phase {phase.name!r}: {reason}"
    return ""


def _tried(model: Model, k: int, values: Tensors, masks: Tensors | None) -> str:
    program = model.program(model.phases[k].objective)
    like = next(model.parameters())
    values = {n: v.to(like) for n, v in values.items()}
    noise, weights = program.noise((2,), like), torch.ones(len(program.divergences)).to(like)
    model.train()
    before = {n: b.clone() for n, b in model.named_buffers()}
    with torch.no_grad():  # what fails here fails in any training, and is not for us to explain
        program(values, noise, weights, masks)
    if changed := [n for n, b in model.named_buffers() if not torch.equal(b, before[n])]:
        return f"its networks keep running statistics ({changed[0]})"
    state: Tensors = {n: p.detach()[None] for n, p in program.named_parameters()}
    try:
        vmap(lambda s: functional_call(program, s, (values, noise, weights, masks)))(state)
    except (RuntimeError, ValueError) as e:  # what vmap cannot batch
        text = str(e).strip().split("\n")[0]
        random = "its networks draw random numbers of their own (dropout)"
        return random if "random" in text else text
    return ""


def size(model: nn.Module) -> int:
    """Number of parameters."""
    return sum(p.numel() for p in model.parameters())
