"""One phase in training: its program, optimiser, learning rate and noise. A step is a function of
(seed, step) alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from wyner.errors import Diverged, OptionError, unknown
from wyner.objectives import RatioProgram
from wyner.objectives.phases import Phase, TwoPlayer
from wyner.schedules import learning_rate
from wyner.seeds import HELD_NOISE, NOISE, RIVAL, mix
from wyner.training.accumulation import backward_in_parts
from wyner.training.average import Average
from wyner.training.critic_trainer import Rival
from wyner.training.optimiser import moments, optimiser, set_moments, under
from wyner.training.settings import Settings

if TYPE_CHECKING:
    from wyner.models.base import Model
    from wyner.training.rows import Rows

CHECK_EVERY = 20
"""Steps between looks at the loss on devices that would have to wait for it."""


def plain(settings: Settings, fabric: Any) -> bool:
    """Whether one process computes in float32, without anything of Fabric's."""
    return (
        fabric.world_size == 1 and settings.precision == "32-true" and settings.strategy == "auto"
    )


class Course:
    """One phase of one model: what is computed, from which noise, with which weights; not how the
    parameters move.

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
        self.fabric, self.model, self.phase, self.index, self.settings = (
            fabric,
            model,
            phase,
            index,
            settings,
        )
        self.total = max(1, total)
        self.program = model.program(phase.objective).to(fabric.device)
        self.trained = self._trained()
        self.names = ["loss", *self.program.names]
        frozen = {
            id(p) for m in model.modules() if getattr(m, "frozen", False) for p in m.parameters()
        }
        self.parameters = {
            f"{part}.{name}.{k}": p
            for part, name in self.trained
            for k, p in getattr(model, part)[name].named_parameters()
            if id(p) not in frozen
        }
        if not self.parameters:
            raise OptionError(f"phase {phase.name!r} trains no parameter")
        self.schedule = learning_rate(settings.schedule)
        self.fixed = all(isinstance(t.weight, (int, float)) for t in phase.objective.terms)
        # frozen factors keep their temperatures and variances: the phase before has brought them to
        # their ends
        heads: list[Any] = [
            getattr(model, part)[name].head for part, name in self.trained if part == "factors"
        ]
        self.annealed = [h for h in heads if hasattr(h, "anneal")]
        self.generator = torch.Generator(fabric.device)
        self.step, self.count = 0, 0
        self.sum = torch.zeros(len(self.names), device=fabric.device)
        self.average: Average | None = None

    @property
    def judged(self) -> bool:
        """Whether the loss says how good the model is, so that weights can be chosen by it."""
        return not isinstance(self.program, RatioProgram) or self.program.judged

    def _averaged(self) -> dict[str, Tensor]:
        """Parameters and running statistics of what this phase trains, by name."""
        buffers = {
            f"{part}.{name}.{k}": b
            for part, name in self.trained
            for k, b in getattr(self.model, part)[name].named_buffers()
            if b.is_floating_point()
        }
        return {**self.parameters, **buffers}

    def _trained(self) -> list[tuple[str, str]]:
        model, phase, freeze = self.model, self.phase, self.settings.freeze
        for name in freeze:
            if name not in model.factors and name not in model.features:
                raise OptionError(
                    f"freeze: {unknown('factor', name, [*model.factors, *model.features])}"
                )
        if phase.train is not None:
            return [("factors", f) for f in phase.train if f not in freeze]
        used = [f for f in self.program.used if f not in (*phase.freeze, *freeze)]
        parents = {op.name for op in self.program.plan.ops if op.kind == "feature"} - set(freeze)
        return [("factors", f) for f in used] + [
            ("features", f) for f in model.features if f in parents
        ]

    def activate(self) -> None:
        """Lets gradients reach this phase's factors and no others; frozen ones also keep their
        running statistics.
        """
        own = {id(p) for p in self.parameters.values()}
        for p in self.model.parameters():
            p.requires_grad_(id(p) in own)
        self.model.eval()
        self.program.training = True
        for part, name in self.trained:
            getattr(self.model, part)[name].train()

    def rate(self, step: int) -> float:
        """Learning rate of a step."""
        return self.settings.lr * self.schedule(step / self.total)

    @property
    def lr(self) -> float:
        """Learning rate of the last step."""
        return self.rate(max(0, self.step - 1))

    def weights(self, progress: float) -> Tensor:
        """Weights of the divergences, `(D,)`, at a share of the training."""
        return torch.tensor(self.phase.objective.weights(progress), device=self.fabric.device)

    def anneal(self, progress: float) -> None:
        """Sets scheduled temperatures and variances for a share of the training."""
        for head in self.annealed:
            head.anneal(progress)

    def noise(self, rows: int, *seed: int) -> list[Tensor | None]:
        """Noise for a batch: a function of the seed, the process and the numbers given."""
        self.generator.manual_seed(
            mix(self.settings.seed, self.fabric.global_rank, self.index, *seed)
        )
        lead = (rows,) if self.settings.samples == 1 else (self.settings.samples, rows)
        return self.program.noise(lead, next(iter(self.parameters.values())), self.generator)

    def means(self) -> dict[str, float]:
        """Mean loss and terms since the last call, over all processes; starts anew."""
        mean = self.fabric.all_reduce(self.sum / max(1, self.count), reduce_op="mean")
        self.sum.zero_()
        self.count = 0
        return dict(zip(self.names, mean.tolist(), strict=True))

    @torch.no_grad()
    def evaluate(self, rows: Rows, block: int = 1000) -> dict[str, float]:
        """Mean loss and terms over validation rows, with final weights and the same noise every
        time.
        """
        self.model.eval()
        self.anneal(1.0)
        weights = self.weights(1.0)
        total = torch.zeros(len(self.names), dtype=torch.float64)
        for i, start in enumerate(range(0, rows.count, block)):
            index = torch.arange(start, min(start + block, rows.count), device=self.fabric.device)
            values, masks = rows.take(index)
            loss, terms = self.program(
                values, self.noise(len(index), HELD_NOISE, i), weights, masks
            )
            total += torch.cat([loss[None], terms]).double().cpu() * len(index)
        self.activate()
        return dict(zip(self.names, (total / rows.count).tolist(), strict=True))

    def refuse(self, means: dict[str, float]) -> None:
        """Raises `Diverged` with the terms that are no number."""
        bad = [k for k, v in means.items() if not math.isfinite(v) and k != "loss"] or ["loss"]
        shown = "; ".join(f"{k} = {means[k]}" for k in bad[:3])
        raise Diverged(
            f"phase {self.phase.name!r}, step {self.step}: the loss is not a number any more:"
            f" {shown}. Try a smaller learning rate (lr) or a limit on gradients (clip=1.0)"
        )


class Trainer(Course):
    """Steps of one phase of one model. Arguments as of `Course`."""

    def __init__(
        self, fabric: Any, model: Model, phase: Phase, index: int, total: int, settings: Settings
    ) -> None:
        self.rival: Rival | None = None
        super().__init__(fabric, model, phase, index, total, settings)
        self.activate()
        adam = optimiser(list(self.parameters.values()), settings, fabric.device)
        # Fabric recognises the compiled module inside its wrapper, so that precision and
        # distribution stay outside it
        module = torch.compile(self.program, dynamic=False) if settings.compile else self.program
        # one process in float32 needs nothing of Fabric's wrapper, which costs 0.1 to 0.2 ms a step
        wrapped: tuple[Any, Any] = (
            (module, adam) if plain(settings, fabric) else fabric.setup(module, adam)
        )
        self.module, self.adam = wrapped
        self.now = self.weights(0.0)
        self.recent: list[tuple[Tensor, Tensor]] = []
        if settings.ema is not None:
            self.average = Average(self._averaged(), settings.ema)
        self.last = torch.zeros((), device=fabric.device)
        if not self.judged and settings.patience is not None:
            raise OptionError(
                f"patience: the loss of phase {phase.name!r} says nothing of progress, because its"
                " critics learn too; use a probe"
            )
        if isinstance(self.program, RatioProgram) and self.program.duels:
            if not plain(settings, fabric):
                raise OptionError(
                    f"phase {phase.name!r}: critics train in one process in float32 (devices=1,"
                    " strategy='auto', precision='32-true')"
                )
            if settings.accumulate > 1:
                raise OptionError(
                    f"accumulate: the critics of phase {phase.name!r} compare whole batches; use a"
                    " smaller batch_size"
                )
            make = lambda parameters, betas: optimiser(parameters, settings, fabric.device, betas)
            self.rival = Rival(self.program, TwoPlayer.of(phase), make, settings.lr, settings.clip)
            self.play = (
                torch.compile(self.program.contest, dynamic=False)
                if settings.compile
                else self.program.contest
            )
            self.activate()

    def activate(self) -> None:
        super().activate()
        if self.rival is not None:
            self.rival.activate(False)

    def train(self, values: dict[str, Tensor], masks: dict[str, Tensor] | None) -> Tensor:
        """One step of the optimiser; returns the loss, in nats per row."""
        progress = self.step / self.total
        for group in self.adam.param_groups:
            group["lr"] = self.rate(self.step)
        if not self.fixed:
            self.now = self.weights(progress)
        self.anneal(
            self.step / max(1, self.total - 1)
        )  # the last step is taken at the end of the schedule
        rows = len(next(iter(values.values())))
        if self.rival is None:
            self._descend(values, masks, self.noise(rows, NOISE, self.step))
        else:
            critic, model = self.rival.turn(self.step)
            for k in range(critic):
                noise = self.noise(rows, RIVAL, self.step, k)
                self.rival.learn(self.play, values, noise, self.rate(self.step))
            for k in range(model):
                self._descend(values, masks, self.noise(rows, NOISE, self.step, k))
        self.step += 1
        return self.last

    def _descend(
        self, values: dict[str, Tensor], masks: dict[str, Tensor] | None, noise: list[Tensor | None]
    ) -> None:
        """One step of Adam for the model."""
        if (parts := self.settings.accumulate) > 1:
            self.adam.zero_grad()
            drawn = self.program.drawn
            detached, means = backward_in_parts(
                self.fabric, self.module, drawn, values, noise, self.now, masks, parts
            )
            self._check(detached, means)
        else:
            loss, terms = self.module(values, noise, self.now, masks)
            detached, means = loss.detach(), terms.detach()
            self._check(detached, means)
            self.adam.zero_grad()
            self.fabric.backward(loss)
        if self.settings.clip is not None:
            self.fabric.clip_gradients(
                self.module, self.adam, max_norm=self.settings.clip, error_if_nonfinite=False
            )
        self.adam.step()
        if self.average is not None:
            self.average.update()
        self.sum += torch.cat([detached[None], means])
        self.count += 1
        self.last = detached

    def means(self) -> dict[str, float]:
        if self.rival is None:
            return super().means()
        found = (
            super().means() if self.count else {}
        )  # with fresh batches only the critics may have had their turn
        return {**found, **self.rival.means()}

    def _check(self, loss: Tensor, terms: Tensor) -> None:
        """Stops before a step on a loss that is no number; where looking makes the device wait, a
        few steps later.
        """
        self.recent.append((loss, terms))
        if self.fabric.device.type != "cpu" and len(self.recent) < CHECK_EVERY:
            return
        for seen, parts in self.recent:
            if not math.isfinite(float(seen)):
                self.refuse(dict(zip(self.names, [float(seen), *parts.tolist()], strict=True)))
        self.recent.clear()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Optimiser state and accumulated means, for a checkpoint."""
        tensors = {"sum": self.sum, **moments(self.adam, self.parameters)}
        meta: dict[str, Any] = {"step": self.step, "count": self.count}
        if self.average is not None:
            tensors |= {f"average.{k}": v for k, v in self.average.mean.items()}
        if self.rival is not None:
            own, meta["rival"] = self.rival.state()
            tensors |= {f"rival.{k}": v for k, v in own.items()}
        return tensors, meta

    def restore(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """The inverse of `state`."""
        self.step, self.count = meta["step"], meta["count"]
        self.sum.copy_(tensors["sum"])
        set_moments(self.adam, self.parameters, tensors)
        if self.average is not None:
            self.average.restore(under(tensors, "average."))
        if self.rival is not None:
            self.rival.restore(under(tensors, "rival."), meta["rival"])
