"""A start at the linear optimum: the weights of a model whose factors can be affine, set to the
regularised closed form of `wyner.information.common_factors`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from wyner.errors import OptionError
from wyner.families import distributions as D
from wyner.families.heads import LOG_SCALE_RANGE
from wyner.information.common_factors import Private, View, common_factors, posterior
from wyner.laws import AnyFactor, Combined, Conditional, read_conditional
from wyner.models.base import Model
from wyner.networks import MLP, PerValue
from wyner.sparse import dense
from wyner.training.rows import Rows
from wyner.variables import unit

EDGE = 0.02
"""Probabilities are kept this far from 0 and 1 where a logit is linearised."""


Blocks = dict[str, list[tuple[str, slice]]]
"""By latent, what its coordinates are for: `(view, where)` private to a view, or common with ""."""


def start_at_linear_optimum(model: Model, rows: Rows, seed: int) -> None:
    """Sets encoders, decoders and scales to the closed form, on the model's device.

    What is predicted of one view from another is then ridge regression, cut to the size of z; MLPs
    beside the linear paths return 0 until they learn.

    Args:
        model: changes in place.
        rows: to learn from.
        seed: of the parts of the rows that choose the ridges.

    Raises:
        OptionError: a model or networks that have no such form.
    """
    if reason := obstacle(model):
        raise OptionError(f"start='linear': {reason}")
    found, masks = rows.own()
    flat = {k: unit(dense(v)).detach().cpu().reshape(len(v), -1) for k, v in found.items()}
    cpu = None if masks is None else {k: m.cpu() for k, m in masks.items()}
    blocks = blocks_of(model)
    size = next(at.stop for parts in blocks.values() for view, at in parts if not view)
    _Writer(model, blocks, common_factors(flat, cpu, size, seed)).write()


def obstacle(model: Model) -> str:
    """Why a model has no closed form to start from; empty if it has one."""
    if len(model.observed) < 2:
        return f"{model.title} has one modality; what is common needs two"
    if model.features:
        return f"encoders of {next(iter(model.features))} share features, which are not affine"
    blocks = blocks_of(model)
    if not any(view == "" for parts in blocks.values() for view, _ in parts):
        return f"{model.title} has no latent that all its modalities are decoded from"
    for name, factor in model.factors.items():
        term = read_conditional(name)
        (of,) = term.of
        if not term.given or isinstance(factor, Combined):
            continue
        network, kind = factor.network, model.factors[name].head.distribution
        if not isinstance(network, MLP) or isinstance(network, PerValue):
            return f"the network of {name} is no MLP of all its parents"
        if network.affine is None:
            return (
                f"the network of {name} has no linear path; build the model with"
                " networks=MLPs(linear=True)"
            )
        if of in model.latent:
            if kind is not D.Normal or not {*term.given} <= {*model.observed, *model.common}:
                return f"{name} is no Gaussian encoder of modalities"
        elif not {*term.given} <= {*blocks} or kind not in (D.Normal, D.Bernoulli, D.Categorical):
            return f"{name} is no decoder with a closed form"
    return ""


def blocks_of(model: Model) -> Blocks:
    """What the latents are for, from the parents of the decoders: common, or private to a view.

    Where no view has a latent of its own, the common one is divided into equal parts: common, and
    private to each view.
    """
    readers: dict[str, list[str]] = {}
    for name in model.factors:
        term = read_conditional(name)
        if term.of[0] in model.observed:
            for g in term.given:
                readers.setdefault(g, []).append(term.of[0])
    whole = lambda z: slice(0, model.latent[z].size)
    every, found = list(model.observed), Blocks()
    for z in (z for z in model.latent if z in readers):
        if set(readers[z]) == set(every):
            found[z] = [("", whole(z))]
        elif len(readers[z]) == 1:
            found[z] = [(readers[z][0], whole(z))]
    if len(found) == 1:
        ((z, ((_, at),)),) = found.items()
        share = at.stop // (len(every) + 1)
        start = at.stop - share * len(every)
        cut = lambda i: slice(start + i * share, start + (i + 1) * share)
        found[z] = [("", slice(0, start)), *((n, cut(i)) for i, n in enumerate(every))]
    return found


class _Writer:
    """Writes the closed form into the factors of a model."""

    def __init__(self, model: Model, blocks: Blocks, views: Mapping[str, View]) -> None:
        self.model, self.blocks, self.views = model, blocks, views
        sizes = {v: at.stop - at.start for parts in blocks.values() for v, at in parts if v}
        self.private: dict[str, Private] = {}
        for name in model.factors:
            (of,) = read_conditional(name).of
            if of in views:
                self.private[of] = views[of].private(sizes.get(of, 0), self._fixed(name, of))

    def _fixed(self, name: str, view: str) -> Tensor | None:
        """Variances of standardised columns that a decoder does not train."""
        head = self.model.factors[name].head
        found = getattr(head, "log_scale", None)
        if head.distribution is not D.Normal or found is None or found.requires_grad:
            return None
        return torch.exp(2 * found.detach().cpu().double()) / self.views[view].scale.square()

    @torch.no_grad()
    def write(self) -> None:
        """Sets every factor that has a network."""
        for name in self.model.factors:
            term, factor = read_conditional(name), self.model.factors[name]
            if not term.given or factor.network is None:
                continue
            write = self._encoder if term.of[0] in self.model.latent else self._decoder
            write(term, factor)

    def _zeros(self, rows: int, names: Iterable[str]) -> dict[str, Tensor]:
        """Maps of some variables that are 0."""
        size = lambda name: self.model.variables[name].size
        return {n: torch.zeros(rows, size(n), dtype=torch.float64) for n in names}

    def _encoder(self, term: Conditional, factor: AnyFactor) -> None:
        """N(E[latent|given], 1 / precision), block by block."""
        (of,) = term.of
        size, given = self.model.latent[of].size, [g for g in term.given if g in self.views]
        maps, precision = self._zeros(size, term.given), torch.ones(size, dtype=torch.float64)
        read, whole = posterior([self.views[g] for g in given])
        inner = [z for z in term.given if z not in self.views]
        for view, at in self.blocks.get(of, ()):
            if not view:
                precision[at] = torch.diagonal(whole)
                for g, m in zip(given, read, strict=True):
                    maps[g][at] += m
            elif view in given:  # E[u|z,x] = reader (x - W z), with E[z|x_S] where z is not given
                own, loadings = self.private[view], self.views[view].loadings
                precision[at] = own.precision
                maps[view][at] += own.reader
                of_z = dict(zip(given, read, strict=True)) if not inner else self._picked(inner[0])
                for g, m in of_z.items():
                    maps[g][at] -= own.reader @ loadings @ m
        if term.head == "e":  # what the product with the prior makes of it is the posterior
            own_precision = (precision - 1).clamp_min(math.exp(-2 * LOG_SCALE_RANGE[1]))
            maps = {g: m * (precision / own_precision)[:, None] for g, m in maps.items()}
            precision = own_precision
        matrix, bias = self._of_columns(maps)
        log_scale = (-0.5 * precision.log()).clamp(*LOG_SCALE_RANGE)
        factor.network.become(
            torch.cat([matrix, torch.zeros_like(matrix)]), torch.cat([bias, log_scale])
        )

    def _picked(self, latent: str) -> dict[str, Tensor]:
        """The common block of a latent."""
        at = next(at for view, at in self.blocks[latent] if not view)
        return {latent: torch.eye(self.model.latent[latent].size, dtype=torch.float64)[at]}

    def _of_columns(self, maps: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Maps of standardised columns as one matrix of the parents as they are, and its bias."""
        blocks, bias = [], torch.zeros(len(next(iter(maps.values()))), dtype=torch.float64)
        for name, m in maps.items():
            if name in self.views:
                m = m / self.views[name].scale
                bias -= m @ self.views[name].mean
            blocks.append(m)
        return torch.cat(blocks, 1), bias

    def _decoder(self, term: Conditional, factor: AnyFactor) -> None:
        """The mean m + s (W z + V u), and the variances s^2 Psi where they are trained."""
        (of,) = term.of
        view, own, head = self.views[of], self.private[of], factor.head
        maps = self._zeros(len(view.mean), term.given)
        for g, m in maps.items():
            for owner, at in self.blocks[g]:
                if owner in ("", of):
                    m[:, at] = own.loadings if owner else view.loadings
        matrix, bias = view.scale[:, None] * torch.cat(list(maps.values()), 1), view.mean
        log_scale = 0.5 * (view.scale.square() * own.noise).log()
        if head.distribution is not D.Normal:  # to first order around the means
            p = bias.clamp(EDGE, 1 - EDGE)
            binary = head.distribution is D.Bernoulli
            matrix = matrix / (p * (1 - p) if binary else p)[:, None]
            bias = p.logit() if binary else p.log()
        elif (scale := getattr(head, "log_scale", None)) is None:  # the network predicts it
            matrix = torch.cat([matrix, torch.zeros_like(matrix)])
            bias = torch.cat([bias, log_scale])
        elif scale.requires_grad:
            shared = torch.exp(2 * log_scale).reshape(head.event)
            axes = [i for i in range(shared.ndim) if scale.ndim <= i or scale.shape[i] == 1]
            shared = shared.mean(axes, keepdim=scale.ndim > 0) if axes else shared
            scale.copy_(0.5 * shared.log())
        factor.network.become(matrix, bias)
