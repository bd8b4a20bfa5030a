"""Benchmarks: each figure a ratio against a named program, run side by side in the same call.

`make bench`, or `python -m benchmarks --help`. Nothing here is asserted by a test.
"""

import os

# What is measured is an installed program, whose modules are compiled: without this, each start
# would compile them anew wherever the variable is set.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Before gRPC is imported, as in the tests: its handlers of forks end children that change their
# user, such as the programs of PostgreSQL where root starts them (grpc/grpc#43055).
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
