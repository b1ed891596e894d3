"""Groups of the values of a latent, from what its encoders of one side say of the training rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from wyner.errors import LawError
from wyner.laws import System, read_conditional
from wyner.networks import Grouped, Sighted, merged
from wyner.variables import unit

ROWS, BLOCK = 20_000, 1000
"""Training rows that are looked at, at most, and at once."""


def group_values(
    system: System, values: Mapping[str, Tensor], masks: Mapping[str, Tensor] | None = None
) -> None:
    """Finds the groups of every latent whose encoders tell more values apart than it has.

    Values are merged by the joint law of those told from two sides of the same rows, of q(z|x) and
    q(z|y); with one such encoder, of its own and itself. Groups that were found before stay.

    Args:
        system: its networks change in place.
        values: training rows by modality, `(N, *event)`.
        masks: by modality, `(N,)`; rows without one of the two sides are left out.

    Raises:
        LawError: no encoder of the latent reads a single modality.
    """
    modes = {m: m.training for m in system.modules()}
    system.eval()
    for name in system.latent:
        encoders = {k: g for k, g in _grouped(system).items() if read_conditional(k).of == (name,)}
        if not encoders or any(g.found for g in encoders.values()):
            continue
        sides = {k: read_conditional(k).given for k in encoders}
        alone = [k for k, given in sides.items() if len(given) == 1 and given[0] in values]
        if not alone:
            raise LawError(
                f"fine: the values of {name} are grouped by what one modality says of them, but"
                f" {', '.join(encoders)} reads more; expected a factor such as q({name}|x)"
            )
        table = _together(system, alone[0], alone[-1], values, masks)
        groups = merged((table + table.T) / 2, next(iter(encoders.values())).groups.shape[1])
        for network in encoders.values():
            network.regroup(groups)
    for module, mode in modes.items():
        module.training = mode


def _grouped(system: System) -> dict[str, Grouped]:
    """What groups values, by factor."""
    networks = {k: f.network for k, f in system.factors.items()}
    cores = {k: n.core if isinstance(n, Sighted) else n for k, n in networks.items()}
    return {k: core for k, core in cores.items() if isinstance(core, Grouped)}


@torch.no_grad()
def _together(
    system: System,
    one: str,
    other: str,
    values: Mapping[str, Tensor],
    masks: Mapping[str, Tensor] | None,
) -> Float[Tensor, "fine fine"]:
    """Joint law of the values told by two encoders of one side each."""
    names = [read_conditional(k).given[0] for k in (one, other)]
    rows = torch.arange(len(values[names[0]]))
    if masks is not None:
        there = [masks[n].cpu() > 0 for n in names if n in masks]
        rows = rows[torch.stack(there).all(0)] if there else rows
    rows = rows[:ROWS]
    table: Any = 0.0
    for at in rows.split(BLOCK):
        first, second = (
            _told(system, k, values[n][at]) for k, n in zip((one, other), names, strict=True)
        )
        table = table + first.T @ second / len(rows)
    return table


def _told(system: System, factor: str, value: Tensor) -> Float[Tensor, "rows fine"]:
    """Probabilities of the values before they are grouped."""
    (name,) = read_conditional(factor).given
    read = [unit(value, next(system.parameters()).dtype)]
    if name in system.features:
        read = [system.features[name](*read)]
    network = system.factors[factor].network
    if isinstance(network, Sighted):
        read, network = network.seen(*read), network.core
    return network.fine(*read).squeeze(-2)
