"""Protobuf's reading of messages in Python is loaded when somebody uses it; imported for that.

Where compiled code reads them nobody does, and it is two thirds of what protobuf loads. Two threads
that use it first at the same moment may find it half loaded (Python 3.11), so only there.
"""

import importlib.util
import sys

from google.protobuf.internal import api_implementation


def _load_when_used(package: str, name: str) -> None:
    whole_name = f"{package}.{name}"
    found = importlib.util.find_spec(whole_name)
    if whole_name in sys.modules or found is None or found.loader is None:
        return
    found.loader = importlib.util.LazyLoader(found.loader)
    module = importlib.util.module_from_spec(found)
    sys.modules[whole_name] = module
    setattr(sys.modules[package], name, module)  # else to import it from there would be to use it
    found.loader.exec_module(module)


if api_implementation.Type() != "python":
    _load_when_used("google.protobuf.internal", "python_message")
