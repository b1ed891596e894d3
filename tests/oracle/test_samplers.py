"""Samplers of every model: exact values where nothing is random, exact moments by z-score where
something is."""

from __future__ import annotations

import pytest
import torch

from oracle.cases import NAMES, build, scored
from oracle.gaussian import affine, components, is_data, joint_of, joints_of, mixed_moments
from oracle.statistics import assert_mean, assert_moments
from wyner.errors import LawError
from wyner.families.distributions import Delta
from wyner.laws import parse

pytestmark = pytest.mark.usefixtures("float64")

N = 30_000


def stack(out, names):
    return torch.cat([out[k].reshape(len(out[k]), -1) for k in names], 1)


def same(a, b):
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def outputs(model, law):
    return [t.of[0] for t in law.terms if t.of[0] in model.observed and not is_data(model, t)]


def conditions(model, law):
    return [v for t in law.terms if is_data(model, t) for v in t.of]


def last_outputs(model, law):
    """Outputs that no other output is drawn from; means may stand for draws of these only, or the
    outputs would not fit together."""
    return [
        v
        for v in outputs(model, law)
        if not any(v in t.given for t in law.terms if t.of[0] in outputs(model, law))
    ]


def joint_laws(model):
    """p-laws of all modalities, without data."""
    return [
        p
        for _, p in model.laws.values()
        if sorted(outputs(model, p)) == sorted(model.observed) and not conditions(model, p)
    ]


def check_rows(draws, joints, targets, rows, what):
    """Draws `(n, B, d)` of the targets against the exact conditional law given each row."""
    mean, cov = mixed_moments(joints, targets, rows)
    for i in range(draws.shape[1]):
        assert_moments(draws[:, i], mean[i], cov[i], f"{what}, row {i}")


GENERATORS = [name for name in NAMES if joint_laws(build(name, 1)[0])]


@pytest.mark.parametrize("sample", [False, True])
@pytest.mark.parametrize("name", GENERATORS)
def test_generate(name, sample):
    model, data = build(name, 2)
    law, names = joint_laws(model)[0], list(model.observed)
    out = model.generate(N, sample=sample, seed=5)
    joint = joint_of(model, law, data, silent=() if sample else last_outputs(model, law))
    exact = joint.marginal(names)
    assert_moments(stack(out, names), exact.mean, exact.cov, f"{name}.generate(sample={sample})")
    same(stack(model.generate(3, means=True), names), exact.mean.expand(3, -1))


@pytest.mark.parametrize("sample", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_translate(name, sample):
    model, data = build(name, 2)
    rows, asked = data.sample(2), set()
    for _, p in model.laws.values():
        given = conditions(model, p)
        if not given or (tuple(given), tuple(outputs(model, p))) in asked:
            continue
        asked.add((tuple(given), tuple(outputs(model, p))))
        known = {k: rows[k] for k in given}
        for target in outputs(model, p):
            joints = joints_of(model, p, data, silent=() if sample else [target])
            out = model.translate(**known, to=target, n=N, sample=sample, seed=6)
            assert out.shape == (N, 2, *model.observed[target].event_shape)
            check_rows(
                out.reshape(N, 2, -1), joints, [target], known, f"{name}: {given} -> {target}"
            )
            mean, _ = mixed_moments(joints, [target], known)
            same(model.translate(**known, to=target, means=True)[0].reshape(2, -1), mean)


def predicted(model, text, values):
    """The mean of a factor at given values of its parents."""
    return torch.stack(means_of(model, text, values)).mean(0)


def means_of(model, text, values):
    """The mean of each component of a factor."""
    return [
        sum((values[g] @ w.T for g, w in f.weights.items()), start=f.bias)
        for f in components(model, *parse(text).terms)
    ]


def test_generate_in_the_style_of_a_pair():
    """Section 8: z ~ p(z); u0, v0 of the reference pair."""
    model, data = build("WynerVAE", 2)
    pair = data.sample(1)
    z = predicted(model, "q(z|x,y)", pair)
    u, v = (
        predicted(model, "q(u|z,x)", {"z": z, **pair}),
        predicted(model, "q(v|z,y)", {"z": z, **pair}),
    )
    p = parse("p(z)").terms[0]
    prior = affine(model, p)
    ax, ay = (affine(model, parse(t).terms[0]).weights["z"] for t in ("p(x|z,u)", "p(y|z,v)"))
    zero = torch.zeros(1, 2)
    mean = torch.cat(
        [
            predicted(model, "p(x|z,u)", {"z": zero, "u": u}),
            predicted(model, "p(y|z,v)", {"z": zero, "v": v}),
        ],
        1,
    )[0]
    both = torch.cat([ax, ay])
    exact = both @ torch.diag(prior.variance) @ both.T
    same(stack(model.generate(4, like=pair, means=True), ["x", "y"]), mean.expand(4, -1))
    # draws of z with the style's means: the style itself is not random here because its latents are
    # drawn once
    out = stack(model.generate(N, like=pair, seed=1), ["x", "y"])
    assert_mean(
        (out - out.mean(0))[:, :, None] * (out - out.mean(0))[:, None, :],
        exact * (1 - 1 / N),
        "covariance around the style",
    )


def test_restyle_takes_content_from_one_and_style_from_the_other():
    model, data = build("WynerVAE", 2)
    content, style = data.sample(5), data.sample(5)
    z = predicted(model, "q(z|x)", content)
    z0 = predicted(model, "q(z|y)", style)
    v0 = predicted(model, "q(v|z,y)", {"z": z0, **style})
    same(
        model.restyle(x=content["x"], like={"y": style["y"]}),
        predicted(model, "p(y|z,v)", {"z": z, "v": v0}),
    )
    one = {"y": style["y"][:1]}
    same(
        model.restyle(x=content["x"], like=one),
        predicted(model, "p(y|z,v)", {"z": z, "v": v0[:1].expand(5, 2)}),
    )
    z1, z2 = predicted(model, "q(z|x)", content), predicted(model, "q(z|x)", style)
    u2 = predicted(model, "q(u|z,x)", {"z": z2, **style})
    same(
        model.restyle(x=content["x"], like={"x": style["x"]}),
        predicted(model, "p(x|z,u)", {"z": z1, "u": u2}),
    )


def test_restyle_of_a_cvae_and_from_a_pair():
    """Section 8: v0 ~ q(v|y0,x0); y_th(v0, x1)."""
    model, data = build("CVAE", 2)
    content, style = data.sample(4), data.sample(4)
    v0 = predicted(model, "q(v|y,x)", style)
    same(
        model.restyle(x=content["x"], like=style),
        predicted(model, "p(y|v,x)", {"v": v0, "x": content["x"]}),
    )


def test_restyle_with_draws():
    model, data = build("WynerVAE", 2)
    x, y = data.sample(1)["x"], data.sample(1)["y"]
    out = model.restyle(
        x=x.expand(N, -1), like={"y": y.expand(N, -1)}, means=False, sample=True, seed=2
    )
    law = parse("q(x) q(z|x)"), parse("q(y) q(z|y) q(v|z,y)")
    content, style = (joint_of(model, q, data) for q in law)
    z, s_z = content.conditional(["z"], {"x": x})
    v, s_v = style.conditional(["v"], {"y": y})
    f = affine(model, parse("p(y|z,v)").terms[0])
    a, b = f.weights["z"], f.weights["v"]
    assert_moments(
        out,
        (z @ a.T + v @ b.T + f.bias)[0],
        a @ s_z @ a.T + b @ s_v @ b.T + torch.diag(f.variance),
        "restyled draws",
    )


@pytest.mark.parametrize("sample", [False, True])
@pytest.mark.parametrize("keep_style", [False, True])
def test_reconstruct(keep_style, sample):
    """z ~ q(z|x,y), u and v from their priors or from q(u|z,x), q(v|z,y)."""
    model, data = build("WynerVAE", 2)
    rows = {k: v.expand(N, -1) for k, v in data.sample(1).items()}
    style = "q(u|z,x) q(v|z,y)" if keep_style else "p(u) p(v)"
    joint = joint_of(model, parse(f"q(x,y) q(z|x,y) {style}"), data)
    for out, text in {"(x)": "p(x|z,u)", "(y)": "p(y|z,v)"}.items():
        joint = joint.with_factor(out, affine(model, parse(text).terms[0]), silent=not sample)
    mean, cov = joint.conditional(["(x)", "(y)"], {k: v[:1] for k, v in rows.items()})
    out = model.reconstruct(**rows, keep_style=keep_style, sample=sample, seed=8)
    assert_moments(stack(out, ["x", "y"]), mean[0], cov, "reconstructions")
    same(
        stack(
            model.reconstruct(
                **{k: v[:2] for k, v in rows.items()}, keep_style=keep_style, means=True
            ),
            ["x", "y"],
        ),
        mean.expand(2, -1),
    )


def test_reconstruct_one_modality_and_three():
    model, data = build("WynerVAE", 2)
    x = data.sample(3)["x"]
    z = predicted(model, "q(z|x)", {"x": x})
    same(
        model.reconstruct(x=x, means=True)["x"],
        predicted(model, "p(x|z,u)", {"z": z, "u": torch.zeros(3, 2)}),
    )
    model, data = build("WynerVAE-3", 2)
    rows = data.sample(3)
    z = predicted(model, "q(z|a,b,c)", rows)
    out = model.reconstruct(**rows, means=True)
    for m in "abc":
        same(out[m], predicted(model, f"p({m}|z,u_{m})", {"z": z, f"u_{m}": torch.zeros(3, 2)}))


@pytest.mark.parametrize("name", NAMES)
def test_encode_gives_the_factors_of_the_largest_law(name):
    """Means of each posterior, with the means of the latents before it; densities of its values."""
    model, data = build(name, 2)
    rows = data.sample(4)
    subsets = {}
    for q, _ in model.laws.values():
        if not outputs(model, q):
            known = tuple(sorted(conditions(model, q)))
            subsets[known] = max(subsets.get(known, q), q, key=lambda law: len(law.variables))
    for known, q in subsets.items():
        values = {k: rows[k] for k in known}
        found = model.encode(**values)
        for term in (t for t in q.terms if not is_data(model, t)):
            (latent,) = term.of
            mean, point = predicted(model, term.name, values), torch.randn(4, 2)
            same(found[latent].mean, mean)
            if model.factors[term.name].head.distribution is Delta:
                with pytest.raises(LawError, match="no density"):
                    found[latent].log_prob(point)
                values[latent] = mean
                continue
            each = zip(means_of(model, term.name, values), components(model, term), strict=True)
            densities = [
                torch.distributions.Normal(m, f.variance.sqrt()).log_prob(point).sum(1)
                for m, f in each
            ]
            same(found[latent].log_prob(point), torch.stack(densities).exp().mean(0).log())
            values[latent] = mean
        assert set(found) == {t.of[0] for t in q.terms if not is_data(model, t)}


def test_encode_with_draws_has_the_moments_of_the_law():
    model, data = build("WynerVAE", 2)
    rows = {k: v.expand(N, -1) for k, v in data.sample(1).items()}
    joint = joint_of(model, parse("q(x,y) q(z|x,y) q(u|z,x)"), data)
    mean, cov = joint.conditional(["u"], {k: v[:1] for k, v in rows.items()})
    found = model.encode(**rows, draws=True, seed=4)
    own = torch.diag(affine(model, parse("q(u|z,x)").terms[0]).variance)
    assert_moments(found["u"].mean, mean[0], cov - own, "means of q(u|z,x) over z")
    assert_moments(found["u"].sample(), mean[0], cov, "draws of u")


def test_every_likelihood_has_a_translation_and_the_table_of_abilities_says_so():
    for name in NAMES:
        model, _ = build(name, 1)
        can = model.abilities()
        for law in model.laws:
            asked = scored(model, law)
            if asked:
                targets, given = (",".join(sorted(a)) for a in asked)
                assert (
                    f"p({targets}{'|' + given if given else ''})" in can["log_likelihood"].split()
                )
                if given:
                    assert f"{given}->{targets}" in can["translate"].split()
        assert (can["generate"] == "yes") == bool(joint_laws(model))
