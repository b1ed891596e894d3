"""The other player: the critics of a phase, their optimiser, and what is said when they fail."""

from __future__ import annotations

import warnings
from typing import Any, final

import torch
from torch import Tensor

from wyner.errors import OptionError, TrainingWarning
from wyner.objectives.critics import CriticSet
from wyner.objectives.phases import TwoPlayer
from wyner.objectives.ratio import LOG4
from wyner.training.optimiser import moments, optimiser, set_moments
from wyner.training.phase_state import PhaseState

SATURATED = 0.97
"""Share of 2 log 2 above which a critic separates its laws too well to say where they differ (our
choice)."""
COLLAPSED = 1e-3
"""Nats: a critic whose T varies less over both laws says the same of every row."""
SAYINGS = {
    "saturated": (
        "is saturated: it tells its two laws apart almost always ({bound:.3f} of at most"
        " {most:.3f} nats), and its gradient no longer says where they differ; try more instance"
        " noise (Critics(noise=...)), fewer steps or a smaller learning rate of the critics"
    ),
    "collapsed": (
        "has collapsed: it says the same of every row (standard deviation of T {spread:.1e});"
        " unless its two laws are equal, try a larger learning rate of the critics, wider critics,"
        " or less instance noise"
    ),
}


@final
class CriticTrainer:
    """Critics that learn to tell draws of the laws apart, one step of Adam at a time.

    Args:
        state: of the phase whose critics these are.
        critics: of the model.
    """

    def __init__(self, state: PhaseState, critics: CriticSet) -> None:
        settings, name = state.settings, state.phase.name
        if not state.plain:
            raise OptionError(
                f"phase {name!r}: critics train in one process in float32 (devices=1,"
                " strategy='auto', precision='32-true')"
            )
        if settings.accumulate > 1:
            raise OptionError(
                f"accumulate: the critics of phase {name!r} compare whole batches; use a smaller"
                " batch_size"
            )
        self.phase, self.critics, self.clip = TwoPlayer.of(state.phase), critics, settings.clip
        self.terms = [p.name for p in state.pairs]
        self.parameters = critics.parameters_of(self.terms)
        if not self.parameters:
            raise OptionError(f"phase {name!r}: its critics have no parameter")
        lr, betas, device = self.phase.critic_lr, self.phase.critic_betas, state.fabric.device
        self.share = 1.0 if lr is None else lr / settings.lr
        self.adam = optimiser(list(self.parameters.values()), settings, device, betas)
        self.loss: Any = getattr(state.program, "contest")  # noqa: B009 - only some programs have it
        if settings.compile:
            self.loss = torch.compile(self.loss, dynamic=False)
        self.sum, self.count = torch.zeros(len(self.terms), 2, device=device), 0
        self.said: dict[str, str] = {}

    def _open(self, on: bool) -> None:
        """Lets gradients reach the critics, in their own steps only."""
        for p in self.parameters.values():
            p.requires_grad_(on)

    def n_steps(self, step: int) -> tuple[int, int]:
        """Steps of the critics and of the model on the batch of a step."""
        phase = self.phase
        if not phase.fresh:
            return phase.critic, phase.model
        critic = step % (phase.critic + phase.model) < phase.critic
        return int(critic), int(not critic)

    def learn(self, given: dict[str, Tensor], noise: list[Tensor | None], lr: float) -> None:
        """One step of the critics; `lr` is the model's."""
        for group in self.adam.param_groups:
            group["lr"] = lr * self.share
        self._open(True)
        loss, stand = self.loss(given, noise)
        self.adam.zero_grad()
        loss.backward()
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), self.clip)
        self.adam.step()
        self._open(False)
        self.sum += stand.detach()
        self.count += 1

    def dump(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Optimiser state and accumulated means, for a checkpoint."""
        tensors = {"sum": self.sum, **moments(self.adam, self.parameters)}
        return tensors, {"count": self.count, "said": self.said}

    def load(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """The inverse of `dump`."""
        set_moments(self.adam, self.parameters, tensors)
        self.sum.copy_(tensors["sum"])
        self.count, self.said = meta["count"], dict(meta["said"])

    def means(self) -> dict[str, float]:
        """How far each critic can tell its laws apart since the last call, in nats from 0 to 1.386.

        Starts anew, and warns of critics that fail, once until they have recovered.
        """
        if not self.count:
            return {}
        stand = (self.sum / self.count).tolist()
        self.sum.zero_()
        self.count = 0
        for term, (bound, spread) in zip(self.terms, stand, strict=True):
            failing = bound > SATURATED * LOG4, spread < COLLAPSED
            state = "saturated" if failing[0] else "collapsed" if failing[1] else ""
            if state and self.said.get(term) != state:
                text = SAYINGS[state].format(bound=bound, most=LOG4, spread=spread)
                text = f"phase {self.phase.name!r}: the critic of {term} {text}"
                warnings.warn(text, TrainingWarning, stacklevel=2)
            self.said[term] = state
        return {f"critic of {t}": bound for t, (bound, _) in zip(self.terms, stand, strict=True)}
