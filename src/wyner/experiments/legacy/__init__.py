"""Tables of the papers, trained again: protocols as files, many seeds a row, our numbers beside the
published ones.
"""

from wyner.experiments.legacy.claims import Claim
from wyner.experiments.legacy.plan import Protocol, Published, Row, names, read
from wyner.experiments.legacy.runner import reproduce

__all__ = ["Claim", "Protocol", "Published", "Row", "names", "read", "reproduce"]
