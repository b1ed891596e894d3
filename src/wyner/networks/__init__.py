"""Networks: parameters and shapes, no probability."""

from wyner.networks.builders import Builder, Chain, Convolutional, MLPs, flattened
from wyner.networks.conv import OuterDecoder, OuterEncoder
from wyner.networks.mlp import MLP

__all__ = ["MLP", "Builder", "Chain", "Convolutional", "MLPs", "OuterDecoder", "OuterEncoder", "flattened"]
