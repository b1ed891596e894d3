"""The critics of a model: one for every matching and dependence that its objectives declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from wyner.networks.critics import Critics
from wyner.variables import Space, unit


class CriticSet(nn.Module):
    """Heads by term, feature maps by the observed variables they see, the scale of the noise.

    Args:
        made: how they are made.
        sees: the variables of each critic, by the name of its term.
        variables, observed: spaces by name.
        modules: a user's own critics by the name of the term, called with the values they see, in
            order, and returning `(N,)`.

    A head that has `parts`, a map of each value it sees, and `compare` for what they return, maps
    what both laws have only once.
    """

    def __init__(
        self,
        made: Critics,
        sees: Mapping[str, Sequence[str]],
        variables: Mapping[str, Space],
        observed: Mapping[str, Space],
        modules: Mapping[str, nn.Module],
    ) -> None:
        super().__init__()
        self.made, self.sees = made, {k: tuple(v) for k, v in sees.items()}
        self.observed, self.own = tuple(observed), tuple(modules)
        self.maps = nn.ModuleDict()
        self.heads = nn.ModuleDict()
        for term, names in self.sees.items():
            if term in modules:
                self.heads[term] = modules[term]
                continue
            shared = self.shared(term)
            key = ",".join(shared)
            if shared and key not in self.maps:
                self.maps[key] = made.features([variables[v] for v in shared])
            features: Any = self.maps[key] if shared else None
            rest = [variables[v] for v in names if v not in shared]
            self.heads[term] = made.head(int(features.size) if shared else 0, rest)
        self.scales: dict[str, str] = {}
        if made.relative:
            for name, space in observed.items():
                self.scales[name] = f"scale_{name}"
                self.register_buffer(self.scales[name], torch.ones(space.event_shape))

    def shared(self, term: str) -> tuple[str, ...]:
        """Observed variables that a critic reads through a shared feature map."""
        return () if term in self.own else tuple(v for v in self.sees[term] if v in self.observed)

    def sigma(self, variable: str) -> float | Tensor:
        """Standard deviation of the noise on a variable."""
        if variable not in self.scales:
            return self.made.noise
        return self.made.noise * getattr(self, self.scales[variable])

    @torch.no_grad()
    def measure(self, values: Mapping[str, Tensor]) -> None:
        """Sets the scale of the noise from training rows `(N, *event)`, if it is relative."""
        for name, key in self.scales.items():
            scale = self.get_buffer(key)
            scale.copy_(unit(values[name], scale.dtype).std(0))

    def features(self, term: str, values: Sequence[Tensor]) -> Tensor | None:
        """Shared features of a critic's observed variables."""
        shared = self.shared(term)
        return self.maps[",".join(shared)](*values) if shared else None

    def forward(self, term: str, features: Tensor | None, rest: Sequence[Tensor]) -> Tensor:
        """T, `(N,)`, in nats."""
        return self.heads[term](*rest) if term in self.own else self.heads[term](features, *rest)

    def parameters_of(self, terms: Sequence[str]) -> dict[str, nn.Parameter]:
        """Parameters of some critics and of the maps that they share, by name."""
        prefixes = [f"heads.{t}." for t in terms] + [
            f"maps.{','.join(s)}." for t in terms if (s := self.shared(t))
        ]
        return {n: p for n, p in self.named_parameters() if n.startswith(tuple(prefixes))}
