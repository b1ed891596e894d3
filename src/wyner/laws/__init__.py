"""Laws as text, factors as modules, and the compiler from divergences to operations."""

from wyner.laws.evaluate import noise_for, run, schedule
from wyner.laws.factor import AnyFactor, Combined, Factor, Factors, Inner
from wyner.laws.notation import Conditional, Law, check, is_data, parse, read_conditional
from wyner.laws.plan import Op, Plan, Planner, Score
from wyner.laws.presence import Presence, presence, without
from wyner.laws.system import System

__all__ = [
    "AnyFactor",
    "Combined",
    "Conditional",
    "Factor",
    "Factors",
    "Inner",
    "Law",
    "Op",
    "Plan",
    "Planner",
    "Presence",
    "Score",
    "System",
    "check",
    "is_data",
    "noise_for",
    "parse",
    "presence",
    "read_conditional",
    "run",
    "schedule",
    "without",
]
