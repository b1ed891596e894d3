"""The other player: the critics of a phase, their optimiser, and what is said when they fail."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from wyner.errors import OptionError, TrainingWarning
from wyner.objectives import RatioProgram
from wyner.objectives.phases import TwoPlayer
from wyner.objectives.ratio import LOG4
from wyner.training.optimiser import moments, set_moments

SATURATED = 0.97
"""Share of 2 log 2 above which a critic separates its laws too well to say where they differ (our
choice)."""
COLLAPSED = 1e-3
"""Nats: a critic whose T varies less over both laws says the same of every row."""


class Rival:
    """Critics that learn to tell draws of the laws apart, one step of Adam at a time.

    Args:
        program: the phase's objective.
        phase: how many steps, which learning rate.
        adam: makes an optimiser of some parameters.
        lr: the model's highest learning rate.
    """

    def __init__(
        self, program: RatioProgram, phase: TwoPlayer, adam: Any, lr: float, clip: float | None
    ) -> None:
        assert program.critics is not None
        self.program, self.phase, self.critics, self.clip = program, phase, program.critics, clip
        self.terms = [d.name for d in program.duels]
        self.parameters = self.critics.parameters_of(self.terms)
        if not self.parameters:
            raise OptionError(f"phase {phase.name!r}: its critics have no parameter")
        self.share = 1.0 if phase.critic_lr is None else phase.critic_lr / lr
        self.adam: torch.optim.Adam = adam(list(self.parameters.values()), phase.critic_betas)
        self.names = [f"critic of {t}" for t in self.terms]
        device = next(iter(self.parameters.values())).device
        self.sum, self.count = torch.zeros(len(self.terms), 2, device=device), 0
        self.said: dict[str, str] = {}

    def activate(self, on: bool) -> None:
        """Lets gradients reach the critics, in their own steps only."""
        for p in self.parameters.values():
            p.requires_grad_(on)
        self.critics.train()

    def turn(self, step: int) -> tuple[int, int]:
        """Steps of the critics and of the model on the batch of a step."""
        phase = self.phase
        if not phase.fresh:
            return phase.critic, phase.model
        critic = step % (phase.critic + phase.model) < phase.critic
        return int(critic), int(not critic)

    def learn(
        self, play: Any, given: dict[str, Tensor], noise: list[Tensor | None], lr: float
    ) -> None:
        """One step of the critics; `play` is the program's `contest`, perhaps compiled."""
        for group in self.adam.param_groups:
            group["lr"] = lr * self.share
        self.activate(True)
        loss, stand = play(given, noise)
        self.adam.zero_grad()
        loss.backward()
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), self.clip)
        self.adam.step()
        self.activate(False)
        self.sum += stand.detach()
        self.count += 1

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Optimiser state and accumulated means, for a checkpoint."""
        return {"sum": self.sum, **moments(self.adam, self.parameters)}, {
            "count": self.count,
            "said": self.said,
        }

    def restore(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """The inverse of `state`."""
        set_moments(self.adam, self.parameters, tensors)
        self.sum.copy_(tensors["sum"])
        self.count, self.said = meta["count"], dict(meta["said"])

    def means(self) -> dict[str, float]:
        """How far each critic can tell its laws apart since the last call, in nats from 0 to 1.386;
        starts anew, and warns.
        """
        if not self.count:
            return {}
        stand = (self.sum / self.count).tolist()
        self.sum.zero_()
        self.count = 0
        for term, (bound, spread) in zip(self.terms, stand, strict=True):
            self._say(term, bound, spread)
        return dict(zip(self.names, [bound for bound, _ in stand], strict=True))

    def _say(self, term: str, bound: float, spread: float) -> None:
        """A sentence when a critic fails, once until it has recovered."""
        state = (
            "saturated" if bound > SATURATED * LOG4 else "collapsed" if spread < COLLAPSED else ""
        )
        if state and self.said.get(term) != state:
            text = {
                "saturated": (
                    f"the critic of {term} is saturated: it tells its two laws apart almost always"
                    f" ({bound:.3f} of at most {LOG4:.3f} nats), and its gradient no longer says"
                    " where they differ; try more instance noise (Critics(noise=...)), fewer steps"
                    " or a smaller learning rate of the critics"
                ),
                "collapsed": (
                    f"the critic of {term} has collapsed: it says the same of every row (standard"
                    f" deviation of T {spread:.1e}); unless its two laws are equal, try a larger"
                    " learning rate of the critics, wider critics, or less instance noise"
                ),
            }[state]
            warnings.warn(f"phase {self.phase.name!r}: {text}", TrainingWarning, stacklevel=2)
        self.said[term] = state
