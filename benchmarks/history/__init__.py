"""Histories of trackers under faults: who did what when, what was seen, and whether that can be.

`events` are what is recorded, `checking` the pure check of it, `peers` those who do things, and
`python -m benchmarks.history` a soak of tracker processes that are killed.
"""
