"""Tests of panal.store, one file to a source file; real disk, no sleeps."""

from hypothesis import HealthCheck, settings

PROPERTY = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    # The folder is shared by a property's examples on purpose: each makes one of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
"""Properties draw the same examples on every run."""
