"""Exact answers by other means: joint Gaussians walked factor by factor, and z-scores of
Monte-Carlo means."""
