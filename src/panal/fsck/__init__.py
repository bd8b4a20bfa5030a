"""A stopped peer's state, its index and the files that it speaks of, compared with each other."""
