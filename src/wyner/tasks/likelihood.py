"""Importance-sampled likelihoods for every model: Wyner VAE, section 7 and appendix D."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wyner.arrays import Array, like_input, parts_of
from wyner.errors import TaskError, refuse_unknown
from wyner.laws import Planner, System, noise_for, run
from wyner.math import effective_samples, log_mean_exp, pareto_shape
from wyner.tasks.annealed import Bridge, annealed, simulated_gap
from wyner.tasks.inputs import asking, block_rows, given_values, raw_values
from wyner.tasks.queries import implicit, likelihood_pair, show

METHODS = {"importance": 100, "ais": 16}
"""Ways to estimate a likelihood, and how many samples or chains a row they take by default."""
ENOUGH, HEAVY, APART = 10, 0.7, 0.5
"""Effective samples of a row below which its value is no more than a guess; shape of the tail of
the weights above which it is as well; nats between the two bounds on simulated rows, likewise."""
CACHED = 4096
"""Draws that a CPU evaluates at a time."""


@dataclass(frozen=True)
class Likelihood:
    """Estimated log-likelihoods.

    Attributes:
        value: log p in nats per row, `(B,)`, a density in the units of the data; its expectation is
            a lower bound that rises to log p with the samples.
        ess: effective number of samples of each estimate, `(B,)`, between 1 and `samples`; near 1
            the value is unreliable.
        samples: importance samples per row, or annealed chains.
        name: what was estimated, for example `log p(y|x)`.
        method: "importance" or "ais".
        gap: of "ais", the distance in nats of the two bounds of log p on rows that the model made
            up itself, averaged over them; None where it was not asked for.
        gap_error: standard error of `gap` over those rows.
        pareto_k: shape of the tail of the importance weights of each row, `(B,)`; above 0.7 they
            are too heavy for any number of samples (`wyner.math.pareto_shape`); None for "ais",
            nan below 25 samples.
        standardised: log p of the same rows as the networks see them, `(B,)`: `value` without the
            Jacobian of the preprocessing; equal to it where there is none.
    """

    value: Any
    ess: Any
    samples: int
    name: str
    method: str = "importance"
    gap: float | None = None
    gap_error: float | None = None
    pareto_k: Any = None
    standardised: Any = None

    @property
    def nll(self) -> float:
        """Mean of -log p over the rows, in nats per row."""
        return -float(self.value.mean())

    @property
    def standard_error(self) -> float:
        """Standard error of `nll` over the rows, in nats (n - 1; arrays and tensors alike)."""
        n = len(self.value)
        return float(torch.as_tensor(self.value).std()) / n**0.5 if n > 1 else float("nan")

    @property
    def sampling_error(self) -> float:
        """Standard error of `nll` that is due to the samples, in nats: (S/ess - 1)/S is the
        variance of the log of a mean weight (delta method), if the tail of the weights is light.
        """
        ess = torch.as_tensor(self.ess).double()
        variance = (self.samples / ess - 1).clamp_min(0) / self.samples
        return float(variance.sum().sqrt()) / len(ess)

    @property
    def typical_ess(self) -> float:
        """Effective samples that nine of ten rows have at least."""
        return float(torch.as_tensor(self.ess).double().quantile(0.1))

    @property
    def enough(self) -> float:
        """Effective samples a row that are called enough; half of them where chains are few, as a
        chain is a long path and not one guess.
        """
        return min(ENOUGH, self.samples / 2) if self.method == "ais" else ENOUGH

    @property
    def reliable(self) -> bool:
        """Whether nine of ten rows have enough effective samples and a light tail, the samples add
        little to the error that the rows make, and the two bounds, where known, are near.
        """
        heavy = 0.0 if self.pareto_k is None else float(self._heavy().double().mean())
        small = self.sampling_error <= max(0.01, 0.5 * self.standard_error)
        near = self.gap is None or self.gap <= APART
        full = self.typical_ess >= self.enough and heavy <= 0.1
        return full and near and (small or len(self.value) == 1)

    def _heavy(self) -> Tensor:
        return torch.as_tensor(self.pareto_k) > HEAVY

    @property
    def diagnosis(self) -> str:
        """How far the estimate can be trusted, in words."""
        rows, ess = len(self.value), torch.as_tensor(self.ess)
        what = "chains" if self.method == "ais" else "samples"
        found = [
            f"{float(ess.double().mean()):.1f} effective {what} on average (smallest"
            f" {float(ess.min()):.1f})"
        ]
        if few := int((ess < self.enough).sum()):
            found.append(f"fewer than {self.enough:g} in {few} of {rows} rows")
        if self.pareto_k is not None and (heavy := int(self._heavy().sum())):
            found.append(
                f"weights with a heavy tail (Pareto k above {HEAVY}) in {heavy} of {rows} rows"
            )
        if self.gap is not None:
            found.append(f"bounds {self.gap:.2f} nats apart on simulated rows")
        if not self.reliable:
            found.append(
                "not reliable, the nll is probably too high: take more samples"
                + (" or steps" if self.method == "ais" else " or method='ais'")
            )
        return "; ".join(found)


def log_likelihood(
    model: System,
    targets: Mapping[str, Array] | None = None,
    *,
    given: Mapping[str, Array] | None = None,
    samples: int | None = None,
    seed: int | None = None,
    method: str = "importance",
    steps: int = 100,
    simulate: int = 16,
    **arrays: Array,
) -> Likelihood:
    """Log p(targets | given), by importance sampling or by annealed importance sampling.

        log p  ~  log (1/S) sum_s w_s,   w_s = p(targets, latents_s | given) / q(latents_s |
               targets, given)

    with latents_s ~ q. Equations (55), (57), (59) of the paper for the Wyner VAE; the pair of laws
    is found by what is data in it: the joint law for p(x,y), the conditional law for r(y|x), the
    marginal law for p(x).

    Args:
        model: a model with a pair of laws for this question.
        targets: `{modality: (B, *event)}`, what is scored.
        given: `{modality: (B, *event)}`, what is known.
        samples: S, importance samples per row (100), or annealed chains per row (16); any number,
            in bounded memory.
        seed: makes the estimate repeatable.
        method: "importance", or "ais" where few of its samples are effective: chains that move from
            the encoder's law to the posterior (`wyner.tasks.annealed`), some hundred times dearer.
        steps: of "ais", temperatures on the way.
        simulate: of "ais", rows that the model makes up for `gap`; 0 for none.
        arrays: more of `targets`, by keyword: `x=...`.

    Returns:
        A `Likelihood`: `.value` `(B,)` in nats, `.ess` `(B,)`, and `.diagnosis` in words.

    Raises:
        TaskError: the model has no pair of laws for this question.
    """
    targets = {**(targets or {}), **arrays}
    refuse_unknown("method", method, METHODS, "log_likelihood", TaskError)
    samples = METHODS[method] if samples is None else samples
    for name, number, least in (
        ("samples", samples, 1),
        ("steps", steps, 1),
        ("simulate", simulate, 0),
    ):
        if number < least:
            raise TaskError(f"log_likelihood: expected {name} of at least {least}, got {number}")
    given = given or {}
    if not targets:
        raise TaskError(
            f"log_likelihood: expected at least one of {', '.join(model.observed)} to score"
        )
    if both := set(targets) & set(given):
        raise TaskError(f"log_likelihood: {show(both)} cannot be both scored and given")
    text = f"log p({show(targets)}{'|' + show(given) if given else ''})"
    where = likelihood_pair(model, targets, given)
    values = given_values(model, {**targets, **given}, "log_likelihood")
    jacobian = model.preprocessing.log_jacobian(raw_values(model, targets, "log_likelihood"))
    if where is None:
        raise TaskError(
            f"{model.title} cannot score {text}: it has no pair of laws for it; see wyner list"
            " models"
        )
    if names := implicit(model, *model.pair(where)):
        raise TaskError(
            f"{model.title} cannot score {text}: {names[0]} is deterministic and has no density;"
            " its laws can be drawn and compared by density ratios"
        )
    planner = model.planner()
    planner.kl(where, *model.pair(where))
    rows = block_rows(model)
    per_row = max(1, rows // min(samples, rows))
    gap: tuple[float | None, float | None] = None, None
    with asking(model, seed):
        parts = [
            (*annealed(Bridge(model, where, part), steps, samples), None)
            if method == "ais"
            else _estimate(model, planner, where, part, samples, rows)
            for part in parts_of(values, per_row)
        ]
        if method == "ais" and simulate:
            known = {k: v for k, v in values.items() if k in given}
            gap = simulated_gap(model, where, known, simulate, steps, samples)
    example = next(iter(targets.values()))
    back = lambda each: None if each[0] is None else like_input(torch.cat(each), example)
    seen, *more = zip(*parts, strict=True)
    change = torch.as_tensor(jacobian, device=seen[0].device)
    value, standardised = like_input(torch.cat(seen) + change, example), back(seen)
    ess, k = map(back, more)
    return Likelihood(
        value, ess, samples, text, method, *gap, pareto_k=k, standardised=standardised
    )


def _estimate(
    model: System,
    planner: Planner,
    where: str,
    values: Mapping[str, Tensor],
    samples: int,
    rows: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """log-mean of the weights, effective samples and the shape of their tail, from blocks of
    samples.
    """
    batch = len(next(iter(values.values())))
    like = next(model.parameters())
    parts = []
    for done in range(0, samples, most := max(1, rows // batch)):
        k = min(samples - done, most)
        noise = noise_for(planner.plan, model.factors, (k, batch), like)
        parts.append(_log_weights(model, planner, where, values, noise, (k, batch)))
    log_w = torch.cat(parts)
    return log_mean_exp(log_w), effective_samples(log_w), pareto_shape(log_w)


def _log_weights(
    model: System,
    planner: Planner,
    where: str,
    values: Mapping[str, Tensor],
    noise: Sequence[Tensor | None],
    shape: tuple[int, int],
) -> Tensor:
    """Log importance weights of given draws, `(K, B)`.

    On a CPU a few rows at a time: what the layers pass on then stays in its cache, and the same
    draws cost a fifth to a third less.
    """
    k, batch = shape
    few = batch if next(iter(values.values())).device.type != "cpu" else max(1, CACHED // k)
    parts = []
    for i in range(0, batch, few):
        some = slice(i, i + few)
        own = [None if n is None else n[:, some] for n in noise]
        part = {name: v[some] for name, v in values.items()}
        results = run(planner.plan, model.factors, model.features, part, own, pointwise=True)
        log_w: Tensor = -sum(results[s.op] for s in planner.plan.scores[where])
        parts.append(log_w.expand(k, len(next(iter(part.values())))))
    return torch.cat(parts, 1)
