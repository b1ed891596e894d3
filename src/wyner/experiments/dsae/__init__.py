"""DSAE on speech: Tables 1 to 3 and Figures 3 and 4 of [CMI] ("Information Theoretic Regularization
for Learning Global Features by Sequential VAE"), `wyner reproduce dsae`.
"""

from wyner.experiments.dsae.plan import NAME, protocols, read
from wyner.experiments.dsae.runner import reproduce

__all__ = ["NAME", "protocols", "read", "reproduce"]
