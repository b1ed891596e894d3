"""Losses written by hand from the papers, and their comparison with the compiled objectives."""
