"""Whole recordings: codes, exchanged voices, made-up voices and words; whatever the length."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import wyner
from wyner.errors import TaskError
from wyner.models import DSAE
from wyner.networks import Sequences
from wyner.tasks import voices
from wyner.variables import Sequence


def small(frame: int) -> DSAE:
    torch.manual_seed(0)
    model = DSAE(
        x=Sequence(8, frame),
        z=2,
        s=2,
        objective="elbo",
        watch=False,
        networks=Sequences((5,), 4, 4, (5,)),
    )
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.4)
    return model.eval()


@pytest.fixture(scope="module")
def model():
    return small(3)


def _recording(steps: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(steps, 3, generator=torch.Generator().manual_seed(seed))


def test_codes_are_means_over_stretches_and_over_frames(model):
    x = _recording(20)  # two stretches and a half
    parts = [x[:8], x[8:16], x[16:]]
    with torch.no_grad():
        found = [model.encode(x=p[None]) for p in parts]
    code = voices.code(model, x)
    torch.testing.assert_close(code["z"], torch.stack([f["z"].mean[0] for f in found]).mean(0))
    torch.testing.assert_close(code["s"], torch.cat([f["s"].mean[0] for f in found]).mean(0))


def test_a_voice_is_the_code_of_the_other_recording(model):
    a, b = _recording(20), _recording(13, 1)
    made = voices.convert(model, a, b)
    assert made.shape == (20, 3)
    with torch.no_grad():
        z = voices.code(model, b)["z"]
        s = model.encode(x=a[None, 8:16])["s"].mean
        torch.testing.assert_close(made[8:16], model.factors["p(x|s,z)"](s, z[None]).mean[0])
    torch.testing.assert_close(voices.convert(model, a, z), made)
    assert (voices.convert(model, a, a) - made).abs().max() > 1e-3


def test_a_single_stretch_is_restyled(model):
    """For one stretch it is `restyle`: z of the given rows, s of those in `like`."""
    a, b = _recording(8), _recording(8, 1)
    torch.testing.assert_close(
        voices.convert(model, a, b), model.restyle(x=b[None], like={"x": a[None]})[0]
    )


def test_blocks_change_nothing(model, monkeypatch):
    a, b = _recording(100), _recording(60, 1)
    whole, code, words = (
        voices.convert(model, a, b),
        voices.code(model, a),
        voices.any_words(model, b, seed=3).shape,
    )
    monkeypatch.setattr(voices, "BLOCK", 2)
    torch.testing.assert_close(voices.convert(model, a, b), whole)
    torch.testing.assert_close(voices.code(model, a)["s"], code["s"])
    assert voices.any_words(model, b, seed=3).shape == words == (60, 3)


def test_made_up_voices_keep_the_words_and_made_up_words_the_voice(model):
    a = _recording(20)
    first, again, other = (voices.any_voice(model, a, seed=k) for k in (0, 0, 1))
    assert torch.equal(first, again)
    assert (first - other).abs().max() > 1e-3
    z = torch.randn(2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(first, voices.convert(model, a, z))
    assert voices.any_words(model, a, steps=11, seed=0).shape == (11, 3)
    assert torch.equal(voices.any_words(model, a, seed=0), voices.any_words(model, a, seed=0))


def test_arrays_come_back_as_they_came(model):
    a = _recording(20).numpy()
    assert isinstance(voices.convert(model, a, a), np.ndarray)
    assert isinstance(voices.code(model, a)["z"], np.ndarray)


def test_frames_may_be_wide():
    """Those of a spectrum of 513 bins."""
    wide, x = small(513), torch.zeros(9, 513)
    assert voices.convert(wide, x, x).shape == (9, 513)


def test_what_is_refused(model):
    with pytest.raises(TaskError, match=r"expected frames \(t, 3\)"):
        voices.code(model, torch.zeros(5, 4))
    other = wyner.models.VIB(x=wyner.Real(2), y=wyner.Real(2))
    with pytest.raises(TaskError, match="DSAE can"):
        voices.code(other, torch.zeros(5, 2))
