"""`wyner reproduce common-information`: every estimator on every task with a known answer, estimate
beside truth.
"""

from wyner.experiments.common_information.cells import LENGTHS, NAME, Protocol, protocol, reproduce

__all__ = ["LENGTHS", "NAME", "Protocol", "protocol", "reproduce"]
