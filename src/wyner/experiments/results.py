"""What a study found: cells by row, what they were found on, means over seeds; as JSON and back."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wyner.data import Dataset
from wyner.errors import RunError
from wyner.experiments.claims import Difference, Verdict, decide, difference_of
from wyner.experiments.questions import QUESTIONS, Question
from wyner.experiments.store import Cell
from wyner.experiments.study import Row, Study
from wyner.runs import versions


@dataclass(frozen=True)
class Spread:
    """Numbers of one metric over seeds: mean, standard deviation with n - 1 (None for one), how
    many, and the standard error of the mean (of one number, that over its rows).
    """

    mean: float
    std: float | None
    n: int
    error: float

    def text(self, digits: int = 3, shift: float = 0.0) -> str:
        """Mean and deviation with so many digits."""
        std = "" if self.std is None else f" ± {self.std:.{digits}f}"
        return f"{self.mean + shift:.{digits}f}{std}"


def spread(values: Sequence[float], within: Sequence[float] = ()) -> Spread | None:
    """Mean and standard deviation over seeds; None without values.

    Args:
        values: one a seed.
        within: standard errors over rows, one a seed; used where there is only one.
    """
    n = len(values)
    if not n:
        return None
    mean = math.fsum(values) / n
    if n == 1:
        return Spread(mean, None, 1, within[0] if within else math.nan)
    std = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
    return Spread(mean, std, n, std / math.sqrt(n))


def trimmed(values: Sequence[float]) -> list[float]:
    """The paper's rule: of ten runs the two best and the two worst are dropped; of other numbers
    the same share, rounded down.

    >>> trimmed([9, 1, 2, 3, 4, 5, 6, 7, 8, 0])
    [2, 3, 4, 5, 6, 7]
    """
    cut = len(values) // 5
    return sorted(values)[cut : len(values) - cut]


@dataclass(frozen=True)
class Facts:
    """What a table says of a data set.

    Attributes:
        name, source, notes: as of the data set.
        sizes: rows by part.
        coordinates: by modality.
        truth: exact numbers by name.
        text: in place of name and sizes, where a data set has its own words.
    """

    name: str
    source: Mapping[str, Any] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    coordinates: Mapping[str, int] = field(default_factory=dict)
    truth: Mapping[str, float] = field(default_factory=dict)
    text: str = ""

    @classmethod
    def of(cls, data: Dataset, questions: Iterable[Question] = (), part: str = "test") -> Facts:
        """The facts of a data set, and what questions say of it."""
        truth = {k: float(v) for k, v in data.truth.items() if isinstance(v, (int, float))}
        for question in questions:
            truth |= question.reference(data, part)
        parts = {"training": data.train, "validation": data.validation, "test": data.test}
        return cls(
            data.name,
            data.source,
            {k: len(next(iter(v.values()))) for k, v in parts.items() if v},
            tuple(data.notes),
            {k: s.size for k, s in data.spaces.items()},
            truth,
            str(data.about.get("text", "")),
        )

    def __str__(self) -> str:
        options = "".join(f" ({k} = {v})" for k, v in self.source.items() if k in ("binarisation",))
        sizes = ", ".join(f"{n} {part}" for part, n in self.sizes.items())
        return self.text or f"`{self.name}`{options}, {sizes} rows."


@dataclass(frozen=True)
class Results:
    """What was measured of a study.

    Attributes:
        study: with the questions as they were asked.
        cells: by row; empty where there are none.
        facts: by the name of the data set in the study.
        part: "test" or "validation".
        command, device, versions: how it was done.
        seconds: of the training, by row.
        lost: seeds that diverged, by row.
        kept: differences of a table from its JSON, by claim and row.
    """

    study: Study
    cells: Mapping[str, Sequence[Cell]]
    facts: Mapping[str, Facts]
    part: str = "test"
    command: str = ""
    device: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    lost: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=versions)
    kept: Mapping[str, Mapping[str, Difference]] = field(default_factory=dict)

    @property
    def rows(self) -> list[Row]:
        """Rows with at least one model."""
        return [r for r in self.study.rows if self.cells.get(r.slug)]

    @property
    def stem(self) -> str:
        """Name of the files: the protocol, and the part where it is not the test rows."""
        return self.study.protocol + ("" if self.part == "test" else f"-{self.part}")

    @property
    def fact(self) -> Facts:
        """The facts of the first data set."""
        return next(iter(self.facts.values()))

    def values(self, slug: str, name: str) -> list[float]:
        """A number of every seed of a row."""
        return [c.metrics[name] for c in self.cells.get(slug, ()) if name in c.metrics]

    def spread(self, slug: str, name: str) -> Spread | None:
        """Mean and deviation over the seeds of a row."""
        return spread(self.values(slug, name), self.values(slug, f"{name}_se"))

    def minutes(self, slug: str) -> float:
        """Of the training of a row."""
        each = [float(c.about.get("seconds", 0.0)) for c in self.cells.get(slug, ())]
        return self.seconds.get(slug, sum(each)) / 60

    def verdicts(self) -> list[Verdict]:
        """What became of every claim."""
        return [
            decide(c, self.cells, self.study.labels, self.kept.get(c.text))
            for c in self.study.claims
        ]


OWN = ("model", "settings", "seed", "metrics")
"""Keys of an entry in JSON that are not what training and questions say besides."""


def as_json(found: Results) -> dict[str, Any]:
    """Everything that the table is drawn from: one entry a trained model, and how it was done."""
    study, one = found.study, list(found.facts) == [""]
    rows = []
    for row in found.rows:
        settings = {
            "label": row.label,
            "row": row.slug,
            "model": row.model,
            "fit": row.fit,
            "networks": row.networks,
            "chosen_on": row.chosen_on,
            **row.tags,
        }
        for c in found.cells[row.slug]:
            entry = {"settings": settings, "seed": c.seed, "metrics": dict(c.metrics)}
            rows.append({"model": row.model.get("name", row.trainer), **entry, **c.about})
    facts = {k: dataclasses.asdict(f) for k, f in found.facts.items()}
    take = lambda key: {k: f.pop(key) for k, f in facts.items()}
    sources, truths = take("source"), take("truth")
    asked = {k: q.how for k, q in study.questions.items()}
    likelihood = asked.get("likelihood", {})
    claims = [
        {
            "text": v.claim.text,
            "verdict": v.word,
            "numbers": list(v.numbers),
            "differences": [
                {k: None if x != x else x for k, x in dataclasses.asdict(d).items()}
                for d in v.differences
            ],
        }
        for v in found.verdicts()
    ]
    return {
        "experiment": study.name,
        "protocol": study.protocol,
        "part": found.part,
        "command": found.command,
        "versions": dict(found.versions),
        "device": found.device,
        "wall_s": round(sum(60 * found.minutes(r.slug) for r in found.rows), 1),
        "wall_s_by_row": {k: round(v, 2) for k, v in found.seconds.items()},
        "data": sources[""] if one else sources,
        "evaluate": {k: likelihood[k] for k in ("samples", "rows") if likelihood.get(k)},
        "questions": asked,
        "published_offset_per_coordinate": likelihood.get("offset", 0.0),
        "truth": truths[""] if one else truths,
        "sets": facts,
        "rows": rows,
        "diverged": dict(found.lost),
        "claims": claims,
    }


def from_json(study: Study, found: Mapping[str, Any]) -> Results:
    """The results that a JSON file holds.

    Raises:
        RunError: a file that is not of this study, or of before 0.2.0.
    """
    try:
        if (found["experiment"], found["protocol"]) != (study.name, study.protocol):
            raise RunError(
                f"expected results of {study.name}, {study.protocol} protocol, got"
                f" {found['experiment']}, {found['protocol']}"
            )
        known, cells = {r.slug: r for r in study.rows}, dict[str, list[Cell]]()
        for entry in found["rows"]:
            row = known[entry["settings"]["row"]]
            about = {k: v for k, v in entry.items() if k not in OWN}
            made = Cell(row, entry["seed"], None, entry["metrics"], {}, about)
            cells.setdefault(row.slug, []).append(made)
        one = list(found["sets"]) == [""]
        of = lambda key, name: found[key] if one else found[key][name]
        facts = {
            k: Facts(**v | {"notes": tuple(v["notes"])}, source=of("data", k), truth=of("truth", k))
            for k, v in found["sets"].items()
        }
        asked = {
            k: QUESTIONS[k](**{n: tuple(v) if isinstance(v, list) else v for n, v in how.items()})
            for k, how in found["questions"].items()
        }
        kept = {
            c["text"]: {d["right"]: difference_of(d) for d in c.get("differences", ())}
            for c in found["claims"]
        }
        return Results(
            dataclasses.replace(study, questions=asked),
            cells,
            facts,
            found["part"],
            found["command"],
            found["device"],
            found.get("wall_s_by_row", {}),
            found.get("diverged", {}),
            found["versions"],
            kept,
        )
    except (KeyError, TypeError) as e:
        raise RunError(
            f"the results of {study.name} cannot be drawn again: {e} is not as this version writes"
            " it; measure them again without --redraw"
        ) from e
