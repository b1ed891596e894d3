"""`wyner reproduce pixelcnn`: Tables 4 and 5 and Figure 5 of [CMI], PixelCNN-VAEs of MNIST and
Fashion-MNIST.
"""

from wyner.experiments.pixelcnn.plan import NAME, Protocol, protocol, protocols
from wyner.experiments.pixelcnn.run import reproduce

__all__ = ["NAME", "Protocol", "protocol", "protocols", "reproduce"]
