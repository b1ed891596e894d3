"""Laws: products of conditionals as text, factors as modules, and the compiler from divergences to
operations.
"""

from wyner.laws.factor import Combined, Factor, Inner
from wyner.laws.notation import Law, Term, check, is_data, parse, read_term
from wyner.laws.order import rounds
from wyner.laws.plan import Op, Plan, Planner, Score, noise_for, run

__all__ = [
    "Combined",
    "Factor",
    "Inner",
    "Law",
    "Op",
    "Plan",
    "Planner",
    "Score",
    "Term",
    "check",
    "is_data",
    "noise_for",
    "parse",
    "read_term",
    "rounds",
    "run",
]
