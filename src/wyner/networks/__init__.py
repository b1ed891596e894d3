"""Networks: parameters and shapes, no probability."""

from wyner.networks.autoencoder import Autoencoded, CodeDecoder, CodeEncoder, freeze
from wyner.networks.builders import (
    LIGHT,
    TABLE_8,
    TABLE_10,
    Builder,
    Chain,
    Convolutional,
    MLPs,
    Sighted,
    Upsampled,
    flattened,
)
from wyner.networks.conv import OuterDecoder, OuterEncoder, UpsampledDecoder
from wyner.networks.critics import Critics
from wyner.networks.encoding import Encoding, encoding
from wyner.networks.grouped import Grouped, merged
from wyner.networks.image_critic import ImageCritics
from wyner.networks.mlp import MLP, PerValue
from wyner.networks.pixelcnn import PixelCNN
from wyner.networks.residual import ResidualEncoder, ResNets
from wyner.networks.sequence_critic import SequenceCritics
from wyner.networks.sequences import Sequences
from wyner.networks.strided import Strided
from wyner.networks.trunks import Trunks

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
    "Encoding",
    "Grouped",
    "ImageCritics",
    "MLPs",
    "OuterDecoder",
    "OuterEncoder",
    "PerValue",
    "PixelCNN",
    "ResNets",
    "ResidualEncoder",
    "SequenceCritics",
    "Sequences",
    "Sighted",
    "Strided",
    "Trunks",
    "Upsampled",
    "UpsampledDecoder",
    "encoding",
    "flattened",
    "freeze",
    "merged",
]
