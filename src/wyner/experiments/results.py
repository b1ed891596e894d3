"""What a study found: cells by row, what they were found on, means over seeds; as JSON and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from wyner.errors import RunError
from wyner.experiments.claims import Verdict, decide
from wyner.experiments.questions import question_of
from wyner.experiments.store import Cell
from wyner.experiments.study import Row, Study
from wyner.metrics.differences import Difference, difference_of
from wyner.metrics.spread import Spread, spread
from wyner.report.facts import Facts
from wyner.runs import versions


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

    @property
    def estimates(self) -> list[dict[str, Any]]:
        """All estimates of common information of all cells."""
        return [e for cells in self.cells.values() for c in cells for e in c.about["estimates"]]

    def minutes(self, slug: str) -> float:
        """Of the training of a row."""
        each = [float(c.about.get("seconds", 0.0)) for c in self.cells.get(slug, ())]
        return self.seconds.get(slug, sum(each)) / 60

    def verdicts(self) -> list[Verdict]:
        """What became of every claim."""
        names, kept = self.study.labels, self.kept
        return [decide(c, self.cells, names, kept.get(c.text)) for c in self.study.claims]


OWN = ("model", "settings", "seed", "metrics")
"""Keys of an entry in JSON that are not what training and questions say besides."""


def as_json(found: Results) -> dict[str, Any]:
    """Everything that the table is drawn from: one entry a trained model, and how it was done."""
    study, one = found.study, list(found.facts) == [""]
    rows = []
    for row in found.rows:
        settings = dict(label=row.label, row=row.slug, model=row.model, fit=row.fit)
        settings |= dict(networks=row.networks, chosen_on=row.chosen_on, **row.tags)
        for c in found.cells[row.slug]:
            entry = {"settings": settings, "seed": c.seed, "metrics": dict(c.metrics)}
            rows.append({"model": row.model.get("name", row.trainer), **entry, **c.about})
    facts = {k: dataclasses.asdict(f) for k, f in found.facts.items()}
    data, truth = ({k: f.pop(key) for k, f in facts.items()} for key in ("source", "truth"))
    asked = {k: q.how for k, q in study.questions.items()}
    likelihood, claims = asked.get("likelihood", {}), []
    for v in found.verdicts():
        each = [
            {k: None if x != x else x for k, x in dataclasses.asdict(d).items()}
            for d in v.differences
        ]
        about = {"text": v.claim.text, "verdict": v.word, "numbers": list(v.numbers)}
        claims.append({**about, "differences": each})
    wall = round(sum(60 * found.minutes(r.slug) for r in found.rows), 1)
    made: dict[str, Any] = dict(experiment=study.name, protocol=study.protocol, part=found.part)
    made |= dict(command=found.command, versions=dict(found.versions), device=found.device)
    made |= dict(wall_s=wall, wall_s_by_row={k: round(v, 2) for k, v in found.seconds.items()})
    made["data"] = data[""] if one else data
    made["evaluate"] = {k: likelihood[k] for k in ("samples", "rows") if likelihood.get(k)}
    made |= dict(questions=asked, published_offset_per_coordinate=likelihood.get("offset", 0.0))
    made |= dict(truth=truth[""] if one else truth, sets=facts, rows=rows)
    return made | dict(diverged=dict(found.lost), claims=claims)


def from_json(study: Study, found: Mapping[str, Any]) -> Results:
    """The results that a JSON file holds.

    Raises:
        RunError: a file that is not of this study, or of before 0.2.0.
    """
    try:
        if (what := (found["experiment"], found["protocol"])) != (study.name, study.protocol):
            raise RunError(
                f"expected results of {study.name}, {study.protocol} protocol, got"
                f" {', '.join(what)}"
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
        asked = {k: question_of(k, how) for k, how in found["questions"].items()}
        kept = {
            c["text"]: {d["right"]: difference_of(d) for d in c.get("differences", ())}
            for c in found["claims"]
        }
        how: dict[str, Any] = {k: found[k] for k in ("part", "command", "device", "versions")}
        how |= dict(seconds=found.get("wall_s_by_row", {}), lost=found.get("diverged", {}))
        study = dataclasses.replace(study, questions=asked)
        return Results(study, cells, facts, **how, kept=kept)
    except (KeyError, TypeError) as e:
        raise RunError(
            f"the results of {study.name} cannot be drawn again: {e} is not as this version writes"
            " it; measure them again without --redraw"
        ) from e
