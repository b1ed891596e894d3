"""Rows that lack modalities: every one teaches what it can, in every model that has experts."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

import wyner
from wyner import Real
from wyner.errors import DataError
from wyner.families import Mixture, Product
from wyner.families.distributions import Normal
from wyner.models import DMVAE, MMVAE, MVAE, MVTCAE, BiVCCAPrivate, MMVAEPlus, MoPoE, WynerVAE
from wyner.networks import MLPs

SIZES = {"a": 4, "b": 3, "c": 2}
MIXED = {"networks": MLPs(hidden=(7,))}
THREE = {
    "MVAE": lambda s: MVAE(s, z=2, **MIXED),
    "MMVAE": lambda s: MMVAE(s, z=2, **MIXED),
    "MoPoE": lambda s: MoPoE(s, z=2, tight=True, **MIXED),
    "DMVAE": lambda s: DMVAE(s, z=2, local=1, cross=0.7, **MIXED),
    "MMVAEPlus": lambda s: MMVAEPlus(s, z=2, local=1, **MIXED),
    "WynerVAE": lambda s: WynerVAE(
        s, z=2, local=1, lam=0.3, alpha=0.6, posterior="experts", **MIXED
    ),
}
"""Models for which a row without c is a row of the model of a and b."""
PATTERNS = [p for p in itertools.product((0, 1), repeat=3) if any(p)]


def spaces(names=SIZES):
    return {k: Real(SIZES[k]) for k in names}


def rows(n: int, seed: int = 0):
    g = torch.Generator().manual_seed(seed)
    return {k: torch.randn(n, s, generator=g) for k, s in SIZES.items()}


def noise_by_factor(program, n: int, there: set[str], seed: int = 0):
    """Noise that depends on the factor alone, as it is for a row that has only what is there."""
    found, count = [], {}
    for name, (_, event) in zip(program.plan.draws, program.drawn, strict=True):
        head, _, given = name[:-1].partition("|")
        left = ",".join(g for g in given.split(",") if g not in SIZES or g in there)
        key = f"{head}|{left}"
        count[name] = count.get(name, 0) + 1
        g = torch.Generator().manual_seed(hash_of(f"{key}{count[name]}{seed}"))
        found.append(torch.randn(n, *event, generator=g, dtype=torch.get_default_dtype()))
    return found


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode(), "little") % (2**31)


def masks_of(pattern, n: int):
    return {k: torch.full((n,), float(p)) for k, p in zip(SIZES, pattern, strict=True)}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", THREE)
@pytest.mark.parametrize("pattern", [p for p in PATTERNS if sum(p) == 2])
def test_a_row_without_a_modality_is_a_row_of_the_model_without_it(kind, pattern):
    """Loss and gradients are those of a smaller model that was built without the modality."""
    whole, n = THREE[kind](spaces()), 6
    names = [k for k, p in zip(SIZES, pattern, strict=True) if p]
    part = THREE[kind](spaces(names))
    own = {k: v for k, v in whole.state_dict().items() if k in part.state_dict()}
    assert own.keys() == part.state_dict().keys()
    part.load_state_dict(own)
    data, losses = {k: v.double() for k, v in rows(n).items()}, []
    for model, masks in ((whole, masks_of(pattern, n)), (part, None)):
        program = model.objective
        weights = torch.tensor(program.objective.weights(0.0))
        given = data if masks else {k: data[k] for k in names}
        loss, _ = program(given, noise_by_factor(program, n, set(names)), weights, masks)
        losses.append(loss)
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-10)
    names_of = [k for k, _ in part.named_parameters()]
    table = dict(whole.named_parameters())
    ours = torch.autograd.grad(losses[0], [table[k] for k in names_of], allow_unused=True)
    theirs = torch.autograd.grad(losses[1], list(part.parameters()), allow_unused=True)
    for name, a, b in zip(names_of, ours, theirs, strict=True):
        assert (a is None) == (b is None), name
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-11, msg=name)


EVERY = {
    **THREE,
    "MVAE of every subset": lambda s: MVAE(s, z=2, every_subset=True, **MIXED),
    "MVTCAE": lambda s: MVTCAE(s, z=2, **MIXED),
    "WynerVAE joint": lambda s: WynerVAE(s, z=2, local=1, lam=0.3, alpha=0.6, **MIXED),
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("draws", [(), (3,)])
@pytest.mark.parametrize("kind", EVERY)
def test_a_batch_of_rows_with_gaps_is_the_mean_of_its_rows(kind, draws):
    """Each term is averaged over the rows that can answer it, each under its own pattern; terms
    that are parts of one expectation together."""
    model = EVERY[kind](spaces())
    program, n = model.objective, len(PATTERNS)
    data = {k: v.double() for k, v in rows(n).items()}
    table = torch.tensor(PATTERNS).double()
    masks = {k: table[:, i] for i, k in enumerate(SIZES)}
    noise = program.noise((*draws, n), data["a"])
    weights = torch.tensor(program.objective.weights(0.0))
    loss, terms = program(data, noise, weights, masks)
    answers, by_hand = program.answers(masks), 0.0
    groups = program.groups > 0
    for group in {tuple(g.tolist()) for g in groups}:
        own = torch.tensor(group)
        laws = [law for law, g in zip(program.scored, group, strict=True) if g]
        there = torch.stack([answers[law] for law in laws]).any(0)
        for r in range(n):
            part = {k: v[r : r + 1] for k, v in data.items()}
            blur = [e.narrow(len(draws), r, 1) for e in noise]
            alone = {k: m[r : r + 1] for k, m in masks.items()}
            value, _ = program(part, blur, weights * own, alone)
            assert bool(there[r]) or float(value.detach()) == 0
            by_hand += float(value.detach()) / float(there.sum())
    assert float(loss.detach()) == pytest.approx(by_hand, rel=1e-9)
    assert all(torch.isfinite(t) for t in terms)


@pytest.mark.parametrize("kind", EVERY)
def test_what_stands_in_missing_places_does_not_matter(kind):
    model = EVERY[kind](spaces())
    program, n = model.objective, len(PATTERNS)
    masks = {k: torch.tensor(PATTERNS)[:, i].float() for i, k in enumerate(SIZES)}
    data, noise = rows(n), program.noise((n,), rows(n)["a"])
    weights = torch.tensor(program.objective.weights(0.0))
    found = []
    for spoil in (0.0, 50.0, -70.0):
        given = {k: torch.where(masks[k][:, None] > 0, v, spoil) for k, v in data.items()}
        model.zero_grad()
        loss, _ = program(given, noise, weights, masks)
        loss.backward()
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        found.append([loss.detach(), *(g.clone() for g in grads)])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def unpaired():
    """400 rows of which one half has x alone and the other y alone."""
    x = np.random.default_rng(0).normal(size=(400, 3))
    half = np.r_[np.ones(200), np.zeros(200)]
    return {"x": x, "y": x, "x_mask": half, "y_mask": 1 - half}


PAIRS = {
    "MVAE": lambda o: MVAE(**o, z=2),
    "MMVAE": lambda o: MMVAE(**o, z=2),
    "MoPoE": lambda o: MoPoE(**o, z=2),
    "MVTCAE": lambda o: MVTCAE(**o, z=2),
    "DMVAE": lambda o: DMVAE(**o, z=2, u=1, v=1),
    "MMVAEPlus": lambda o: MMVAEPlus(**o, z=2, u=1, v=1),
    "BiVCCAPrivate": lambda o: BiVCCAPrivate(**o, z=2, u=1, v=1),
    "WynerVAE": lambda o: WynerVAE(**o, z=2, u=1, v=1, alpha=1.0, lam=0.1, posterior="experts"),
}


@pytest.mark.parametrize("kind", PAIRS)
def test_unpaired_halves_teach_every_weight(kind):
    """Nothing pairs the rows, and still every encoder and decoder learns (once: not one weight)."""
    model = PAIRS[kind]({"x": Real(3), "y": Real(3), **MIXED})
    # r(v) of MMVAE+ stands in for the style of a side that another one says: there is no pair
    used = {f"factors.{n}" for n in model.objective.used if not n.startswith("r(")}
    before = {k: v.clone() for k, v in model.named_parameters()}
    wyner.fit(model, unpaired(), epochs=2, batch_size=50, lr=1e-2, seed=0, progress=False)
    for name, p in model.named_parameters():
        inside = any(name.startswith(u + ".") for u in used)
        assert not inside or not torch.equal(p, before[name]), name


def test_models_of_pairs_refuse_halves_by_name():
    """A model all of whose terms read both sides says which, and changes nothing."""
    model = wyner.models.JVAE(x=Real(3), y=Real(3), w=2)
    with pytest.raises(DataError, match=r"no row has what these terms need: joint reads x,y"):
        wyner.fit(model, unpaired(), epochs=1, seed=0, progress=False)
    joint = WynerVAE(x=Real(3), y=Real(3), z=2, alpha=1.0)
    with pytest.warns(UserWarning, match=r"joint reads x,y, rate reads x,y|joint reads x,y"):
        wyner.fit(joint, unpaired(), epochs=1, seed=0, progress=False)


def test_rows_with_nothing_are_refused_with_their_numbers():
    data = unpaired()
    data["x_mask"][[3, 17]] = 0
    with pytest.raises(DataError, match=r"2 rows \(3, 17\) without any modality"):
        wyner.fit(MVAE(x=Real(3), y=Real(3), z=2), data, epochs=1, progress=False)


def test_nine_views_work_out_their_patterns_row_by_row():
    """Beyond the number of views whose patterns are listed, the same numbers."""
    nine = {f"m{c}": Real(1) for c in "abcdefghi"}
    model = MMVAE(nine, z=1, networks=MLPs(hidden=(3,)))
    program = model.objective
    assert program.known is None
    g = torch.Generator().manual_seed(0)
    data = {k: torch.randn(5, 1, generator=g) for k in nine}
    masks = {k: (torch.rand(5, generator=g) < 0.6).float() for k in nine}
    noise, weights = program.noise((5,), data["ma"]), torch.ones(len(program.divergences))
    loss, _ = program(data, noise, weights, masks)
    each = []
    for r in range(5):
        part = {k: v[r : r + 1] for k, v in data.items()}
        own = [e[r : r + 1] for e in noise]
        one = {k: m[r : r + 1] for k, m in masks.items()}
        each.append(program(part, own, weights, one)[0].item())
    assert loss.item() == pytest.approx(sum(each) / 5, rel=1e-5)


def test_a_combination_without_members_that_were_seen_is_the_prior():
    """By hand, float64: products weigh members that are there; mixtures share among them."""
    g = torch.Generator().manual_seed(1)
    make = lambda: Normal(
        torch.randn(4, 2, generator=g).double(), torch.randn(4, 2, generator=g).double(), (2,)
    )
    parts = [make(), make(), make()]
    there = torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]]).double()
    whole = Product("a", "b", "c").combine(parts, there)
    mixed = Mixture("a", "b", "c").combine(parts, there)
    value = torch.randn(4, 2, generator=g).double()
    for r in range(4):
        left = [m for m, t in zip(parts, there[:, r], strict=True) if t]
        one = [Normal(m.loc[r], m.log_scale[r], (2,)) for m in left]
        product = Product(*"abc"[: len(one)]).combine(one)
        torch.testing.assert_close(whole.loc[r], product.loc)
        torch.testing.assert_close(whole.log_scale[r], product.log_scale)
        density = torch.stack([m.log_prob(value[r]) for m in one]).logsumexp(0) - math.log(len(one))
        torch.testing.assert_close(mixed.log_prob(value)[r], density)
        torch.testing.assert_close(mixed.mean[r], torch.stack([m.loc for m in one]).mean(0))
    noise = torch.randn(100_000, 4, 3, generator=g).double()
    drawn = mixed.exact(noise)
    error = drawn.std(0) / 100_000**0.5
    assert bool(((drawn.mean(0) - mixed.mean).abs() < 5 * error).all())


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", ["MVAE", "DMVAE", "WynerVAE"])
def test_any_subset_given_any_other(kind):
    """log p(b|a), c integrated out, is that of the model that was built without c; so is log p(a),
    by importance weights from equal draws."""
    whole, part = THREE[kind](spaces()), THREE[kind](spaces("ab"))
    part.load_state_dict({k: v for k, v in whole.state_dict().items() if k in part.state_dict()})
    data = {k: v.double() for k, v in rows(5).items()}
    for targets, given in (("b", "a"), ("a", "b"), ("ab", ""), ("b", "")):
        ask = {k: data[k] for k in targets}, {k: data[k] for k in given}
        ours = whole.log_likelihood(ask[0], given=ask[1], samples=50, seed=3)
        theirs = part.log_likelihood(ask[0], given=ask[1], samples=50, seed=3)
        torch.testing.assert_close(ours.value, theirs.value)
        torch.testing.assert_close(ours.ess, theirs.ess)
