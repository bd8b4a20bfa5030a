"""The tracker: who is here, who holds what, who can find it; never a byte of a file."""
