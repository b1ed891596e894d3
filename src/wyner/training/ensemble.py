"""Many copies of a small model as one batched program: parameters side by side, one forward and
backward pass for all.

A member is what a single run would be: its order of rows, its noise and its weights of the
    objective are the same functions of
its seed and step. What is shared are the products: `(M, B, d_in) x (M, d_in, d_out)` in place of M
    small ones.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from wyner.errors import Diverged
from wyner.models.base import Model
from wyner.runs import RunFolder
from wyner.seeds import NOISE
from wyner.training.batching import operations, scored, united
from wyner.training.loop import Loop
from wyner.training.member import Member, Probe
from wyner.training.optimiser import optimiser, under
from wyner.training.trainer import CHECK_EVERY, Course


class Stack:
    """Parameters and buffers of models side by side, `(M, *shape)`; the models' own tensors become
    views of them.

    Matrices are kept transposed, `(M, in, out)`: so their gradients come out in the layout of the
        parameters and are not copied.
    Buffers that are equal in all models and never annealed stay single.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        self.models = list(models)
        self.leaves: dict[str, Tensor] = {}
        self.buffers: dict[str, Tensor] = {}
        tables: list[dict[str, Tensor]] = [dict(m.named_parameters()) for m in models]
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


class Batch:
    """Steps of one phase for all members at once.

    L = sum_m L_m: the gradient of the sum by the stacked parameters holds every member's own
        gradient, and Adam acts on each
    number alone, so that one optimiser serves all.

    Args:
        courses: this phase of every member.
    """

    def __init__(self, courses: Sequence[Course]) -> None:
        self.courses = list(courses)
        first = self.courses[0]
        self.fabric, self.settings, self.phase = first.fabric, first.settings, first.phase
        self.program = united([c.model for c in courses], [c.phase.objective for c in courses]).to(
            first.fabric.device
        )
        self.divergences = [
            _places(c.program.divergences, self.program.divergences) for c in courses
        ]
        scores, draws = operations(
            [self.program, *(scored(c.model, c.phase.objective) for c in courses)]
        )
        self.terms = [[1 + k for k in _places(own, scores[0])] for own in scores[1:]]
        self.draws = [_places(own, draws[0]) for own in draws[1:]]
        trained = {id(p) for p in first.parameters.values()}
        self.names = [n for n, p in first.model.named_parameters() if id(p) in trained]
        self.used = {n for n, _ in self.program.named_parameters()} | {
            n for n, _ in self.program.named_buffers()
        }
        self.given = [kind is not None for kind, _ in self.program.drawn]
        call = vmap(self._one)
        self.call = torch.compile(call, dynamic=False) if self.settings.compile else call
        self.step, self.count = 0, 0
        self.active: list[int] = []
        self.moments: dict[str, dict[str, Tensor]] = {}
        self.fixed = all(c.fixed for c in courses)

    def _one(
        self,
        state: dict[str, Tensor],
        values: dict[str, Tensor],
        masks: dict[str, Tensor],
        noise: list[Tensor],
        weights: Tensor,
    ) -> tuple[Tensor, Tensor]:
        left = iter(noise)
        drawn = [next(left) if given else None for given in self.given]
        return functional_call(self.program, state, (values, drawn, weights, masks or None))

    def attach(self, stack: Stack, active: Sequence[int]) -> None:
        """Trains these members of the stack from now on, with their own moments of Adam and sums so
        far.
        """
        device = self.fabric.device
        frozen = {n: p.detach() for n, p in stack.leaves.items() if n not in self.names}
        self.leaves = {n: stack.leaves[n] for n in self.names}
        self.state = {
            n: t for n, t in {**frozen, **self.leaves, **stack.buffers}.items() if n in self.used
        }
        self.turn = [n for n in self.state if n in stack.leaves and self.state[n].ndim == 3]
        self.adam = optimiser(list(self.leaves.values()), self.settings, device)
        keep = torch.tensor(
            [self.active.index(i) for i in active] if self.active else [],
            dtype=torch.long,
            device=device,
        )
        for name, found in self.moments.items():
            self.adam.state[self.leaves[name]] = {
                k: v.to(device).clone() if k == "step" else v.to(device)[keep]
                for k, v in found.items()
            }
        self.active = list(active)
        self.running = [self.courses[i] for i in active]
        self.step, self.count = self.running[0].step, self.running[0].count
        self.sum = torch.zeros(len(active), 1 + len(self.program.ops), device=device)
        for row, i, c in zip(self.sum, active, self.running, strict=True):
            row[[0, *self.terms[i]]] = c.sum
        self.now = self._weights(0.0)
        self.recent: list[Tensor] = []
        self.extra = any(len(self.draws[i]) < len(self.given) for i in active)

    def activate(self) -> None:
        """Sets the networks' modes; the first model's modules compute for all."""
        self.courses[0].activate()

    def sync(self) -> None:
        """Brings steps and sums to the members' courses, and the optimiser's moments to where a
        checkpoint finds them.
        """
        for row, i, c in zip(self.sum, self.active, self.running, strict=True):
            c.step, c.count = self.step, self.count
            c.sum.copy_(row[[0, *self.terms[i]]])
        self.moments = {
            n: dict(self.adam.state[p]) for n, p in self.leaves.items() if p in self.adam.state
        }

    def clear(self) -> None:
        """Starts the sums anew."""
        self.sum.zero_()
        self.count = 0

    def _weights(self, progress: float) -> Tensor:
        """Weights of the united divergences, `(M, D)`; 0 for those that a member leaves out."""
        table = torch.zeros(len(self.active), len(self.program.divergences))
        for row, i, c in zip(table, self.active, self.running, strict=True):
            row[self.divergences[i]] = torch.tensor(c.phase.objective.weights(progress))
        return table.to(self.fabric.device)

    def _noise(self, rows: int) -> list[Tensor]:
        each = []
        for i, c in zip(self.active, self.running, strict=True):
            own = c.noise(rows, NOISE, self.step)
            if self.extra:  # draws that only other members need come after the member's own
                lead = (rows,) if self.settings.samples == 1 else (self.settings.samples, rows)
                full = self.program.noise(lead, next(iter(c.parameters.values())), c.generator)
                for k, value in zip(self.draws[i], own, strict=True):
                    full[k] = value
                own = full
            each.append(own)
        return [torch.stack(draws) for draws in zip(*each, strict=True) if draws[0] is not None]

    def train(
        self, values: dict[str, Tensor], masks: dict[str, Tensor]
    ) -> tuple[Tensor, dict[int, Diverged]]:
        """One step for all members, unless the loss of one stopped being a number.

        Args:
            values, masks: `(M, B, *event)` and `(M, B)` by modality.

        Returns:
            The losses, `(M,)`, in nats per row, and what happened to the members whose loss is no
                number: while there are
            any, the step was not taken.
        """
        first = self.running[0]
        progress = self.step / first.total
        for group in self.adam.param_groups:
            group["lr"] = first.rate(self.step)
        if not self.fixed:
            self.now = self._weights(progress)
        for c in self.running:
            c.anneal(self.step / max(1, first.total - 1))
        state = {**self.state, **{n: self.state[n].mT for n in self.turn}}
        noise = self._noise(next(iter(values.values())).shape[1])
        losses, terms = self.call(state, values, masks, noise, self.now)
        results = torch.cat([losses.detach()[:, None], terms.detach()], 1)
        if bad := self._check(results):
            return results[:, 0], bad
        self.adam.zero_grad()
        losses.sum().backward()
        if self.settings.clip is not None:
            self._clip(self.settings.clip)
        self.adam.step()
        self.step += 1
        self.sum += results
        self.count += 1
        return results[:, 0], {}

    def _check(self, results: Tensor) -> dict[int, Diverged]:
        self.recent.append(results)
        if self.fabric.device.type != "cpu" and len(self.recent) < CHECK_EVERY:
            return {}
        seen = torch.stack(self.recent)
        self.recent.clear()
        if bool(torch.isfinite(seen[..., 0]).all()):
            return {}
        found = {}
        for k in (~torch.isfinite(seen[..., 0])).any(0).nonzero().flatten().tolist():
            i, first = self.active[k], int((~torch.isfinite(seen[:, k, 0])).nonzero()[0])
            values = seen[first, k].tolist()
            course = self.courses[i]
            course.step = self.step
            try:
                course.refuse(
                    dict(
                        zip(
                            course.names,
                            [values[0], *(values[t] for t in self.terms[i])],
                            strict=True,
                        )
                    )
                )
            except Diverged as e:
                found[i] = e
        return found

    def _clip(self, largest: float) -> None:
        """Scales the gradient of each member to a norm of at most `largest`, over its own
        parameters.
        """
        grads = [p.grad for p in self.leaves.values() if p.grad is not None]
        norms = torch.stack([torch.linalg.vector_norm(g.reshape(len(g), -1), dim=1) for g in grads])
        scale = (largest / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1.0)
        for g in grads:
            g.mul_(scale.reshape(-1, *[1] * (g.ndim - 1)))


class Ensemble(Loop):
    """The training of many members at once; see `wyner.training.loop.Loop`. A member that diverges
    leaves it with a warning.

    Args:
        numbers: of the members in their grid, which its checkpoint tells from those of other
            batches.
    """

    def __init__(
        self,
        fabric: Any,
        members: Sequence[Member],
        folder: RunFolder | None,
        fingerprint: str,
        show: bool = True,
        probe: Probe | None = None,
        numbers: Sequence[int] = (),
    ) -> None:
        super().__init__(fabric, members, folder, fingerprint, show, probe)
        self.numbers = list(numbers)
        self.stack: Stack | None = None
        self.attached: tuple[int, list[int]] | None = None

    def _prepare(self) -> list[Any]:
        for m in self.members:
            m.courses = [
                Course(self.fabric, m.model, p, i, self.totals[i], m.settings)
                for i, p in enumerate(m.model.phases)
            ]
        return [Batch([m.courses[i] for m in self.members]) for i in range(len(self.phases))]

    def run(self) -> list[Member]:
        """Trains to the end; returns the members that are left.

        Raises:
            Diverged: none is left.
        """
        try:
            return super().run()
        finally:
            self._release()

    def _release(self) -> None:
        if self.stack is not None:
            self._sync()
            self.stack.release()
            self.stack = self.attached = None

    def _sync(self) -> None:
        if self.attached is not None:
            for i in self._phases_of(self.attached[0]):
                self.trainers[i].sync()

    def _phases_of(self, group: int) -> list[int]:
        return [i for i in range(len(self.phases)) if self._group((i,)) == group]

    def _begin(self, entry: tuple[int, ...], members: Sequence[Member]) -> None:
        """Puts the members side by side that learn in this epoch; the others keep what they have
        learned.
        """
        group, active = self._group(entry), [self.members.index(m) for m in members]
        if self.attached != (group, active):
            self._release()
            self.stack, self.attached = Stack([m.model for m in members]), (group, active)
            for i in self._phases_of(group):
                self.trainers[i].attach(self.stack, active)
        number = self._epoch_number(entry)
        self.order = torch.stack(
            [
                m.rows.where(m.order(entry[0], number, self.batch).to(self.fabric.device))
                for m in members
            ]
        )
        self.trainers[entry[0]].activate()

    def _step(self, entry: tuple[int, ...], b: int) -> Tensor:
        values, masks = self._take(b)
        for i in entry:
            if len(entry) > 1:
                self.trainers[i].activate()
            losses, bad = self.trainers[i].train(values, masks)
            while bad:
                for k, e in bad.items():
                    self._lose(self.members[k], e)
                self._begin(entry, self._running(self._group(entry)))
                values, masks = self._take(b)
                self.trainers[i].activate()
                losses, bad = self.trainers[i].train(values, masks)
        return losses.mean()

    def _take(self, b: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Values and masks of a batch of every member, `(M, B, *event)` and `(M, B)`."""
        return self.members[0].rows.batches(self.order[:, b * self.batch : (b + 1) * self.batch])

    def _log(self, entry: tuple[int, ...], group: int) -> None:
        self._sync()
        super()._log(entry, group)
        for i in entry:
            self.trainers[i].clear()

    def _lose(self, m: Member, e: Diverged) -> None:
        if m.lost:
            return
        m.lost = str(e)
        shown = ", ".join(f"{k}={v}" for k, v in m.point.items())
        warnings.warn(f"member {shown or self.members.index(m)} is left out: {e}", stacklevel=2)
        if all(m.lost for m in self.members):
            raise Diverged(f"every member diverged; the first: {self.members[0].lost}")

    @contextmanager
    def _guard(self, m: Member) -> Iterator[None]:
        try:
            yield
        except Diverged as e:
            self._lose(m, e)

    def _dump(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        self._sync()
        tensors: dict[str, Tensor] = {}
        meta: dict[str, Any] = {"batch": self.numbers, "members": [], "active": {}}
        for k, m in enumerate(self.members):
            found, about = m.dump()
            tensors |= {} if m.lost else {f"member.{k}.{n}": t for n, t in found.items()}
            tensors |= {f"member.{k}.sum.{c.phase.name}": c.sum for c in m.courses}
            meta["members"].append(
                {**about, "steps": {c.phase.name: [c.step, c.count] for c in m.courses}}
            )
        for t in self.trainers:
            meta["active"][t.phase.name] = t.active
            for name, moments in t.moments.items():
                tensors |= {f"phase.{t.phase.name}.adam.{name}.{k}": v for k, v in moments.items()}
        return tensors, meta

    def _load(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        for k, (m, about) in enumerate(zip(self.members, meta["members"], strict=True)):
            found = under(tensors, f"member.{k}.")
            m.load(found, about)
            for c in m.courses:
                c.step, c.count = about["steps"][c.phase.name]
                c.sum.copy_(found[f"sum.{c.phase.name}"])
        for t in self.trainers:
            t.active, t.moments = meta["active"][t.phase.name], {}
            for key, value in under(tensors, f"phase.{t.phase.name}.adam.").items():
                name, _, kind = key.rpartition(".")
                t.moments.setdefault(name, {})[kind] = value
