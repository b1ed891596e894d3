"""Many copies of a small model as one batched program: parameters side by side, one pass for all.

A member is what a single run would be: its order of rows, noise and weights of the objective are
the same functions of its seed and step. What is shared are the products:
`(M, B, d_in) x (M, d_in, d_out)` in place of M small ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from wyner.errors import Diverged
from wyner.models.base import Model
from wyner.seeds import NOISE
from wyner.training.batching import operations, united
from wyner.training.member import GridMember, lose
from wyner.training.optimiser import Dump, moments, optimiser, under
from wyner.training.phase_state import PhaseState
from wyner.training.rows import Tensors
from wyner.training.stepper import Means
from wyner.training.timetable import Timetable
from wyner.training.trainer import CHECK_EVERY


@final
class Stack:
    """Parameters and buffers of models side by side, `(M, *shape)`; the models' own become views.

    Matrices are kept transposed, `(M, in, out)`, so that their gradients come out in the layout of
    the parameters and are not copied. Buffers that are equal in all models and never annealed stay
    single.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        self.models = list(models)
        self.leaves: Tensors = {}
        self.buffers: Tensors = {}
        tables: list[Tensors] = [dict(m.named_parameters()) for m in models]
        for name in tables[0]:
            leaf = torch.stack([_turned(t[name].detach()) for t in tables])
            for i, table in enumerate(tables):
                table[name].data = _turned(leaf[i])
            self.leaves[name] = leaf.requires_grad_()
        tables = [dict(m.named_buffers()) for m in models]
        heads: list[Any] = [f.head for f in models[0].factors.values()]
        annealed = {id(b) for h in heads if hasattr(h, "anneal") for b in h.buffers()}
        for name, first in tables[0].items():
            if id(first) in annealed or any(not torch.equal(t[name], first) for t in tables[1:]):
                stacked = torch.stack([t[name] for t in tables])
                for i, table in enumerate(tables):
                    table[name].data = stacked[i]
                self.buffers[name] = stacked

    def release(self) -> None:
        """Gives every model tensors of its own again."""
        for model in self.models:
            for tensor in (*model.parameters(), *model.buffers()):
                tensor.data = tensor.data.clone(memory_format=torch.contiguous_format)


def _places(some: Sequence[Any], all_of_them: Sequence[Any]) -> list[int]:
    return [list(all_of_them).index(k) for k in some]


def _turned(tensor: Tensor) -> Tensor:
    return tensor.mT if tensor.ndim == 2 else tensor


@final
class StackedPhase:
    """One phase of all members as one program.

    Args:
        states: this phase of every member.
    """

    def __init__(self, states: Sequence[PhaseState]) -> None:
        self.states = list(states)
        first = self.states[0]
        self.fabric, self.settings, self.name = first.fabric, first.settings, first.phase.name
        whole = united([c.model for c in states], [c.phase.objective for c in states])
        self.program = whole.to(self.fabric.device)
        self.divergences = [_places(c.program.divergences, whole.divergences) for c in states]
        own = [c.model.program(c.phase.objective) for c in states]
        scores, draws = operations([whole, *own])
        self.terms = [[0, *(1 + k for k in _places(s, scores[0]))] for s in scores[1:]]
        self.draws = [_places(d, draws[0]) for d in draws[1:]]
        trained = {id(p) for p in first.parameters.values()}
        self.names = [n for n, p in first.model.named_parameters() if id(p) in trained]
        self.used = {n for n, _ in (*whole.named_parameters(), *whole.named_buffers())}
        self.given = [kind is not None for kind, _ in whole.drawn]
        self.fixed = all(c.fixed for c in states)
        call: Any = vmap(self._one)
        self.call = torch.compile(call, dynamic=False) if self.settings.compile else call

    def _one(
        self, tensors: Tensors, batch: tuple[Tensors, Tensors], noise: list[Tensor], weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Loss and terms of one member."""
        left = iter(noise)
        drawn = [next(left) if given else None for given in self.given]
        given = batch[0], drawn, weights, batch[1] or None
        return functional_call(self.program, tensors, given)

    def weights(self, active: Sequence[int], progress: float) -> Tensor:
        """Weights of the united divergences, `(M, D)`; 0 for those that a member leaves out."""
        table = torch.zeros(len(active), len(self.program.divergences))
        for row, i in zip(table, active, strict=True):
            own = self.states[i].phase.objective.weights(progress)
            row[self.divergences[i]] = torch.tensor(own)
        return table.to(self.fabric.device)


@final
class StackedSteps:
    """Steps of one phase for the members of a stack, from their moments of Adam and sums so far.

    L = sum_m L_m: the gradient of the sum by the stacked parameters holds every member's own, and
    Adam acts on each number alone, so that one optimiser serves all.
    """

    def __init__(self, phase: StackedPhase, stack: Stack, active: Sequence[int]) -> None:
        self.phase, self.settings, device = phase, phase.settings, phase.fabric.device
        frozen = {n: p.detach() for n, p in stack.leaves.items() if n not in phase.names}
        self.leaves = {n: stack.leaves[n] for n in phase.names}
        tensors = {**frozen, **self.leaves, **stack.buffers}
        self.tensors = {n: t for n, t in tensors.items() if n in phase.used}
        self.turned = [n for n, t in self.tensors.items() if n in stack.leaves and t.ndim == 3]
        self.adam = optimiser(self.leaves, self.settings, device)
        self.active, self.running = list(active), [phase.states[i] for i in active]
        for key, first in self.running[0].moments.items():
            name, _, kind = key.removeprefix("adam.").rpartition(".")
            each = [_turned(c.moments[key].to(device)) for c in self.running]
            whole = first.to(device).clone() if kind == "step" else torch.stack(each)
            self.adam.state[self.leaves[name]][kind] = whole
        self.sum = torch.zeros(len(active), 1 + len(phase.program.ops), device=device)
        for row, i, c in zip(self.sum, active, self.running, strict=True):
            row[phase.terms[i]] = c.sum
        self.weights = phase.weights(active, 0.0)
        self.recent: list[Tensor] = []
        self.extra = any(len(phase.draws[i]) < len(phase.given) for i in active)

    def sync(self) -> None:
        """Brings sums and the optimiser's moments to the members."""
        found = moments(self.adam, self.leaves)
        for k, (i, c) in enumerate(zip(self.active, self.running, strict=True)):
            c.sum.copy_(self.sum[k, self.phase.terms[i]])
            c.moments = {n: v if n.endswith(".step") else _turned(v[k]) for n, v in found.items()}

    def noise(self, rows: int) -> list[Tensor]:
        """Every member's own noise, `(M, ..., B, *event)` for each draw of the united program."""
        each = []
        for i, c in zip(self.active, self.running, strict=True):
            own = c.noise(rows, NOISE, c.step)
            if self.extra:  # draws that only other members need come after the member's own
                like = next(iter(c.parameters.values()))
                full = self.phase.program.noise((*c.lead, rows), like, c.generator)
                for k, value in zip(self.phase.draws[i], own, strict=True):
                    full[k] = value
                own = full
            each.append(own)
        return [torch.stack(draws) for draws in zip(*each, strict=True) if draws[0] is not None]

    def train(self, batch: tuple[Tensors, Tensors]) -> tuple[Tensor, dict[int, Diverged]]:
        """One step for all members, unless the loss of one stopped being a number.

        Args:
            batch: values `(M, B, *event)` and masks, if any, `(M, B)` by modality.

        Returns:
            The losses, `(M,)`, in nats per row, and what happened to the members whose loss is no
            number: while there are any, the step was not taken.
        """
        first = self.running[0]
        for group in self.adam.param_groups:
            group["lr"] = first.rate(first.step)
        if not self.phase.fixed:
            self.weights = self.phase.weights(self.active, first.step / first.total)
        for c in self.running:
            c.anneal(first.step / max(1, first.total - 1))
        tensors = {**self.tensors, **{n: self.tensors[n].mT for n in self.turned}}
        noise = self.noise(next(iter(batch[0].values())).shape[1])
        losses, terms = self.phase.call(tensors, batch, noise, self.weights)
        results = torch.cat([losses.detach()[:, None], terms.detach()], 1)
        if bad := self._check(results):
            return results[:, 0], bad
        self.adam.zero_grad()
        losses.sum().backward()
        if self.settings.clip is not None:
            self._clip(self.settings.clip)
        self.adam.step()
        for c in self.running:
            c.step, c.count = c.step + 1, c.count + 1
        self.sum += results
        return results[:, 0], {}

    def _check(self, results: Tensor) -> dict[int, Diverged]:
        self.recent.append(results)
        if self.phase.fabric.device.type != "cpu" and len(self.recent) < CHECK_EVERY:
            return {}
        seen = torch.stack(self.recent)
        self.recent.clear()
        wrong = ~torch.isfinite(seen[..., 0])
        found = {}
        for k in wrong.any(0).nonzero().flatten().tolist() if bool(wrong.any()) else []:
            i, c = self.active[k], self.running[k]
            values = seen[int(wrong[:, k].nonzero()[0]), k, self.phase.terms[i]].tolist()
            try:
                c.check(dict(zip(c.names, values, strict=True)))
            except Diverged as e:
                found[i] = e
        return found

    def _clip(self, largest: float) -> None:
        """Scales the gradient of each member to a norm of at most `largest` over its parameters."""
        grads = [p.grad for p in self.leaves.values() if p.grad is not None]
        norms = torch.stack([torch.linalg.vector_norm(g.reshape(len(g), -1), dim=1) for g in grads])
        scale = (largest / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1.0)
        for g in grads:
            g.mul_(scale.reshape(-1, *[1] * (g.ndim - 1)))


@final
class Stacked:
    """Steps of many members at once; a member that diverges leaves them with a warning."""

    def __init__(self, fabric: Any, members: Sequence[GridMember], table: Timetable) -> None:
        self.fabric, self.members, self.table = fabric, list(members), table
        self.phases = [StackedPhase(states) for states in zip(*(m.phases for m in members))]
        self.stack: Stack | None = None
        self.steps: dict[int, StackedSteps] = {}
        self.attached: tuple[int, list[int]] = (-1, [])
        self.entry, self.number, self.running = tuple[int, ...](), 0, list[GridMember]()
        self.order = torch.empty(0, 0, dtype=torch.long)

    def begin(self, entry: tuple[int, ...], number: int, running: Sequence[GridMember]) -> None:
        """Puts the members side by side that learn in this epoch; the others stay as they are."""
        self.entry, self.number, self.running = entry, number, list(running)
        stretch, active = self.table.stretch(entry[0]), [self.members.index(m) for m in running]
        if self.stack is None or self.attached != (stretch, active):
            self.release()
            self.attached, self.stack = (stretch, active), Stack([m.model for m in running])
            self.steps = {
                i: StackedSteps(phase, self.stack, active)
                for i, phase in enumerate(self.phases)
                if self.table.stretch(i) == stretch
            }
        orders = [m.order(entry[0], number, self.table.batch) for m in running]
        self.order = torch.stack(
            [m.rows.where(o.to(self.fabric.device)) for m, o in zip(running, orders, strict=True)]
        )
        self._activate(entry[0])

    def _activate(self, i: int) -> None:
        """Sets the networks' modes; the first model's modules compute for all."""
        self.phases[i].states[0].activate()

    def step(self, b: int) -> Tensor:
        rows, place = self.members[0].rows, slice(b * self.table.batch, (b + 1) * self.table.batch)
        batch = rows.batches(self.order[:, place])
        for i in self.entry:
            if len(self.entry) > 1:
                self._activate(i)
            losses, bad = self.steps[i].train(batch)
            while bad:
                for k, e in bad.items():
                    lose(self.members, self.members[k], e)
                self.begin(self.entry, self.number, [m for m in self.running if not m.lost])
                batch = rows.batches(self.order[:, place])
                self._activate(i)
                losses, bad = self.steps[i].train(batch)
        return losses.mean()

    def means(self) -> Means:
        for steps in self.steps.values():
            steps.sync()
        states = [(m, m.phases[i]) for m in self.running for i in self.entry]
        found = [(m, c, c.means()) for m, c in states]
        for i in self.entry:
            self.steps[i].sum.zero_()
        return found

    def state(self) -> Dump:
        for steps in self.steps.values():
            steps.sync()
        tensors: Tensors = {}
        meta: dict[str, Any] = {"numbers": [m.number for m in self.members], "members": []}
        for k, m in enumerate(self.members):
            found, about = m.dump(m.phases)
            meta["members"].append(about)
            tensors |= {} if m.lost else {f"member.{k}.{n}": t for n, t in found.items()}
        return tensors, meta

    def load(self, tensors: Tensors, meta: dict[str, Any]) -> None:
        for k, (m, about) in enumerate(zip(self.members, meta["members"], strict=True)):
            m.load(m.phases, under(tensors, f"member.{k}."), about)

    def release(self) -> None:
        if self.stack is not None:
            for steps in self.steps.values():
                steps.sync()
            self.stack.release()
            self.stack, self.steps = None, {}
