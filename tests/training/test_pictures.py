"""8-bit pictures train exactly as floats do; layouts, precisions and cut batches change nothing but
rounding."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import wyner
from wyner.data import load
from wyner.errors import OptionError, ShapeError
from wyner.files import read_tensors
from wyner.networks import Autoencoded, Convolutional, MLPs
from wyner.training.rows import rows_of
from wyner.variables import Binary, Categorical, Image, unit

SMALL = Convolutional(hidden=(16,), width=4, blocks=1)


def pictures(n: int = 64, size: int = 8) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    base = rng.integers(0, 200, (n, 1, size, size))
    noise = lambda c: rng.integers(0, 56, (n, c, size, size))
    return {"x": (base + noise(1)).astype(np.uint8), "y": (base + noise(3)).astype(np.uint8)}


def floats(data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {k: v.astype(np.float32) / 255 for k, v in data.items()}


def model(networks: wyner.networks.Builder = SMALL, size: int = 8) -> wyner.models.WynerVAE:
    torch.manual_seed(5)
    return wyner.models.WynerVAE(
        x=Image(1, size, size), y=Image(3, size, size), z=3, u=2, v=2, alpha=0.5, networks=networks
    )


def trained(
    data: dict, networks: wyner.networks.Builder = SMALL, **settings: object
) -> tuple[dict, list[float]]:
    options = {"epochs": 3, "batch_size": 16, "lr": 3e-3, "progress": False, "seed": 1, **settings}
    run = wyner.fit(model(networks).keep_weights(), data, **options)
    return run.model.state_dict(), [row["loss"] for row in run.history if "loss" in row]


# 8-bit pictures


def test_unit_scales_8_bit_pictures_and_leaves_the_rest():
    x = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(unit(x), torch.arange(256).float() / 255)
    assert unit(x, torch.float64).dtype is torch.float64
    assert unit(unit(x)) is not x
    y = torch.rand(3)
    assert unit(y) is y


def test_rows_stay_8_bit_until_they_are_taken():
    data = pictures()
    rows = rows_of(model(), data, ("x", "y"))
    assert rows.values["y"].dtype is torch.uint8
    assert rows.values["y"].data_ptr() == torch.from_numpy(data["y"]).data_ptr()  # no copy
    moved = rows.to(torch.device("cpu"), torch.float64)
    assert moved.values["y"].dtype is torch.uint8
    values, _ = moved.part(torch.arange(10, 20)).take(torch.tensor([3, 0]))
    assert torch.equal(values["y"], torch.from_numpy(data["y"][[13, 10]]).double() / 255)
    other = pictures()
    other["x"][5, 0, 2, 2] += 1
    assert rows_of(model(), other, ("x", "y")).fingerprint() != rows.fingerprint()
    assert (
        rows.part(torch.arange(5)).fingerprint()
        == rows_of(model(), {k: v[:5] for k, v in data.items()}, ("x", "y")).fingerprint()
    )
    with pytest.raises(ShapeError, match=r"y: expected shape \(..., 3, 8, 8\)"):
        rows_of(model(), {**data, "y": data["y"][:, :2]}, ("x", "y"))


def test_only_images_read_8_bit_values_as_shares_of_255():
    bits = torch.tensor([[0, 1, 1]], dtype=torch.uint8)
    assert torch.equal(Binary(3).prepare(bits), torch.tensor([[0.0, 1.0, 1.0]]))
    assert torch.equal(
        Categorical(1, 4).prepare(torch.tensor([3], dtype=torch.uint8))[0, 0], torch.eye(4)[3]
    )
    assert float(
        Image(1, 1, 1).prepare(torch.full((1, 1, 1, 1), 51, dtype=torch.uint8))
    ) == pytest.approx(0.2)


def test_training_and_tasks_are_those_of_the_floats():
    data = pictures()
    (a, la), (b, lb) = trained(data, validation=0.25), trained(floats(data), validation=0.25)
    assert la == lb
    assert all(torch.equal(a[k], b[k]) for k in a)
    m = model().eval()
    assert torch.equal(m.encode(**data)["z"].mean, m.encode(**floats(data))["z"].mean)


def test_masked_rows_autoencoders_and_grids_take_8_bit_pictures_too():
    data = {**pictures(), "x_mask": np.arange(64) % 3 > 0}
    assert trained(data)[1] == trained({**floats(data), "x_mask": data["x_mask"]})[1]
    for networks in (Autoencoded(hidden=(8,), code=4, width=4, epochs=1), MLPs((8,))):
        pair = [
            wyner.fit(
                model(networks),
                d,
                grid={"seed": [0, 1], "lam": [0.1]},
                epochs=2,
                batch_size=16,
                progress=False,
            )
            for d in (pictures(), floats(pictures()))
        ]
        for one, other in zip(pair[0].members, pair[1].members, strict=True):
            assert [r["loss"] for r in one.history] == [r["loss"] for r in other.history]


def test_memory_mapped_pictures_resume_exactly(tmp_path):
    np.save(tmp_path / "y.npy", pictures()["y"])
    data = {**pictures(), "y": np.load(tmp_path / "y.npy", mmap_mode="c")}
    settings = {
        "loggers": [],
        "checkpoint_seconds": 0.0,
        "channels_last": True,
        "out": tmp_path / "run",
    }
    whole, _ = trained(data, epochs=3, channels_last=True)

    calls = 0

    def stop(_: object) -> dict[str, float]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return {"calls": 1.0}

    with pytest.raises(KeyboardInterrupt):
        trained(data, probe=stop, probe_every=1, **settings)
    again, _ = trained(data, resume=True, probe=lambda m: {"calls": 1.0}, probe_every=1, **settings)
    assert all(torch.equal(whole[k], again[k]) for k in whole)
    weights, _ = read_tensors(tmp_path / "run" / "model.safetensors")
    assert all(torch.equal(whole[k], weights[k]) for k in weights)
    assert np.array_equal(
        np.load(tmp_path / "y.npy"), pictures()["y"]
    )  # nothing was written into the file


def test_a_run_says_how_its_pairs_were_drawn(tmp_path):
    d = load("digits-add1", train=32, validation=8, test=8, seed=3)
    m = wyner.models.WynerVAE(x=d.spaces["x"], y=d.spaces["y"], z=2, u=1, v=1, networks=MLPs((4,)))
    wyner.fit(m, d, epochs=1, batch_size=16, progress=False, out=tmp_path / "run", loggers=[])
    about = json.loads((tmp_path / "run" / "config.json").read_text())["about"]
    assert about["data"] == d.source
    assert about["data"]["seed"] == 3


# batches in parts


def in_double(parts: int, samples: int = 1, **more: object) -> tuple[dict, list[float]]:
    torch.manual_seed(3)
    x = torch.randn(96, 3, dtype=torch.float64)
    m = wyner.models.WynerVAE(
        x=wyner.Real(3),
        y=wyner.Categorical(1, 4),
        z=wyner.Categorical(1, 3),
        u=2,
        v=0,
        alpha=0.5,
        networks=MLPs((8,)),
        families={"q(z|x,y)": wyner.families.Categorical(summed=True)},
    )
    run = wyner.fit(
        m.double(),
        {"x": x, "y": torch.arange(96) % 4},
        epochs=3,
        batch_size=24,
        lr=1e-2,
        clip=1.0,
        samples=samples,
        accumulate=parts,
        progress=False,
        **more,
    )
    return run.model.state_dict(), [row["loss"] for row in run.history]


@pytest.mark.parametrize(("parts", "samples"), [(2, 1), (4, 3)])
def test_parts_of_a_batch_add_up_to_its_gradient(float64, parts, samples):
    (a, la), (b, lb) = in_double(1, samples), in_double(parts, samples)
    assert la == pytest.approx(lb, rel=1e-10)
    for k in a:
        torch.testing.assert_close(a[k], b[k], rtol=1e-8, atol=1e-10)


def test_parts_must_divide_the_batch():
    with pytest.raises(OptionError, match="divisor of batch_size = 24"):
        in_double(5)
    with pytest.raises(OptionError, match="accumulate: expected a positive whole number"):
        in_double(0)


# layouts and precisions


def test_channels_last_changes_rounding_alone():
    data = floats(pictures())
    (a, la), (b, lb) = trained(data), trained(data, channels_last=True)
    assert lb == pytest.approx(la, rel=2e-4)
    assert all(v.is_contiguous() for v in b.values())  # the caller's model is as it was
    assert a.keys() == b.keys()


def test_bf16_stays_within_the_noise_of_seeds():
    data = floats(pictures())
    last = lambda **settings: trained(data, epochs=4, **settings)[1][-1]
    exact = [last(seed=s) for s in range(3)]
    noise = float(np.std(exact, ddof=1))
    assert abs(last(seed=0, precision="bf16-mixed", channels_last=True) - exact[0]) < noise


def test_under_bf16_weights_and_sums_of_the_loss_keep_float32():
    m = model()
    program = m.program(m.phases[0].objective)
    values = {k: unit(torch.from_numpy(v)) for k, v in pictures(8).items()}
    noise, weights = (
        program.noise((8,), values["x"]),
        torch.linspace(0.1, 1.3, len(program.divergences)),
    )
    with torch.autocast("cpu", torch.bfloat16):
        loss, terms = program(values, noise, weights)
    assert loss.dtype is terms.dtype is torch.float32
    assert float(loss) == pytest.approx(float(weights @ program.incidence @ terms), rel=1e-6)


def test_a_grid_trains_one_by_one_where_a_batched_program_cannot():
    options = {
        "grid": {"seed": [0, 1]},
        "epochs": 1,
        "batch_size": 16,
        "progress": False,
        "channels_last": True,
    }
    run = wyner.fit(model(MLPs((4,))), pictures(), **options)
    assert len(run.members) == 2
    with pytest.raises(OptionError, match="channels_last=False"):
        wyner.fit(model(MLPs((4,))), pictures(), launcher="batched", **options)
