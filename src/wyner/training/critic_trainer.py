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
from wyner.training.optimiser import Dump, moments, optimiser, set_moments
from wyner.training.phase_state import PhaseState
from wyner.training.rows import Tensors

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
        self.terms = [p.name for p in state.program.pairs]
        self.parameters: Tensors = dict(critics.parameters_of(self.terms))
        if not self.parameters:
            raise OptionError(f"phase {name!r}: its critics have no parameter")
        lr, betas, device = self.phase.critic_lr, self.phase.critic_betas, state.fabric.device
        self.share = 1.0 if lr is None else lr / settings.lr
        self.adam = optimiser(self.parameters, settings, device, betas)
        self.loss: Any = state.program.critic_loss
        if settings.compile:
            self.loss = torch.compile(self.loss, dynamic=False)
        self.sum, self.count = torch.zeros(len(self.terms), 2, device=device), 0
        self.said: dict[str, str] = {}

    def n_steps(self, step: int) -> tuple[int, int]:
        """Steps of the critics and of the model on the batch of a step."""
        critic, model = self.phase.critic, self.phase.model
        if not self.phase.fresh:
            return critic, model
        turn = step % (critic + model) < critic
        return int(turn), int(not turn)

    def learn(self, given: Tensors, noise: list[Tensor | None], lr: float) -> None:
        """One step of the critics, which gradients reach only meanwhile; `lr` is the model's."""
        for group in self.adam.param_groups:
            group["lr"] = lr * self.share
        for p in self.parameters.values():
            p.requires_grad_(True)
        loss, stand = self.loss(given, noise)
        self.adam.zero_grad()
        loss.backward()
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), self.clip)
        self.adam.step()
        for p in self.parameters.values():
            p.requires_grad_(False)
        self.sum += stand.detach()
        self.count += 1

    def means(self) -> dict[str, float]:
        """How far each critic can tell its laws apart since the last call, in nats from 0 to 1.386.

        Starts anew, and warns of critics that fail, once until they have recovered.
        """
        if not self.count:
            return {}
        stand = dict(zip(self.terms, (self.sum / self.count).tolist(), strict=True))
        self.sum.zero_()
        self.count = 0
        for term, (bound, spread) in stand.items():
            failing = "collapsed" if spread < COLLAPSED else ""
            failing = "saturated" if bound > SATURATED * LOG4 else failing
            if failing and self.said.get(term) != failing:
                text = SAYINGS[failing].format(bound=bound, most=LOG4, spread=spread)
                text = f"phase {self.phase.name!r}: the critic of {term} {text}"
                warnings.warn(text, TrainingWarning, stacklevel=2)
            self.said[term] = failing
        return {f"critic of {term}": bound for term, (bound, _) in stand.items()}

    def dump(self) -> Dump:
        """Optimiser state and accumulated means, for a checkpoint."""
        tensors = {"sum": self.sum, **moments(self.adam, self.parameters)}
        return tensors, {"count": self.count, "said": self.said}

    def load(self, tensors: Tensors, meta: dict[str, Any]) -> None:
        """The inverse of `dump`."""
        set_moments(self.adam, self.parameters, tensors)
        self.sum.copy_(tensors["sum"])
        self.count, self.said = meta["count"], dict(meta["said"])
