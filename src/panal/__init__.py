"""Panal: exchange files between your own machines, in verified chunks, with no file server."""

__version__ = "0.1.0"
