"""Which law answers which question: it follows from what is data in the model's laws."""

from __future__ import annotations

from collections.abc import Iterable

from wyner.errors import TaskError
from wyner.families.distributions import Delta
from wyner.laws import Inner, Law, System, is_data, without
from wyner.objectives import Learner
from wyner.objectives.measures import Dependence
from wyner.objectives.terms import Objective


def scored(model: System, q: Law, p: Law) -> frozenset[str]:
    """Observed variables whose density weights p/q estimate: p draws them, to q they are data."""
    return model.outputs_of(p) - model.outputs_of(q)


def implicit(model: System, *laws: Law) -> list[str]:
    """Factors that can be drawn, not scored; those in every one of several laws cancel."""
    shared = (
        frozenset.intersection(*(frozenset(law.terms) for law in laws))
        if len(laws) > 1
        else frozenset()
    )
    terms = dict.fromkeys(
        t for law in laws for t in law.terms if t not in shared and not is_data(t, model.observed)
    )
    return [t.name for t in terms if model.factors[t.name].head.distribution is Delta]


def show(names: Iterable[str]) -> str:
    """Names in a fixed order, for messages."""
    return ",".join(sorted(names))


def inference_law(
    model: System, given: Iterable[str], latents: Iterable[str] = ()
) -> tuple[str, Law] | None:
    """The q-law whose data are exactly `given`, that draws `latents` and most others."""
    given, wanted = frozenset(given), set(latents)
    found = [
        (name, q)
        for name, (q, _) in model.laws.items()
        if model.data_of(q) == given and wanted <= set(q.variables) and not model.outputs_of(q)
    ]
    own = lambda law: sum(
        not isinstance(model.factors[t.name], Inner) for t in law.terms if t.name in model.factors
    )
    return max(found, key=lambda item: own(item[1]), default=None)


def generative_law(
    model: System, given: Iterable[str], targets: Iterable[str]
) -> tuple[str, Law] | None:
    """The p-law whose data are exactly `given`, with all `targets` and fewest other outputs."""
    given, targets = frozenset(given), frozenset(targets)
    found = [
        (name, p)
        for name, (_, p) in model.laws.items()
        if model.data_of(p) == given and targets <= model.outputs_of(p)
    ]
    return min(found, key=lambda item: len(model.outputs_of(item[1])), default=None)


def likelihood_pair(model: System, targets: Iterable[str], given: Iterable[str]) -> str | None:
    """The pair of laws whose importance weights estimate log p(targets | given): p draws the
    targets, q has seen them.

    If none is declared, a pair that scores more, with the rest integrated out.
    """
    targets, given = frozenset(targets), frozenset(given)
    larger = []
    for name, (q, p) in model.laws.items():
        asked = scored(model, q, p)
        if model.data_of(p) == given and model.data_of(q) == asked | given and asked >= targets:
            larger.append((len(asked), name))
    for size, name in sorted(larger, key=lambda found: found[0]):  # in the order declared
        if size == len(targets):
            return name
        q, p = model.laws[name]
        rest = model.data_of(q) - targets - given
        if (pair := without(q, p, rest, set(model.factors))) is not None:
            model.derived[(name := f"{show(targets)}|{show(given)}")] = pair
            return name
    return None


def must(found: tuple[str, Law] | None, model: System, task: str, why: str) -> tuple[str, Law]:
    """The law, or a clear refusal that says what the model lacks."""
    if found is None:
        raise TaskError(f"{model.title} cannot {task}: {why}")
    return found


def inferable(model: System) -> list[str]:
    """Subsets of the modalities that the model can encode."""
    return sorted(
        {
            show(model.data_of(q))
            for q, _ in model.laws.values()
            if model.data_of(q) and not model.outputs_of(q)
        }
    )


def comparable(model: System) -> list[str]:
    """Modalities that the common latent can be read from alone, so that they can be searched by."""
    return [
        k
        for k in model.observed
        if model.common and inference_law(model, (k,), model.common) is not None
    ]


def abilities(model: Learner) -> dict[str, str]:
    """What the model can be asked: a short answer per task, `-` where it has no law."""
    names = list(model.observed)
    translations = sorted(
        {
            f"{show(model.data_of(p))}->{show(model.outputs_of(p))}"
            for _, p in model.laws.values()
            if model.data_of(p) and model.outputs_of(p)
        }
    )
    scores = []
    for _, (q, p) in model.laws.items():
        targets, given = scored(model, q, p), model.data_of(p)
        if targets and model.data_of(q) == targets | given and not implicit(model, q, p):
            scores.append(f"p({show(targets)}{'|' + show(given) if given else ''})")
    restyle = [t.split("->")[1] for t in translations if _styled(model, *t.split("->"))]
    return {
        "generate": "yes" if generative_law(model, (), names) else "-",
        "translate": " ".join(translations) or "-",
        "restyle": " ".join(sorted(set(restyle))) or "-",
        "encode": " ".join(f"({s})" for s in inferable(model)) or "-",
        "retrieve": " ".join(comparable(model)) or "-",
        "log_likelihood": " ".join(sorted(set(scores))) or "-",
        "common_information": "yes" if _measured(model, names) else "-",
    }


def _measured(model: Learner, names: Iterable[str]) -> bool:
    found = inference_law(model, names, model.common) if model.common else None
    return found is not None and (not implicit(model, found[1]) or bool(heads(model).terms))


def heads(model: Learner) -> Objective:
    """Dependences between all modalities and common latents that the model has critics for."""
    between = {frozenset(model.observed), frozenset(model.common)}
    terms = {t.name: t for p in model.phases for t in p.objective.measured}
    found = [
        t
        for t in terms.values()
        if isinstance(t.measure, Dependence)
        and t.measure.prior is None
        and {frozenset(t.measure.left), frozenset(t.measure.right)} == between
    ]
    return Objective(tuple(found))


def style_latents(model: System, law: Law) -> list[str]:
    """Latents that a conditional law draws from the model itself: the style of its output."""
    return [t.of[0] for t in law.terms if t.of[0] not in model.observed and t.head != "q"]


def _styled(model: System, given: str, targets: str) -> bool:
    found = generative_law(model, given.split(","), targets.split(","))
    if found is None:
        return False
    styles = style_latents(model, found[1])
    return bool(styles) and any(
        inference_law(model, s.split(","), styles)
        for s in (targets, ",".join(sorted({*given.split(","), *targets.split(",")})))
    )
