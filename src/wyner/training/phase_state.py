"""One phase of one model in training: what is computed, from which noise, with which weights.

A step is a function of (seed, step) alone.
"""

from __future__ import annotations

import math
from typing import Any, final

import torch
from torch import Tensor, nn

from wyner.errors import Diverged, OptionError, refuse_unknown
from wyner.models.base import Model
from wyner.objectives.phases import Phase
from wyner.schedules import learning_rate
from wyner.seeds import HELD_NOISE, mix
from wyner.training.average import Average
from wyner.training.optimiser import Dump, under
from wyner.training.rows import Rows, Tensors
from wyner.training.settings import Settings


@final
class PhaseState:
    """Program, noise, schedules and sums of a phase; how its parameters move is another's affair.

    Args:
        fabric: a launched Lightning Fabric.
        model: whose factors are trained, already on its device.
        phase: what is minimised, over which factors.
        index: of the phase; part of the noise's seed.
        total: steps that this phase will take in the whole training.
    """

    def __init__(
        self, fabric: Any, model: Model, phase: Phase, index: int, total: int, settings: Settings
    ) -> None:
        self.fabric, self.model, self.phase = fabric, model, phase
        self.index, self.total, self.settings = index, max(1, total), settings
        self.program = model.program(phase.objective).to(fabric.device)
        self.critics = self.program.critics if self.program.pairs else None
        self.names = ["loss", *self.program.names]
        self.modules = self._trained()
        frozen = {id(p) for m in model.modules() if getattr(m, "frozen", 0) for p in m.parameters()}
        own = ((f"{n}.{k}", p) for n, m in self.modules.items() for k, p in m.named_parameters())
        self.parameters: Tensors = {k: p for k, p in own if id(p) not in frozen}
        if not self.parameters:
            raise OptionError(f"phase {phase.name!r} trains no parameter")
        self.schedule = learning_rate(settings.schedule)
        self.fixed = all(isinstance(t.weight, (int, float)) for t in phase.objective.terms)
        # factors that are not trained keep their temperatures and variances: the phase before has
        # brought them to their ends
        heads: list[Any] = [m.head for n, m in self.modules.items() if n.startswith("factors.")]
        self.annealed = [h for h in heads if hasattr(h, "anneal")]
        self.generator = torch.Generator(fabric.device)
        self.step, self.count = 0, 0
        self.sum = torch.zeros(len(self.names), device=fabric.device)
        self.average: Average | None = None
        self.moments: Tensors = {}
        """Of Adam, as they were when they were last asked for."""

    def _trained(self) -> dict[str, nn.Module]:
        """Factors and features that this phase trains, by name."""
        model, phase, freeze = self.model, self.phase, self.settings.freeze
        known = [*model.factors, *model.features]
        refuse_unknown("factor", freeze, known, "freeze")
        factors, features = phase.train or (), list[str]()
        if phase.train is None:
            factors = tuple(f for f in self.program.used if f not in phase.freeze)
            parents = {op.name for op in self.program.plan.ops if op.kind == "feature"}
            features = [f for f in model.features if f in parents and f not in freeze]
        trained = {f"factors.{f}": model.factors[f] for f in factors if f not in freeze}
        return {**trained, **{f"features.{f}": model.features[f] for f in features}}

    @property
    def plain(self) -> bool:
        """Whether one process computes in float32, without anything of Fabric's."""
        s = self.settings
        return (self.fabric.world_size, s.precision, s.strategy) == (1, "32-true", "auto")

    @property
    def lead(self) -> tuple[int, ...]:
        """Leading shape of the noise before the rows."""
        return () if self.settings.samples == 1 else (self.settings.samples,)

    def averaged(self) -> Average:
        """An average of the parameters and running statistics that this phase trains."""
        own = ((f"{n}.{k}", b) for n, m in self.modules.items() for k, b in m.named_buffers())
        buffers = {k: b for k, b in own if b.is_floating_point()}
        return Average({**self.parameters, **buffers}, self.settings.ema or 0.0)

    def activate(self) -> None:
        """Lets gradients reach this phase's factors and no others, which keep their statistics."""
        own = {id(p) for p in self.parameters.values()}
        for p in self.model.parameters():
            p.requires_grad_(id(p) in own)
        self.model.eval()
        self.program.training = True
        for m in self.modules.values():
            m.train()
        if self.critics is not None:
            self.critics.train()

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        return self.settings.lr * self.schedule(step / self.total)

    def weights(self, progress: float) -> Tensor:
        """Weights of the divergences, `(D,)`, at a share of the training."""
        return torch.tensor(self.phase.objective.weights(progress), device=self.fabric.device)

    def anneal(self, progress: float) -> None:
        """Sets scheduled temperatures and variances for a share of the training."""
        for head in self.annealed:
            head.anneal(progress)

    def noise(self, rows: int, *seed: int) -> list[Tensor | None]:
        """Noise for a batch: a function of the seed, the numbers given and, for rows that processes
        share out, the process.
        """
        rank = 0 if seed[0] == HELD_NOISE else self.fabric.global_rank
        self.generator.manual_seed(mix(self.settings.seed, rank, self.index, *seed))
        like = next(iter(self.parameters.values()))
        return self.program.noise((*self.lead, rows), like, self.generator)

    def means(self) -> dict[str, float]:
        """Mean loss and terms since the last call, over all processes; starts anew."""
        mean = self.fabric.all_reduce(self.sum / max(1, self.count), reduce_op="mean")
        self.sum.zero_()
        self.count = 0
        return dict(zip(self.names, mean.tolist(), strict=True))

    @torch.no_grad()
    def evaluate(self, rows: Rows, block: int = 1000) -> dict[str, float]:
        """Mean loss and terms over validation rows, with final weights and the same noise."""
        self.model.eval()
        self.anneal(1.0)
        weights = self.weights(1.0)
        total = torch.zeros(len(self.names), dtype=torch.float64)
        for i, start in enumerate(range(0, rows.count, block)):
            index = torch.arange(start, min(start + block, rows.count), device=self.fabric.device)
            values, masks = rows.take(index)
            noise = self.noise(len(index), HELD_NOISE, i)
            loss, terms = self.program(values, noise, weights, masks)
            total += torch.cat([loss[None], terms]).double().cpu() * len(index)
        self.activate()
        # processes that differ in their last digits would keep other weights and stop alone
        total = total if self.fabric.world_size == 1 else self.fabric.broadcast(total)
        return dict(zip(self.names, (total / rows.count).tolist(), strict=True))

    def dump(self) -> Dump:
        """Steps, sums, averages and moments of Adam, for a checkpoint."""
        means = {} if self.average is None else self.average.mean
        tensors = {"sum": self.sum, **{f"average.{k}": v for k, v in means.items()}}
        return {**tensors, **self.moments}, {"step": self.step, "count": self.count}

    def load(self, tensors: Tensors, meta: dict[str, Any]) -> None:
        """The inverse of `dump`."""
        self.step, self.count = meta["step"], meta["count"]
        self.sum.copy_(tensors["sum"])
        self.moments = {k: v for k, v in tensors.items() if k.startswith("adam.")}
        if self.average is not None:
            self.average.load(under(tensors, "average."))

    def check(self, means: dict[str, float]) -> None:
        """Raises `Diverged` with the terms that are no number, if there are any."""
        if bad := [k for k, v in means.items() if not math.isfinite(v)]:
            terms = [k for k in bad if k != "loss"] or bad
            shown = "; ".join(f"{k} = {means[k]}" for k in terms[:3])
            raise Diverged(
                f"phase {self.phase.name!r}, step {self.step}: the loss is not a number any more:"
                f" {shown}. Try a smaller learning rate (lr) or a limit on gradients (clip=1.0)"
            )
