"""Objectives: weighted divergences between laws, and the program that evaluates them."""

from wyner.objectives.program import Program
from wyner.objectives.terms import KL, Objective, Weighted

__all__ = ["KL", "Objective", "Program", "Weighted"]
