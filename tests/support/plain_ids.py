"""A plugin for `make mutants`: names of parametrized tests that can be given on a command line."""

import re

import pytest


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Plain letters for texts and bytes; pytest numbers those that come to the same."""
    if isinstance(val, str | bytes):
        return re.sub(r"\W", "_", str(val))[:24]
    return None
