"""Numbers of a trained model on test rows, and the probe that follows them through a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from wyner.data import Dataset
from wyner.errors import TaskError
from wyner.files import read_json, write_json
from wyner.models import Model
from wyner.models.stored import load

Metrics = dict[str, float]
CURVES = ("nll_joint", "nll_conditional", "I41", "I40")
"""What the probe measures, where the model can be asked."""


@dataclass(frozen=True)
class Ruler:
    """The questions of a table, asked of any model on the same rows with the same random numbers.

        nll_joint = -log p(x,y),   nll_conditional = -log r(y|x)    by importance sampling, in nats
                                   per row
        I41, I40, aggregate                                         estimates of I(X,Y;Z), in nats

    Where the best density of any model is known, an nll is its floor plus the mean excess over that
        density on the same rows: the
    rows' own luck, which all models share, is taken out (a control variate). The plain mean stands
    beside it (`_plain`).

    With `samples = 0` nothing is scored: a decoder that is nearly deterministic has no useful
        density.

    With more than two modalities the conditional is that of the last given the others.

    Args:
        rows: `{modality: (N, *event)}`.
        samples: S.
        offset: nats a coordinate that lead to the published scale; 0 for none.
        coordinates: of each modality.
        both: score the first modality given the last as well (`nll_back`).
    """

    rows: Mapping[str, Any]
    samples: int = 100
    offset: float = 0.0
    coordinates: Mapping[str, int] | None = None
    seed: int = 0
    truth: Mapping[str, Any] = field(default_factory=dict)
    both: bool = False

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        part: str,
        samples: int,
        rows: int | None,
        offset: float = 0.0,
        judge: Mapping[str, Any] | None = None,
    ) -> Ruler:
        """A ruler on the first rows of a part of a data set."""
        sizes = {k: s.size for k, s in dataset.spaces.items()}
        pairs = {k: torch.from_numpy(v) for k, v in dataset.pairs(part, rows).items()}
        asked = judge or {}
        return cls(pairs, samples, offset, sizes, truth=dataset.truth, both="back" in asked)

    def questions(self, model: Model) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
        """What is scored and what is given, by metric."""
        rows = {k: v for k, v in self.rows.items() if k in model.observed}
        first, last = next(iter(rows)), list(rows)[-1]
        rest = lambda name: {k: v for k, v in rows.items() if k != name}
        back = (
            {"nll_back": ({first: rows[first]}, rest(first))} if self.both and first != last else {}
        )
        return {
            "nll_joint": (rows, {}),
            "nll_conditional": ({last: rows[last]}, rest(last)),
            **back,
        }

    def measure(self, model: Model) -> dict[str, float]:
        """Every number with its standard error over the rows (`_se`), effective samples (`_ess`,
        `_ess_min`) and published scale.
        """
        out: dict[str, float] = {}
        for name, (targets, given) in self.questions(model).items() if self.samples else ():
            try:
                found = model.log_likelihood(
                    **targets, given=given, samples=self.samples, seed=self.seed
                )
            except TaskError:
                continue
            out |= {
                name: found.nll,
                f"{name}_se": found.standard_error,
                f"{name}_ess": float(found.ess.mean()),
                f"{name}_ess_min": float(found.ess.min()),
            }
            if (best := self._best(targets, given)) is not None and name in self.truth:
                excess = best - found.value.double().cpu()
                out |= {
                    f"{name}_plain": found.nll,
                    name: float(self.truth[name]) + float(excess.mean()),
                    f"{name}_se": float(excess.std()) / len(excess) ** 0.5,
                }
            if self.offset and self.coordinates is not None:
                out[f"{name}_published"] = out[name] + self.offset * sum(
                    self.coordinates[k] for k in targets
                )
        return out | self._information(model)

    def _best(self, targets: Mapping[str, Any], given: Mapping[str, Any]) -> torch.Tensor | None:
        """Log density of the rows under the best model, `(N,)`, where it is known."""
        best = self.truth.get("best_log_density")
        if best is None:
            return None
        ask = lambda rows: torch.from_numpy(best({k: v.numpy() for k, v in rows.items()}))
        return ask({**given, **targets}) - (ask(given) if given else 0.0)

    def _information(self, model: Model) -> dict[str, float]:
        rows = {k: v for k, v in self.rows.items() if k in model.observed}
        try:
            return model.common_information(**rows, limit=2000, seed=self.seed)
        except TaskError:
            return {}

    def probe(self) -> Callable[[Model], dict[str, float]]:
        """The same numbers without errors, for curves."""
        return lambda model: {k: v for k, v in self.measure(model).items() if k in CURVES}


def measured(
    folder: Path, file: str, how: dict[str, Any], find: Callable[[Model], Metrics] | None
) -> Metrics | None:
    """Numbers of a run, found once and kept in its folder.

    Args:
        folder: of the run.
        file: where they are kept.
        how: they are found; numbers that were found in another way are found again.
        find: numbers of the model, on the GPU if there is one; None to leave out what is not there
            yet.
    """
    if (folder / file).exists() and (old := read_json(folder / file))["how"] == how:
        return old["metrics"]
    if find is None:
        return None
    metrics = find(load(folder).to("cuda" if torch.cuda.is_available() else "cpu"))
    write_json(folder / file, {"how": how, "metrics": metrics})
    return metrics
