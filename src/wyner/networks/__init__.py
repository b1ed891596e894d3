"""Networks: parameters and shapes, no probability."""

from wyner.networks.autoencoder import Autoencoded, CodeDecoder, CodeEncoder, freeze
from wyner.networks.builders import Builder, Chain, Convolutional, MLPs, flattened
from wyner.networks.conv import OuterDecoder, OuterEncoder
from wyner.networks.mlp import MLP

__all__ = [
    "MLP",
    "Autoencoded",
    "Builder",
    "Chain",
    "CodeDecoder",
    "CodeEncoder",
    "Convolutional",
    "MLPs",
    "OuterDecoder",
    "OuterEncoder",
    "flattened",
    "freeze",
]
