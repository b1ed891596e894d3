"""Steps of Adam for one phase of one model."""

from __future__ import annotations

import math
from typing import Any, final

import torch
from torch import Tensor

from wyner.errors import OptionError
from wyner.seeds import NOISE, RIVAL
from wyner.training.critic_trainer import CriticTrainer
from wyner.training.optimiser import Dump, backward_in_parts, moments, optimiser, set_moments, under
from wyner.training.phase_state import PhaseState
from wyner.training.rows import Batch, Tensors

CHECK_EVERY = 20
"""Steps between looks at the loss on devices that would have to wait for it."""


@final
class Trainer:
    """Moves the parameters of a phase, and its critics' if it has any.

    Args:
        state: what is computed; its steps and sums are kept there.
    """

    def __init__(self, state: PhaseState) -> None:
        self.state, settings, fabric = state, state.settings, state.fabric
        state.activate()
        adam = optimiser(state.parameters, settings, fabric.device)
        # Fabric recognises the compiled module inside its wrapper, so that precision and
        # distribution stay outside it
        module: Any = state.program
        if settings.compile:
            module = torch.compile(module, dynamic=False)
        # one process in float32 needs nothing of Fabric's wrapper, which costs 0.1 to 0.2 ms a step
        wrapped: Any = (module, adam) if state.plain else fabric.setup(module, adam)
        self.module, self.adam = wrapped
        self.weights = state.weights(0.0)
        self.recent: list[tuple[Tensor, Tensor]] = []
        self.last = torch.zeros((), device=fabric.device)
        state.average = None if settings.ema is None else state.averaged()
        if not state.program.judged and settings.patience is not None:
            raise OptionError(
                f"patience: the loss of phase {state.phase.name!r} says nothing of progress,"
                " because its critics learn too; use a probe"
            )
        self.critic = None if state.critics is None else CriticTrainer(state, state.critics)
        state.activate()

    def train(self, batch: Batch) -> Tensor:
        """One step of the optimiser; returns the loss, in nats per row."""
        state, step, rows = self.state, self.state.step, len(next(iter(batch[0].values())))
        for group in self.adam.param_groups:
            group["lr"] = state.rate(step)
        if not state.fixed:
            self.weights = state.weights(step / state.total)
        # the last step is taken at the end of the schedule
        state.anneal(step / max(1, state.total - 1))
        if self.critic is None:
            self._descend(batch, state.noise(rows, NOISE, step))
        else:
            critic, model = self.critic.n_steps(step)
            for k in range(critic):
                self.critic.learn(batch[0], state.noise(rows, RIVAL, step, k), state.rate(step))
            for k in range(model):
                self._descend(batch, state.noise(rows, NOISE, step, k))
        state.step += 1
        return self.last

    def _descend(self, batch: Batch, noise: list[Tensor | None]) -> None:
        """One step of Adam for the model."""
        state, settings, fabric = self.state, self.state.settings, self.state.fabric
        if (parts := settings.accumulate) > 1:
            self.adam.zero_grad()
            drawn = state.program.drawn
            loss, terms = backward_in_parts(
                fabric, self.module, drawn, batch, noise, self.weights, parts
            )
            self._check(loss, terms)
        else:
            whole, means = self.module(batch[0], noise, self.weights, batch[1])
            loss, terms = whole.detach(), means.detach()
            self._check(loss, terms)
            self.adam.zero_grad()
            fabric.backward(whole)
        if settings.clip is not None:
            fabric.clip_gradients(
                self.module, self.adam, max_norm=settings.clip, error_if_nonfinite=False
            )
        self.adam.step()
        if state.average is not None:
            state.average.update()
        state.sum += torch.cat([loss[None], terms])
        state.count += 1
        self.last = loss

    def _check(self, loss: Tensor, terms: Tensor) -> None:
        """Stops before a step on a loss that is no number, or soon after where looking is slow."""
        self.recent.append((loss, terms))
        if self.state.fabric.device.type != "cpu" and len(self.recent) < CHECK_EVERY:
            return
        for seen, parts in self.recent:
            if not math.isfinite(float(seen)):
                found = [float(seen), *parts.tolist()]
                self.state.check(dict(zip(self.state.names, found, strict=True)))
        self.recent.clear()

    def means(self) -> dict[str, float]:
        """Mean loss and terms since the last call, and how the critics stand."""
        if self.critic is None:
            return self.state.means()
        # with fresh batches only the critics may have had their turn
        return {**(self.state.means() if self.state.count else {}), **self.critic.means()}

    def dump(self) -> Dump:
        """Steps, sums, averages and states of the optimisers, for a checkpoint."""
        self.state.moments = moments(self.adam, self.state.parameters)
        tensors, meta = self.state.dump()
        if self.critic is not None:
            own, meta["rival"] = self.critic.dump()
            tensors |= {f"rival.{k}": v for k, v in own.items()}
        return tensors, meta

    def load(self, tensors: Tensors, meta: dict[str, Any]) -> None:
        """The inverse of `dump`."""
        self.state.load(tensors, meta)
        set_moments(self.adam, self.state.parameters, tensors)
        if self.critic is not None:
            self.critic.load(under(tensors, "rival."), meta["rival"])
