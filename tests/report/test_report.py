"""The page of a run: whole, self-contained, with every number, and a sentence where a picture
cannot be."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from wyner import KL, Binary, Categorical, Image, Model, Real, models
from wyner.canvas import limits, plane
from wyner.data.dataset import Dataset
from wyner.evaluation import Number
from wyner.networks import MLPs
from wyner.objectives.phases import Alternating
from wyner.report import write_report
from wyner.report.latents import _apart
from wyner.report.subject import subject
from wyner.report.texts import duration, number

TINY = MLPs((4,))
NUMBERS = [
    Number(
        "conditional nll of y given x",
        12.5,
        "nats per row",
        "importance sampling, S = 5",
        0.25,
        12.244,
        "floor",
    ),
    Number("joint <nll> & more", -3.25, "nats per pair", "by <hand>"),
    Number("broken", float("nan"), "nats", "0 rows"),
]
ABOUT = {
    "command": "/somewhere/bin/wyner demo --out run",
    "seed": 7,
    "seconds": 105.8,
    "epochs": 3,
    "parameters": 1234,
    "versions": {"wyner": "0.1"},
}


def history(model: Model) -> list[dict[str, Any]]:
    rows = []
    for phase in model.phases:
        for epoch in (1.0, 2.0, 3.0):
            for split in ("train", "validation"):
                terms = {
                    name: 1.0 / epoch + k
                    for k, name in enumerate(model.program(phase.objective).names)
                }
                rows.append(
                    {
                        "phase": phase.name,
                        "split": split,
                        "epoch": epoch,
                        "step": int(epoch),
                        "loss": sum(terms.values()),
                        "terms": terms,
                    }
                )
    return rows


def dataset(kind: str, spaces: dict[str, Any], rows: int = 24, **options: Any) -> Dataset:
    rng = np.random.default_rng(0)

    def one(space: Any, n: int) -> np.ndarray:
        if isinstance(space, Categorical):
            return rng.integers(0, space.k, n)
        draw = rng.random if isinstance(space, (Binary, Image)) else rng.standard_normal
        return draw((n, *space.shape)).astype(np.float32)

    def part(n: int) -> dict[str, np.ndarray]:
        return {**{k: one(s, n) for k, s in spaces.items()}, "label": np.arange(n) % 3}

    notes = ("Licence: <none>",)
    return Dataset(
        "<i>a & b</i>",
        part(rows),
        {},
        part(rows),
        spaces,
        {},
        {"name": "made"},
        {},
        notes,
        kind,
        **options,
    )


def halves() -> tuple[Model, Dataset]:
    space = Binary(6, 3)
    return models.WynerVAE(x=space, y=space, z=3, u=2, v=2, alpha=1.0, networks=TINY), dataset(
        "halves", {"x": space, "y": space}
    )


def images() -> tuple[Model, Dataset]:
    x, y = Image(1, 6, 6), Image(3, 8, 8)
    return models.WynerVAE(x=x, y=y, z=3, u=1, v=2, alpha=1.0, networks=TINY), dataset(
        "image", {"x": x, "y": y}
    )


def vectors() -> tuple[Model, Dataset]:
    x, y = Real(4), Real(2, 3)
    return models.WynerVAE(x=x, y=y, z=3, u=2, v=0, networks=TINY), dataset(
        "vector", {"x": x, "y": y}
    )


def one_side() -> tuple[Model, Dataset]:
    laws = {"elbo": ("q(x) q(z|x)", "p(z) p(x|z)")}
    model = Model(
        observed={"x": Real(1)},
        latent={"z": Real(1)},
        laws=laws,
        objective=KL("elbo"),
        networks=TINY,
    )
    return model, dataset("vector", {"x": Real(1), "y": Real(2)})


CASES = {"halves": halves, "image": images, "vector": vectors}
DRAWN = {"translate-x-to-y", "translate-y-to-x", "joint", "rates", "latents", "loss"}
PICTURES = {
    "halves": (
        DRAWN | {"style-control", "reconstructions", "joint-style", "traversal", "terms-joint"}
    ),
    "image": (
        DRAWN | {"style-control", "reconstructions", "joint-style", "traversal", "terms-joint"}
    ),
    "vector": DRAWN | {"moments", "correlations", "terms-joint", "terms-marginal"},
}


class Page(HTMLParser):
    """What a browser would see: tags that must be closed, sources, text."""

    VOID = ("meta", "img", "br", "link")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.raw, self.open, self.sources, self.tags, self.text, self.ids = (
            path.read_text(),
            [],
            [],
            [],
            "",
            [],
        )
        self.feed(self.raw)
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "poster", "data"):
                self.sources.append(str(value))
            if name == "id":
                self.ids.append(value)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def pngs(self) -> list[bytes]:
        return [
            base64.b64decode(s.split(",", 1)[1], validate=True)
            for s in self.sources
            if s.startswith("data:image/png;base64,")
        ]


@pytest.fixture(scope="module", params=list(CASES))
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Model, Path, Page]:
    torch.manual_seed(0)
    model, data = CASES[request.param]()
    folder = tmp_path_factory.mktemp(request.param)
    before = torch.get_rng_state()
    path = write_report(folder, model.train(), data, history(model), NUMBERS, ABOUT)
    assert torch.equal(before, torch.get_rng_state())
    assert model.training
    return request.param, model, path, Page(path)


def test_page_is_whole_and_loads_nothing(written: tuple[str, Model, Path, Page]) -> None:
    _, _, path, page = written
    assert path.name == "report.html"
    assert page.open == []
    assert not {"script", "link", "iframe", "i", "none"} & set(page.tags)
    assert all(s.startswith(("data:image/png;base64,", "#")) for s in page.sources)
    assert all(s[1:] in page.ids for s in page.sources if s.startswith("#"))
    assert len(page.ids) == len(set(page.ids))
    for loading in ("http://", "https://", "url(", "@import", "file:"):
        assert loading not in page.raw
    assert not [p for p in path.parent.rglob(".*")]  # nothing half-written


def test_page_holds_every_picture(written: tuple[str, Model, Path, Page]) -> None:
    kind, _, path, page = written
    files = {p.stem: p.read_bytes() for p in (path.parent / "pictures").iterdir()}
    assert set(files) == PICTURES[kind]
    assert sorted(page.pngs) == sorted(files.values())
    for content in page.pngs:
        with Pillow.open(io.BytesIO(content)) as image:
            image.load()
            assert image.format == "PNG"
            assert min(image.size) > 60
            assert len(np.unique(np.asarray(image)[..., :3][::7, ::7])) > 3  # something is drawn
    assert page.raw.count("<figcaption>") == len(files)


def test_page_says_every_number_and_the_equation(written: tuple[str, Model, Path, Page]) -> None:
    _, model, _, page = written
    for n in NUMBERS:
        assert n.name in page.text
        assert n.how in page.text
    for shown in ("12.500", "± 0.250", "floor 12.244", "0.256 above", "-3.250", "not a number"):
        assert shown in page.text
    assert f"<pre>{escape(str(model.objective))}</pre>" in page.raw
    for phase in model.phases:
        assert f"<pre>{escape(str(model.program(phase.objective)))}</pre>" in page.raw
    for q, p in model.laws.values():
        assert q.text in page.text
        assert p.text in page.text


def test_names_are_escaped_and_the_run_can_be_repeated(
    written: tuple[str, Model, Path, Page],
) -> None:
    _, _, _, page = written
    assert "<i>" not in page.raw
    assert "<nll>" not in page.raw
    assert "WynerVAE on <i>a & b</i>" in unescape(page.text)
    for shown in (
        "wyner demo --out run",
        "Licence: <none>",
        "1,234",
        "105.8 s",
        "wyner 0.1",
        '{"name": "made"}',
    ):
        assert shown in page.text
    assert "/somewhere" not in page.raw


def test_report_is_repeatable(tmp_path: Path) -> None:
    model, data = one_side()
    first = write_report(tmp_path / "a", model, data, [], NUMBERS, ABOUT).read_bytes()
    torch.rand(3)
    assert write_report(tmp_path / "b", model, data, [], NUMBERS, ABOUT).read_bytes() == first


def names(page: Page) -> set[str]:
    return {i.removeprefix("picture-") for i in page.ids}


def refused(page: Page) -> dict[str, str]:
    found = re.findall(r'<p class="refusal"><b>(.*?):</b> (.*?)</p>', page.raw)
    return {unescape(title): unescape(why) for title, why in found}


@pytest.mark.parametrize(("kind", "space"), [("halves", Binary(6, 3)), ("vector", Real(3))])
def test_what_a_model_cannot_do_is_a_sentence(kind: str, space: Any, tmp_path: Path) -> None:
    laws = {"joint": ("q(x,y) q(z|x,y)", "p(z) p(x|z) p(y|z)")}
    model = Model(
        observed={"x": space, "y": space},
        latent={"z": Real(2)},
        laws=laws,
        objective=KL("joint"),
        networks=TINY,
    )
    page = Page(write_report(tmp_path, model, dataset(kind, {"x": space, "y": space}), [], [], {}))
    said = refused(page)
    assert said["From x to y"] == "Model cannot translate x to y: it has no law of y given x"
    assert {"From x to y", "From y to x", "Training"} <= set(said)
    assert ("Style control" in said) == (kind == "halves")
    assert "No numbers were estimated." in page.text
    assert (tmp_path / "pictures" / "joint.png").exists()
    assert not (tmp_path / "pictures" / "translate-x-to-y.png").exists()


def test_a_model_of_one_side(tmp_path: Path) -> None:
    model, data = one_side()
    page = Page(write_report(tmp_path, model, data, history(model), NUMBERS))
    assert refused(page) == {}
    assert len(page.pngs) == 7


def test_three_modalities_of_other_names(tmp_path: Path) -> None:
    spaces = {"left": Real(2), "kind": Categorical(1, 3), "bits": Binary(4)}
    model = models.WynerVAE(
        spaces, z=2, local=1, alpha=0.5, marginals=Alternating(2), networks=TINY
    )
    data = dataset("image", spaces)  # these are no pictures, whatever the data set says
    page = Page(write_report(tmp_path, model, data, [], NUMBERS, ABOUT))
    assert set(refused(page)) == {"Training"}
    assert {"translate-left-to-kind", "translate-kind-to-left", "rates"} <= names(page)


def test_three_modalities_of_pictures(tmp_path: Path) -> None:
    spaces = {k: Image(1, 4, 4) for k in ("a", "b", "c")}
    model = models.WynerVAE(spaces, z=2, local=1, alpha=0.5, networks=TINY)
    page = Page(write_report(tmp_path, model, dataset("image", spaces, 5), [], NUMBERS, ABOUT))
    assert set(refused(page)) == {"Training"}
    assert {"translate-a-to-b", "style-control", "reconstructions"} <= names(page)


def test_phases_of_like_names_have_files_of_their_own(tmp_path: Path) -> None:
    model, data = vectors()
    rows = [
        {**r, "phase": p}
        for p in ("a b", "A/B", "..", "$x$")
        for r in history(model)
        if r["phase"] == "joint"
    ]
    empty = Dataset(data.name, {}, {}, {}, data.spaces)
    write_report(tmp_path, model, empty, rows, NUMBERS, ABOUT)
    assert {p.stem for p in (tmp_path / "pictures").iterdir()} == {
        "loss",
        "terms-a-b-1",
        "terms-a-b-2",
        "terms-3",
        "terms-x",
    }


def test_no_rows_to_show(tmp_path: Path) -> None:
    model, data = vectors()
    empty = Dataset(
        data.name, {}, {}, {"x": data.test["x"][:1], "y": data.test["y"][:1]}, data.spaces
    )
    page = Page(write_report(tmp_path, model, empty, history(model), NUMBERS, ABOUT))
    assert "fewer than two complete rows" in refused(page)["Pictures"]


def test_rows_that_lack_a_side_are_left_out() -> None:
    model, data = vectors()
    data.test["x_mask"] = (np.arange(24) % 2).astype(np.float32)
    data.test["x"][::2] = np.nan
    about = subject(model, data)
    assert about.count == 12
    assert np.isfinite(about.arrays["x"]).all()
    assert list(about.labels[about.typical(4)]) == [
        0,
        1,
        2,
        0,
    ]  # rows take turns through the labels


def test_importing_is_light() -> None:
    code = (
        "import sys, wyner.report; sys.exit(any(m.split('.')[0] == 'matplotlib' for m in"
        " sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_no_global_state_of_matplotlib_is_used() -> None:
    import wyner.report

    for path in Path(wyner.report.__file__).parent.glob("*.py"):
        assert not re.search(r"pyplot|rcParams|matplotlib\.use", path.read_text()), path.name


def test_plane_keeps_distances_of_flat_data() -> None:
    rng = np.random.default_rng(0)
    flat = rng.standard_normal((30, 2)) * [3.0, 1.0]
    turned = np.linalg.qr(rng.standard_normal((5, 2)))[0]
    (points, again), shares = plane(flat @ turned.T, (flat @ turned.T)[:4].reshape(4, 5, 1))
    distance = lambda p: np.linalg.norm(p[:, None] - p, axis=-1)
    assert np.allclose(distance(points), distance(flat), rtol=1e-9)
    assert np.allclose(again, points[:4], rtol=1e-9, atol=1e-12)
    assert shares[0] > shares[1]
    assert np.isclose(sum(shares), 1.0, rtol=1e-9)
    assert plane(flat[:, :1])[1][1] == 0.0


def test_axes_leave_out_a_steep_start_only() -> None:
    slow = np.linspace(2.0, 1.0, 20)
    assert limits([slow]) is None
    assert limits([]) is None
    low, high = limits([np.concatenate([[1e4], slow])])
    assert low < 1.0 < 2.0 < high < 100.0


def test_labels_move_apart() -> None:
    moved = _apart(np.array([[0.5, 0.5], [0.5, 0.5], [0.52, 0.5], [0.1, 0.9]]))
    gaps = np.linalg.norm(moved[:, None] - moved, axis=-1) + np.eye(4)
    assert gaps.min() > 0.08
    assert np.allclose(moved[3], [0.1, 0.9], atol=2e-3)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.000"),
        (-0.25, "-0.250"),
        (0.0, "0.000"),
        (1e-5, "1.0e-05"),
        (12345.6, "12,346"),
        (float("inf"), "infinite"),
    ],
)
def test_numbers_as_text(value: float, text: str) -> None:
    assert number(value) == text


def test_durations_as_text() -> None:
    assert [duration(s).replace("\u00a0", " ") for s in (3.2, 120, 7200)] == [
        "3 s",
        "2 min",
        "2.0 h",
    ]
