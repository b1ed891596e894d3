"""Codes of speakers, exchanged voices and the bound, against numbers that are known by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from wyner import Sequence
from wyner.data.corpus import Recording
from wyner.experiments.questions.speech import Speech
from wyner.families import Recurrent
from wyner.metrics import crossed_pairs
from wyner.metrics.speech import bound, conversion, draws, exchanged, stretches, verify
from wyner.models import DSAE
from wyner.networks import Sequences
from wyner.seeds import forked


class Exact:
    """z is the mean of a stretch in time, s what is left, or all of it, and p(x|s,z) is their
    sum."""

    def __init__(self, whole: bool = False) -> None:
        self.whole = whole
        self.factors = {"p(x|s,z)": lambda s, z: SimpleNamespace(mean=s + z[:, None])}

    def encode(self, x):
        z = x.mean(1)
        s = x if self.whole else x - z[:, None]
        return {"z": SimpleNamespace(mean=z), "s": SimpleNamespace(mean=s)}


def recording(name, speaker, frames, gender=""):
    return Recording(name, speaker, "test", np.asarray(frames, np.float32), gender)


def test_stretches_are_consecutive_and_know_their_recording():
    long, short = np.arange(14.0).reshape(7, 2), np.zeros((2, 2))
    x, owners = stretches([recording("a", "A", long), recording("b", "B", short)], 3)
    np.testing.assert_array_equal(x.numpy(), long[:6].reshape(2, 3, 2))
    assert [r.name for r in owners] == ["a", "a"]


def test_all_frames_of_a_recording_make_its_code():
    """The first frame of a stretch speaks for the other voice; the others, three to one, for its
    own: means over frames part the two, first frames take each for the other.
    """
    voices = {"A": np.array([1.0, 0.0]), "B": np.array([0.0, 1.0])}
    recordings = []
    for k in range(6):
        who, other = ("A", "B") if k % 2 else ("B", "A")
        one = np.stack([voices[other] * (k >= 2), *[voices[who]] * 3])
        recordings.append(recording(f"{k}", who, np.concatenate([one, one])))
    x, owners = stretches(recordings, 4)
    found = verify(Exact(whole=True), x, owners)
    for name in ("z", "s"):
        assert found[name].eer_percent == 0.0
        assert (found[name].same, found[name].different) == (6, 9)


def test_verification_is_of_recordings_not_of_stretches():
    """Three of four stretches of each recording say who speaks, and one of them the contrary."""
    rng = np.random.default_rng(0)
    recordings = []
    for k in range(8):
        sign = 1.0 if k % 2 else -1.0
        cut = [sign * s + 0.01 * rng.normal(size=(5, 1)) for s in (1, -1, 1, 1)]
        frames = np.concatenate(cut) * [1.0, 0.0] + [0.0, 0.1]
        recordings.append(recording(str(k), "AB"[k % 2], frames))
    found = verify(Exact(whole=True), *stretches(recordings, 5))
    assert found["z"].eer_percent == found["s"].eer_percent == 0.0
    assert found["z"].same + found["z"].different == 28


def test_partners_exchange_what_they_say():
    rng = np.random.default_rng(1)
    x = torch.from_numpy(rng.normal(size=(6, 4, 3)).astype(np.float32))
    mean = x.mean(1, keepdim=True)
    made = exchanged(Exact(), x)
    for own, other in zip(range(6), (3, 4, 5, 0, 1, 2), strict=True):
        torch.testing.assert_close(made[own], x[other] - mean[other] + mean[own])


def voices(n: int = 12) -> tuple[torch.Tensor, np.ndarray]:
    """Stretches `(2 n, 3, 2)` of n women and n men; nobody is heard yet."""
    return torch.zeros(2 * n, 3, 2), np.repeat(["F", "M"], n)


def test_what_is_converted_does_not_test():
    """The stretches that are converted say who speaks, all others say the contrary: no other is
    told right, and each of those that were used would be.
    """
    x, genders = voices()
    used = np.concatenate(crossed_pairs(genders, 5, 0))
    sign = np.where(genders == "F", 1.0, -1.0)
    sign[np.setdiff1d(np.arange(len(x)), used)] *= -1
    x[:, :, 0] = torch.from_numpy(sign)[:, None].float()
    found = conversion(Exact(), x, genders, pairs=5)
    assert found == {"conversion": 0.0, "conversion_real": 0.0}


def test_a_converted_stretch_has_the_words_of_its_partner():
    """Coordinate 0 is the voice (in z), coordinate 1 what is said (in s), which goes with the
    gender
    in real speech and against it once voices are exchanged. Those who test whisper: coordinate 0 is
    nothing, and what they say is told wrong by who learned on exchanged voices, right by who did
    not.
    """

    class Said(Exact):
        def encode(self, x):
            z, s = x * torch.tensor([1.0, 0.0]), x * torch.tensor([0.0, 1.0])
            return {"z": SimpleNamespace(mean=z.mean(1)), "s": SimpleNamespace(mean=s)}

    x, genders = voices()
    used = np.concatenate(crossed_pairs(genders, 5, 0))
    sign = torch.from_numpy(np.where(genders == "F", 1.0, -1.0)).float()
    x[:, :, 1] = sign[:, None]
    x[used, :, 0] = sign[used][:, None]
    found = conversion(Said(), x, genders, pairs=5)
    assert found == {"conversion": 0.0, "conversion_real": 100.0}
    assert conversion(Said(), x, np.repeat("F", len(x))) == {}


def test_the_parts_of_the_bound_are_those_of_torch():
    torch.manual_seed(0)
    small = {"prior": Recurrent(3), "networks": Sequences((4,), 4, 4, (4,))}
    model = DSAE(x=Sequence(5, 3), z=2, s=2, objective="elbo", watch=False, **small).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.5)
    x = torch.randn(7, 5, 3)
    with forked(3):
        found = bound(model, x)
    with forked(3), torch.no_grad():
        z, s = draws(model, x)
        seen = model.features["x"](x)
        normal = lambda d: Normal(d.mean.double(), d.variance.double().sqrt())
        q, local = model.factors["q(z|x)"](seen), model.factors["q(s|x,z)"](seen, z)
        kl_z = kl_divergence(normal(q), Normal(0.0, 1.0)).sum(-1)
        past = normal(model.factors["p(s)"]().given_past(s))
        kl_s = kl_divergence(normal(local), past).sum((1, 2))
        recon = -normal(model.factors["p(x|s,z)"](s, z)).log_prob(x.double()).sum((1, 2))
    assert found["kl_z"] == pytest.approx(float(kl_z.mean()), rel=1e-5)
    assert found["kl_s"] == pytest.approx(float(kl_s.mean()), rel=1e-5)
    assert found["recon"] == pytest.approx(float(recon.mean()), rel=1e-5)
    assert found["elbo"] == pytest.approx(-float((kl_z + kl_s + recon).mean()), rel=1e-5)


def test_pairs_of_recordings_are_counted():
    who = ("A", "A", "A", "B", "B")
    long = [recording(str(k), w, np.zeros((8, 1))) for k, w in enumerate(who)]
    short = recording("short", "A", np.zeros((3, 1)))
    data = SimpleNamespace(sides={"test": [*long, short]}, spaces={"x": Sequence(4, 1)})
    assert Speech().reference(data, "test") == {"trials": 10.0, "trials_same": 4.0}
