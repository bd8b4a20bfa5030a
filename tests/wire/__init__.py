"""Tests of panal.wire, one file to a source file; all pure, all deterministic."""

from hypothesis import settings

PROPERTY = settings(max_examples=300, deadline=None, derandomize=True)
"""Properties draw the same examples on every run."""
