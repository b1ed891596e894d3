"""Several models of one kind, trained from different seeds, as one model whose tasks average.

    p(x) = (1/M) sum_m p_m(x),   E[y|x] = (1/M) sum_m E_m[y|x]

Latents of the members are turned to those of the first, orthogonally, before they are averaged:
what z says is the same in every member, its axes are not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from wyner import codec
from wyner.arrays import Array, like_input, numbers_of, to_tensor
from wyner.codec import stored
from wyner.errors import RunError, TaskError
from wyner.families import Distribution
from wyner.families.distributions import Normal
from wyner.math import log_mean_exp
from wyner.models.base import Model
from wyner.preprocessing import Preprocessing
from wyner.seeds import TASK, mix
from wyner.tasks.information import Measured
from wyner.tasks.likelihood import Likelihood
from wyner.variables import Real

ALIGNED = 2000
"""Rows that latents are aligned on, at most."""


@stored("ensemble")
class Ensemble(Model):
    """Models of one kind as one: mixtures for likelihoods and draws, means for translations.

    What a user asks of one model can be asked of it. `encode` gives a Gaussian with the mean and
    variance of the members' mixture; `spread` says how far the members differ. Walks, decoding and
    searches use the first member, whose latents the others are aligned to.

    Args:
        member: configuration of a member, `name` and `arguments`.
        size: how many there are.
    """

    members: Sequence[Model]

    def __init__(self, member: Mapping[str, Any], size: int = 5) -> None:
        nn.Module.__init__(self)
        kind = codec.named(member["name"], Model, "model")
        arguments = codec.renamed(kind, codec.decode(dict(member["arguments"])))
        self.add_module("members", nn.ModuleList(kind(**arguments) for _ in range(size)))
        lead = self.members[0]
        for name, value in {**vars(lead), **lead._modules}.items():
            if name[0] != "_" and name not in ("training", "config", "preprocessing"):
                object.__setattr__(self, name, value)  # the member's own, not a part once more
        for name in self._turned():
            eye = torch.eye(self.latent[name].size).expand(size, -1, -1).clone()
            self.register_buffer(f"turn_{name}", eye)

    @classmethod
    def of(cls, models: Sequence[Model], rows: Mapping[str, Any]) -> Self:
        """An ensemble of trained models, whose latents are aligned on some rows."""
        made = cls(member=models[0].config, size=len(models))
        made.to(next(models[0].parameters()))
        for mine, theirs in zip(made.members, models, strict=True):
            mine.load_state_dict(theirs.state_dict())
        made.preprocessing = models[0].preprocessing
        made.eval().keep_weights()
        made._align({k: rows[k][:ALIGNED] for k in made.observed if k in rows})
        return made

    @classmethod
    def obstacle(cls, model: Model) -> str:
        """Why copies of a model cannot be made; empty if they can."""
        try:
            codec.decode(model.config["arguments"])
        except RunError:
            return f"{model.title} has a network or family of your own, which cannot be made again"
        return (
            ""
            if type(model) in codec.known(Model).values()
            else (f"{type(model).__name__} is a class of your own, which a run cannot make again")
        )

    @property
    def title(self) -> str:
        return f"ensemble of {len(self.members)} {self.members[0].title}"

    @property
    def preprocessing(self) -> Preprocessing:
        """That of all members."""
        return self.members[0].preprocessing

    @preprocessing.setter
    def preprocessing(self, found: Preprocessing) -> None:
        for member in self.members:
            member.preprocessing = found

    def _turned(self) -> list[str]:
        """Latents that have axes."""
        return [k for k, s in self.latent.items() if isinstance(s, Real) and len(s.shape) == 1]

    @torch.no_grad()
    def _align(self, rows: Mapping[str, Any]) -> None:
        """Orthogonal maps to the latents of the first member, from the means over some rows."""
        found = [_encoded(m, rows) for m in self.members]
        for name in self._turned():
            turn: Tensor = getattr(self, f"turn_{name}")
            for k, latents in enumerate(found[1:], 1):
                if name in latents:
                    a, b = found[0][name].mean, latents[name].mean
                    u, _, v = torch.linalg.svd((a.T @ b).double())
                    turn[k].copy_(u @ v)

    def encode(
        self, given: Mapping[str, Array] | None = None, **options: Any
    ) -> dict[str, Distribution]:
        found = [m.encode(given, **options) for m in self.members]
        made = dict(found[0])
        for name in self._turned():
            each = [f.get(name) for f in found]
            if all(isinstance(d, Normal) for d in each):
                made[name] = _averaged(each, getattr(self, f"turn_{name}"))
        return made

    def translate(
        self,
        given: Mapping[str, Array] | None = None,
        *,
        sample: bool = False,
        seed: int | None = None,
        **options: Any,
    ) -> Any:
        each = [m.translate(given, sample=sample, seed=seed, **options) for m in self.members]
        return _together({"": each}, 2 if sample else 0, seed)[""]

    def restyle(
        self,
        given: Mapping[str, Array] | None = None,
        like: Mapping[str, Array] | None = None,
        *,
        sample: bool = False,
        seed: int | None = None,
        **options: Any,
    ) -> Any:
        each = [m.restyle(given, like, sample=sample, seed=seed, **options) for m in self.members]
        return _together({"": each}, int(sample), seed)[""]

    def reconstruct(
        self,
        given: Mapping[str, Array] | None = None,
        *,
        sample: bool = False,
        seed: int | None = None,
        **options: Any,
    ) -> Any:
        each = [m.reconstruct(given, sample=sample, seed=seed, **options) for m in self.members]
        return _together({k: [e[k] for e in each] for k in each[0]}, int(sample), seed)

    def generate(self, n: int, *, seed: int | None = None, **options: Any) -> Any:
        each = [m.generate(n, seed=seed, **options) for m in self.members]
        return _together({k: [e[k] for e in each] for k in each[0]}, 1, seed)

    def spread(
        self, given: Mapping[str, Array] | None = None, *, to: str | None = None, **arrays: Array
    ) -> Any:
        """Standard deviation over the members of what they translate to, `(B, *event)`.

        Args:
            given, to, arrays: as in `translate`.
        """
        given = {**(given or {}), **arrays}
        each = [m.translate(given, to=to, means=True)[0] for m in self.members]
        found = torch.stack([to_tensor(e, "translation") for e in each]).std(0)
        return like_input(found, each[0])

    def log_likelihood(self, *args: Any, **options: Any) -> Likelihood:
        each = [m.log_likelihood(*args, **options) for m in self.members]
        value = log_mean_exp(torch.stack([to_tensor(e.value, "value") for e in each]))
        seen = log_mean_exp(torch.stack([to_tensor(e.standardised, "value") for e in each]))
        ess = torch.stack([to_tensor(e.ess, "ess") for e in each]).mean(0)
        found = {"value": value, "standardised": seen, "ess": ess}
        example = each[0].value
        return dataclasses.replace(each[0], **{k: like_input(v, example) for k, v in found.items()})

    def common_information(self, *args: Any, **options: Any) -> Measured:
        return Measured.mean_of([m.common_information(*args, **options) for m in self.members])


def _encoded(model: Model, rows: Mapping[str, Any]) -> dict[str, Distribution]:
    """Posteriors of all latents that a model infers from all modalities, or from one at a time."""
    values = dict(rows)
    found: dict[str, Distribution] = {}
    for given in (values, *({k: v} for k, v in values.items())):
        try:
            found = {**model.encode(given), **found}
        except TaskError:  # the model does not read this subset
            continue
    return found


def _averaged(each: Sequence[Any], turns: Tensor) -> Normal:
    """The moments of an equal mixture of Gaussians whose axes are turned first."""
    means = torch.stack([d.mean @ r.T for d, r in zip(each, turns, strict=True)])
    own = torch.stack([d.variance @ r.square().T for d, r in zip(each, turns, strict=True)])
    variance = own.mean(0) + means.var(0, correction=0)
    return Normal(means.mean(0), 0.5 * variance.log(), each[0].event)


def _together(each: Mapping[str, Sequence[Any]], axes: int, seed: int | None) -> dict[str, Any]:
    """Results of the members as one: their mean, or one for each index of the first axes."""
    made, index = {}, None
    for name, given in each.items():
        values, back = numbers_of(given, name, axes)
        found = torch.stack([to_tensor(v, name) for v in values])
        if not axes:
            made[name] = back(like_input(found.mean(0), values[0]))
            continue
        if index is None:
            generator = torch.Generator()
            if seed is not None:
                generator.manual_seed(mix(seed, TASK, 1))
            else:
                generator.seed()
            shape = found.shape[1 : 1 + axes]
            index = torch.randint(len(found), shape, generator=generator).to(found.device)
        wide = index.reshape(1, *index.shape, *[1] * (found.ndim - 1 - axes))
        drawn = found.gather(0, wide.expand(1, *found.shape[1:]))[0]
        made[name] = back(like_input(drawn, values[0]))
    return made
