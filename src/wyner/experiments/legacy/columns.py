"""What a table may hold: every number of a trained model by name, with the words that stand over
its column.
"""

from __future__ import annotations

NLL = {"nll_joint": "joint nll", "nll_conditional": "conditional nll"}
"""Likelihoods with a published scale and floors of their own."""

COLUMNS: dict[str, str] = {
    **NLL,
    "nll_back": "conditional nll of x given y",
    "I41": "I41",
    "I40": "I40",
    "aggregate": "aggregate",
    "accuracy": "label accuracy of y given x",
    "variance": "variance of y given x",
    "accuracy_back": "label accuracy of x given y",
    "variance_back": "variance of x given y",
    "joint_error": "digit error of pairs",
    "attributes": "attribute accuracy given the face",
    "attributes_majority": "attribute accuracy, majority",
    "probe_z": "label read from z",
    "probe_u": "label read from u",
    "probe_v": "label read from v",
    "probe_w": "label read from w",
    "probe_majority": "most frequent label",
    "frechet_joint": "Frechet distance of pairs",
    "frechet_x": "Frechet distance of x",
    "frechet_y": "Frechet distance of y",
}
"""In the order of the table; shares in [0, 1], likelihoods and information in nats. Claims and
published values use these names."""

METRICS = tuple(COLUMNS)

SHORT = {
    "nll_conditional": "nll of y given x",
    "accuracy": "label accuracy",
    "variance": "variance of y given x",
    "I40": "I40",
    "I41": "I41 (rate of z)",
    "attributes": "attribute accuracy",
}
"""Shorter words, for the axes of figures."""


def words(metric: str) -> str:
    """A metric on an axis."""
    return SHORT.get(metric, COLUMNS.get(metric, metric))
