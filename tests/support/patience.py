"""How long a test waits for what must come."""

PATIENCE_S = 120.0
"""It ends a test that hangs, and nothing else: a machine may be slow, busy, or both."""
