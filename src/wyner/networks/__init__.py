"""Networks: parameters and shapes, no probability."""

from wyner.networks.autoencoder import Autoencoded, CodeDecoder, CodeEncoder, freeze
from wyner.networks.builders import LIGHT, TABLE_8, TABLE_10, Builder, Chain, Convolutional, MLPs, flattened
from wyner.networks.conv import OuterDecoder, OuterEncoder
from wyner.networks.critics import Critics
from wyner.networks.mlp import MLP

__all__ = [
    "LIGHT",
    "MLP",
    "TABLE_8",
    "TABLE_10",
    "Autoencoded",
    "Builder",
    "Chain",
    "CodeDecoder",
    "CodeEncoder",
    "Convolutional",
    "Critics",
    "MLPs",
    "OuterDecoder",
    "OuterEncoder",
    "flattened",
    "freeze",
]
