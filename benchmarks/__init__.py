"""Speed as ratios, measured in one run: `python -m benchmarks.startup`, `.drift`, `.sync`, `.native`; `make bench` runs all."""
