"""Benchmarks: each figure a ratio against a named program, run side by side in the same call.

`make bench`, or `python -m benchmarks --help`. Nothing here is asserted by a test.
"""
