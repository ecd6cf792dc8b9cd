"""Speed as ratios, each measured in one run: `python -m benchmarks startup`, `drift`, `sync`; `make bench` runs all."""
