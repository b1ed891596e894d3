"""The same models in `wyner` and in the peers that install today: time and correctness. `python -m
benchmarks.peers` runs it."""
