"""Whole swarms in virtual time; `python -m benchmarks.simulated`."""
