"""Laws as text: what is read, and what is refused in which words."""

from __future__ import annotations

import pytest

from wyner.errors import LawError
from wyner.laws import Conditional, check, is_data, parse

VARIABLES = ("x", "y", "z", "u", "common_code")
OBSERVED = ("x", "y")


def test_a_law_is_its_factors_in_order():
    law = parse("q(x,y) q(z|x,y) q(u|z,x)")
    assert law.terms == (
        Conditional("q", ("x", "y"), ()),
        Conditional("q", ("z",), ("x", "y")),
        Conditional("q", ("u",), ("z", "x")),
    )
    assert law.variables == ("x", "y", "z", "u")
    assert law.text == "q(x,y) q(z|x,y) q(u|z,x)"
    assert [t.name for t in law.terms] == ["q(x,y)", "q(z|x,y)", "q(u|z,x)"]


@pytest.mark.parametrize(
    "text", ["q(x,y)q(z|x,y)", " q( x , y )  q(z | x,y) ", "q(x,\ty)\n  q(z| x , y)\n"]
)
def test_spaces_do_not_matter(text):
    assert parse(text) == parse("q(x,y) q(z|x,y)")


def test_names_may_be_long_and_heads_anything():
    (term,) = parse("r_1(common_code|left_half,x2)").terms
    assert term == Conditional("r_1", ("common_code",), ("left_half", "x2"))


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("q(x", "q(x"),
        ("q(x,y) z|x", "z|x"),
        ("q(x) q(z|)", "q(z|)"),
        ("q(x) q(|x)", "q(|x)"),
        ("q(x) q(z|x,)", "q(z|x,)"),
        ("q(x) * q(z|x)", "* q(z|x)"),
        ("q(x) q(z;x)", "q(z;x)"),
        ("q(x) q(z|x|y)", "q(z|x|y)"),
        ("q(x) q(1z|x)", "q(1z|x)"),
        ("q()", "q()"),
        ("hello", "hello"),
    ],
)
def test_what_cannot_be_read_is_shown(text, rest):
    with pytest.raises(LawError) as e:
        parse(text, "joint: q")
    assert (
        str(e.value)
        == f"joint: q: cannot read {rest!r}; expected factors such as q(z|x,y) or p(x), got"
        f" {text!r}"
    )


@pytest.mark.parametrize("text", ["", "   "])
def test_an_empty_law_is_refused(text):
    with pytest.raises(
        LawError, match=r"rate: p: the law is empty; expected factors such as p\(z\) p\(x\|z\)"
    ):
        parse(text, "rate: p")


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("q(x)", True),
        ("q(x,y)", True),
        ("p(x)", False),
        ("q(x|y)", False),
        ("q(z)", False),
        ("q(x,z)", False),
    ],
)
def test_data_is_an_unconditional_q_over_observed_variables(text, data):
    assert is_data(parse(text).terms[0], OBSERVED) is data


def refuse(text: str, given: tuple[str, ...] = ()) -> str:
    with pytest.raises(LawError) as e:
        check(parse(text), VARIABLES, OBSERVED, "joint: q", given)
    return str(e.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "q(x) q(w|x)",
            "joint: q: q(w|x): unknown variable 'w': There are: common_code, u, x, y, z",
        ),
        (
            "q(x) q(z|x,w)",
            "joint: q: q(z|x,w): unknown variable 'w': There are: common_code, u, x, y, z",
        ),
        ("q(x) q(comon_code|x)", "unknown variable 'comon_code': did you mean 'common_code'?"),
        (
            "q(x) q(z|x) q(z|x)",
            (
                "joint: q: q(z|x) draws z a second time; every variable stands on the left of one"
                " factor"
            ),
        ),
        ("q(x,y) p(x)", "joint: q: p(x) draws x a second time"),
        ("q(x,x) q(z|x)", "joint: q: q(x,x) draws x a second time"),
        ("q(x) q(z|x,x)", "joint: q: q(z|x,x)"),
        (
            "q(x) q(u|z,x) q(z|x)",
            "joint: q: q(u|z,x) needs z, which no factor before it draws; there is x",
        ),
        (
            "p(x|z) p(z)",
            "joint: q: p(x|z) needs z, which no factor before it draws; there is nothing yet",
        ),
        ("q(x) q(z|z)", "joint: q: q(z|z) needs z, which no factor before it draws; there is x"),
        (
            "q(x) q(z,u|x)",
            (
                "joint: q: q(z,u|x) draws 2 variables at once; only data may: write one factor for"
                " each"
            ),
        ),
        ("p(x,y)", "joint: q: p(x,y) draws 2 variables at once; only data may"),
        (
            "q(x) q(z)",
            "joint: q: q(z) is the aggregate of a latent, which has no density; write a prior p(z)",
        ),
        ("q(x,z)", "joint: q: q(x,z) draws 2 variables at once; only data may"),
    ],
)
def test_a_law_that_cannot_be_sampled_is_refused_with_the_factor(text, message):
    assert message in refuse(text)


def test_what_is_given_need_not_be_drawn():
    check(parse("p(x|z,u)"), VARIABLES, OBSERVED, "sampler", given=("z", "u"))
    assert "p(x|z,u) needs u, which no factor before it draws; there is z" in refuse(
        "p(x|z,u)", given=("z",)
    )


def test_every_law_of_the_design_is_accepted():
    for text in (
        "q(x,y) q(z|x,y) q(u|z,x)",
        "p(z) p(u) p(x|z,u) p(y|z)",
        "q(x) q(z|x) p(u) p(y|z,u)",
        "q(y) q(x|y) q(z|y,x)",
        "q(x) q(y) p(z)",
        "p(x) p(y)",
    ):
        check(parse(text), VARIABLES, OBSERVED, "law")
