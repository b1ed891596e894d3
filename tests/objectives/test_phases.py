"""When the phases of a training run."""

from __future__ import annotations

import pytest

from wyner import KL
from wyner.objectives.phases import After, Alternating, Jointly, Phase, epochs_plan


@pytest.mark.parametrize(
    ("when", "plan"),
    [
        (After(0.5), [(0,)] * 4 + [(1,)] * 2),
        (After(0.01), [(0,)] * 4 + [(1,)]),
        (After(1.5), [(0,)] * 4 + [(1,)] * 6),
        (Alternating(2, 1), [(0,), (0,), (1,), (0,), (0,), (1,)]),
        (Alternating(3, 2), [(0,)] * 3 + [(1,)] * 2 + [(0,)]),
        (Jointly(), [(0, 1)] * 4),
    ],
)
def test_phases_run_when_they_say(when, plan) -> None:
    phases = (
        Phase("joint", KL("joint")),
        Phase("marginal", KL("x2x"), train=("q(z|x)",), when=when),
    )
    assert epochs_plan(phases, 4) == plan
