"""The door for words: one command each, errors to exit codes."""
