"""The command line as a user meets it: every command, and one sentence with exit code 2 for every
bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from wyner.experiments import read, shipped

QUICK = ["--epochs", "1", "--hidden", "8", "--samples", "5", "--rows", "20", "-q"]


def wyner(*arguments: object, cwd=None) -> subprocess.CompletedProcess:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "wyner.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=300,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    z = rng.standard_normal((500, 2))
    np.savez(
        made / "pairs.npz",
        x=z @ rng.standard_normal((2, 5)) * 7 + 3,
        y=z @ rng.standard_normal((2, 3)) + rng.standard_normal((500, 3)),
    )
    return made


@pytest.fixture(scope="module")
def run(folder):
    done = wyner("train", "--data", folder / "pairs.npz", "--out", folder / "run", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "joint nll" in done.stdout
    return folder / "run"


def test_own_pairs_train_evaluate_and_report_from_the_file_name_alone(run) -> None:
    assert {
        "config.json",
        "model.safetensors",
        "metrics.jsonl",
        "evaluation.json",
        "report.html",
        "pictures",
        "checkpoint",
    } <= {p.name for p in run.iterdir()}
    numbers = json.loads((run / "evaluation.json").read_text())["numbers"]
    assert {n["name"] for n in numbers} >= {
        "joint nll",
        "conditional nll of y given x",
        "rate of z (I41)",
    }
    assert all(np.isfinite(n["value"]) for n in numbers)


def test_evaluate_again(run) -> None:
    done = wyner("evaluate", run, "--samples", "7", "--no-report")
    assert done.returncode == 0, done.stderr
    assert "S = 7" in done.stdout


def test_sample_writes_arrays(run, folder) -> None:
    assert wyner("sample", run, "-n", "9", "--to", folder / "g.npz").returncode == 0
    with np.load(folder / "g.npz") as z:
        assert z["x"].shape == (9, 5)
        x = z["x"]
    np.savez(folder / "x.npz", x=x)
    assert (
        wyner(
            "sample", run, "-n", "4", "--given", folder / "x.npz", "--to", folder / "t.npz"
        ).returncode
        == 0
    )
    with np.load(folder / "t.npz") as z:
        assert z["y"].shape == (4, 9, 3)
        assert z["y"].std(0).max() > 0
    np.savez(folder / "y.npz", y=np.zeros((1, 3)))
    assert (
        wyner(
            "sample",
            run,
            "--given",
            folder / "x.npz",
            "--like",
            folder / "y.npz",
            "--to",
            folder / "s.npz",
        ).returncode
        == 0
    )
    with np.load(folder / "s.npz") as z:
        assert z["y"].shape == (9, 3)
    assert (
        wyner(
            "sample", run, "--given", folder / "x.npz", "--reconstruct", "--to", folder / "r.npz"
        ).returncode
        == 0
    )


def test_resume_of_a_finished_run_and_of_settings_given_twice(run) -> None:
    before = (run / "model.safetensors").read_bytes()
    assert wyner("train", "--resume", run, "-q", "--no-report").returncode == 0
    assert (run / "model.safetensors").read_bytes() == before
    done = wyner("train", "--resume", run, "--lr", "1")
    assert done.returncode == 2
    assert "takes everything from the run" in done.stderr


def test_ctrl_c_saves_says_how_to_go_on_and_resumes(folder) -> None:
    out = folder / "stopped"
    command = [
        "train",
        "--data",
        folder / "pairs.npz",
        "--epochs",
        3000,
        "--hidden",
        "8",
        "--out",
        out,
        "-q",
        "--no-report",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "wyner.cli", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(600):
        if (out / "metrics.jsonl").exists():
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"wyner train --resume {out}" in err
    assert "Traceback" not in err
    before = len((out / "metrics.jsonl").read_text().splitlines())
    process = subprocess.Popen(
        [sys.executable, "-m", "wyner.cli", "train", "--resume", str(out), "-q", "--no-report"],
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(600):
        if len((out / "metrics.jsonl").read_text().splitlines()) > before:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert "wyner train --resume" in process.communicate(timeout=60)[1]
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    steps = [r["step"] for r in rows if r["split"] == "train"]
    assert steps == sorted(set(steps))


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("models", "WynerVAE"),
        ("data", "digits-halves"),
        ("experiments", "demo"),
        ("spaces", "Mixed"),
        ("families", "negative-binomial"),
    ],
)
def test_lists(what: str, name: str) -> None:
    done = wyner("list", what)
    assert done.returncode == 0
    assert name in done.stdout


@pytest.mark.parametrize("command", ["", "demo", "train", "evaluate", "sample", "list"])
def test_help_has_an_example(command: str) -> None:
    done = wyner(*([command] if command else []), "--help")
    assert done.returncode == 0
    assert "wyner demo" in done.stdout if not command else "Example" in done.stdout


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_experiment_starts(name: str) -> None:
    """Parsed, built at its own sizes, trained for two steps."""
    experiment = read(name).changed(fit={"epochs": 1, "schedule": "constant"})
    dataset = experiment.load()
    model = experiment.build(dataset)
    from wyner.training.fit import fit

    small = {k: v[: 2 * 16] for k, v in dataset.pairs("train").items()}
    history = fit(model, small, progress=False, **{**experiment.fit, "batch_size": 16}).history
    assert history[0]["step"] == 2
    assert np.isfinite(history[0]["loss"])


def test_an_experiment_file_and_flags_over_it(folder) -> None:
    (folder / "e.toml").write_text(
        '[data]\nname = "gaussian"\ntrain = 64\nvalidation = 16\ntest = 16\n[model]\nlam ='
        " 0.2\n[fit]\nepochs = 1\n"
    )
    done = wyner(
        "train",
        folder / "e.toml",
        "--lam",
        "0.7",
        "--set",
        "networks.hidden=[4]",
        "--out",
        folder / "from-file",
        "-q",
        "--no-report",
    )
    assert done.returncode == 0, done.stderr
    config = json.loads((folder / "from-file" / "config.json").read_text())
    assert config["about"]["experiment"]["model"]["lam"] == 0.7
    assert config["model"]["arguments"]["networks"]["hidden"] == [4]


def test_a_named_set_takes_its_recipe_and_flags_over_it(folder) -> None:
    options = [
        "--epochs",
        "1",
        "--lam",
        "0.25",
        "--set",
        "data.train=64",
        "--set",
        "data.validation=16",
        "--set",
        "data.test=16",
        "--set",
        "fit.batch_size=32",
    ]
    done = wyner(
        "train",
        "--data",
        "mog",
        *options,
        "--samples",
        "3",
        "--out",
        folder / "recipe",
        "-q",
        "--no-report",
    )
    assert done.returncode == 0, done.stderr
    stored = json.loads((folder / "recipe" / "config.json").read_text())["about"]["experiment"]
    assert stored["networks"]["hidden"] == [256, 256, 256]
    assert stored["model"]["lam"] == {**read("mog").model["lam"], "end": 0.25}


def write(folder, name: str, **arrays):
    np.savez(folder / name, **arrays)
    return folder / name


def bad_inputs(folder, run) -> list[tuple[list, str]]:
    ok = {
        "x": np.random.default_rng(0).random((9, 3)),
        "y": np.random.default_rng(1).random((9, 2)),
    }
    inf = ok["x"].copy()
    inf[4, 1] = np.inf  # NaN is a missing cell
    (folder / "bad.toml").write_text("[data\n")
    (folder / "section.toml").write_text('[dat]\nname = "mog"\n')
    (folder / "key.toml").write_text('[data]\nname = "mog"\n[fit]\nepoch = 3\n')
    (folder / "occupied").mkdir(exist_ok=True)
    (folder / "occupied" / "f").write_text("x")
    (folder / "afile").write_text("x")
    train = ["train", "--out", folder / "never"]
    return [
        (
            [*train, "--data", write(folder, "rows.npz", x=np.zeros((5, 2)), y=np.zeros((6, 2)))],
            "same number of rows",
        ),
        (
            [*train, "--data", write(folder, "inf.npz", x=inf, y=ok["y"])],
            "x: found inf at row 4, column 1",
        ),
        ([*train, "--data", write(folder, "str.npz", x=np.array(["a"] * 9), y=ok["y"])], "strings"),
        (
            [
                *train,
                "--data",
                write(folder, "obj.npz", x=np.array([{}] * 9, dtype=object), y=ok["y"]),
            ],
            "objects",
        ),
        (
            [*train, "--data", write(folder, "empty.npz", x=np.zeros((0, 2)), y=np.zeros((0, 2)))],
            "empty",
        ),
        (
            [*train, "--data", write(folder, "one.npz", x=np.zeros((1, 2)), y=np.zeros((1, 2)))],
            "one row",
        ),
        ([*train, "--data", folder / "absent.npz"], "there is no file"),
        ([*train, "--data", "mogg"], "did you mean 'mog'"),
        ([*train, "--data", "mog", "--model", "WynerVEA"], "did you mean 'WynerVAE'"),
        ([*train, "--data", "mog", "--set", "fit.epoch=3"], "did you mean 'epochs'"),
        ([*train, "--data", "mog", "--set", "model.lambda=3"], "unknown argument 'lambda'"),
        ([*train, "--data", "mog", "--set", "data.trian=3"], "did you mean 'train'"),
        ([*train, "--data", "mog", "--schedule", "cosin"], "did you mean 'cosine'"),
        ([*train, "--data", "mog", "--hidden", "a,b"], "expected widths"),
        (
            [*train, "--data", "mog", "--activation", "rellu", "--set", "data.train=20"],
            "did you mean 'relu'",
        ),
        ([*train], "expected what to train on"),
        ([*train, folder / "bad.toml"], "is not TOML"),
        ([*train, folder / "section.toml"], "did you mean 'data'"),
        ([*train, folder / "key.toml"], "did you mean 'epochs'"),
        ([*train, "demmo"], "did you mean 'demo'"),
        (
            ["train", "--data", folder / "pairs.npz", "--out", folder / "occupied", *QUICK],
            "not empty",
        ),
        (
            ["train", "--data", folder / "pairs.npz", "--out", run, *QUICK],
            "continue it with resume=True",
        ),
        (
            ["train", "--data", folder / "pairs.npz", "--out", folder / "afile" / "below", *QUICK],
            "cannot write",
        ),
        (["train", "--resume", folder / "absent"], "there is no run"),
        (["evaluate", folder / "absent"], "there is no run"),
        (["evaluate", folder / "occupied"], "is not a run"),
        (["sample", run, "-n", "0"], "positive number"),
        (
            ["sample", run, "--given", write(folder, "wide.npz", x=np.zeros((2, 9)))],
            "x: expected shape (..., 5)",
        ),
        (
            ["sample", run, "--given", write(folder, "w.npz", w=np.zeros((2, 9)))],
            "expected one of x, y",
        ),
        (
            ["sample", run, "--given", write(folder, "n.npz", x=np.full((2, 5), np.nan))],
            "x has missing cells, the first in row 0",
        ),
        (["sample", run, "--reconstruct"], "--given"),
        (["list", "model"], "did you mean 'models'"),
        (["train", "--dat", "mog"], "--data"),
        (["tarin"], "train"),
    ]


def test_bad_input_gets_one_clear_sentence_and_exit_code_2(folder, run) -> None:
    from concurrent.futures import ThreadPoolExecutor

    cases = bad_inputs(folder, run)
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda case: wyner(*case[0], cwd=folder), cases))
    for (arguments, message), done in zip(cases, results, strict=True):
        shown = " ".join(map(str, arguments))
        assert done.returncode == 2, (shown, done.returncode, done.stderr)
        assert message in done.stderr, (shown, done.stderr)
        assert "Traceback" not in done.stderr, shown
        if done.stderr.startswith("error:"):
            assert len(done.stderr.strip().splitlines()) == 1, (shown, done.stderr)
    assert not (folder / "never").exists()


def test_debug_shows_the_traceback(folder) -> None:
    done = wyner("evaluate", folder / "absent", "--debug")
    assert "Traceback" in done.stderr


def test_importing_is_quick_and_loads_little() -> None:
    code = (
        "import sys, time, torch; t = time.process_time(); import wyner; s = time.process_time() -"
        " t;bad = [m for m in ('matplotlib', 'lightning_fabric', 'tensorboard', 'rich', 'typer',"
        " 'scipy', 'pooch') if m in sys.modules]; print(s, bad)"
    )
    best = min(
        (
            subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True
            ).stdout.split(" ", 1)
            for _ in range(3)
        ),
        key=lambda r: float(r[0]),
    )
    assert float(best[0]) < 0.5
    assert best[1].strip() == "[]"
