"""Retrieval across two sides on classes that no training has seen: protocols as files, our numbers
beside the published ones.
"""

from wyner.experiments.retrieval.plan import Protocol, names, read
from wyner.experiments.retrieval.runner import reproduce

__all__ = ["Protocol", "names", "read", "reproduce"]
