"""A learner: a system with an objective, the phases that train it, and their critics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from wyner.errors import OptionError, refuse_unknown
from wyner.laws import System, read_conditional
from wyner.networks import Critics
from wyner.objectives.critic_inputs import seen_by
from wyner.objectives.critics import CriticSet
from wyner.objectives.grouping import group_values
from wyner.objectives.phases import Phase
from wyner.objectives.program import Program
from wyner.objectives.terms import Objective
from wyner.seeds import ROWS, mix
from wyner.sparse import dense


class Learner(System):
    """What a training needs of a model.

    Args:
        objective: a weighted sum of terms.
        phases: how to train; by default one phase with the objective and every factor.
        critics: makes the critics of terms that compare laws by their draws.
        modules: a user's own networks by factor, own critics by the name of their term.
        parts: of the system; see `wyner.laws.System`.
    """

    objective: Program

    def __init__(
        self,
        *,
        objective: Objective,
        phases: Sequence[Phase] = (),
        critics: Critics | None = None,
        modules: Mapping[str, nn.Module] | None = None,
        **parts: Any,
    ) -> None:
        phases = tuple(phases) or (Phase("main", objective),)
        measured = {
            t.name: t for o in (objective, *(p.objective for p in phases)) for t in o.measured
        }
        modules = dict(modules or {})
        own = {k: modules.pop(k) for k in tuple(modules) if k in measured}
        super().__init__(modules=modules, **parts)
        self.phases = phases
        self._check_phases()
        reads = lambda t: seen_by(t, self.laws, list(self.variables), self.observed)
        sees = {k: names for k, t in measured.items() if (names := reads(t))}
        self._known(own, sees, "network")
        self.critics: CriticSet | None = None
        if sees:
            self.critics = CriticSet(critics or Critics(), sees, self.variables, self.observed, own)
        # not a submodule: it shares the factors, which would otherwise be stored twice
        object.__setattr__(self, "objective", self.program(objective))

    def _check_phases(self) -> None:
        names = [p.name for p in self.phases]
        if len(set(names)) < len(names):
            raise OptionError(f"phases: expected different names, got {', '.join(names)}")
        for phase in self.phases:
            refuse_unknown(
                "factor",
                (*(phase.train or ()), *phase.freeze),
                self.factors,
                f"phase {phase.name!r}",
            )

    def prepare(
        self,
        values: Mapping[str, Tensor],
        masks: Mapping[str, Tensor] | None,
        seed: int,
        trained: bool,
    ) -> None:
        """Fits encodings and heads to the rows, and trains what comes before the model.

        Then finds the groups of values of encoders that tell more apart than their latent has.

        Args:
            values: training rows by modality, `(N, *event)`, on the model's device.
            masks: by modality, `(N,)`; rows without a modality are left out.
            seed: of the order of the rows.
            trained: whether the weights are there already, so that freezing is enough.
        """
        if self.critics is not None and not trained:
            self.critics.measure({k: dense(v) for k, v in values.items()})
        for k, name in enumerate(self.observed):
            factors = [self.factors[t] for t in self.factors if read_conditional(t).of == (name,)]
            rows = lambda name=name: (
                dense(values[name]) if masks is None else values[name][masks[name] > 0]
            )
            feature = self.features[name] if name in self.features else None
            for module in (feature, *(f.head for f in factors)):
                if hasattr(module, "fit") and name in values and not trained:
                    module.fit(rows())
            if feature is None:
                continue
            generator = torch.Generator().manual_seed(mix(seed, ROWS, k))
            self.networks.before(
                feature, [f.network for f in factors], None if trained else rows, generator
            )
        if not trained:
            group_values(self, values, masks)

    def program(self, objective: Objective) -> Program:
        """An objective compiled over this model's laws and factors; it shares the parameters."""
        critics = self.critics if objective.measured else None
        return Program(objective, self.laws, self.planner(), critics)
