"""What of protobuf is loaded late is there when it is used."""

import os
import subprocess
import sys

import pytest

READ_AND_WRITTEN = """
import sys
from panal.wire import tracker
from panal.wire import tracker_pb2 as pb
read = pb.LocateRequest.FromString(pb.LocateRequest(asker="ana").SerializeToString())
print(read.asker, "google.protobuf.internal.decoder" in sys.modules)
"""


@pytest.mark.parametrize(("reader", "is_loaded"), [("upb", False), ("python", True)])
def test_messages_are_read_by_either(reader: str, is_loaded: bool) -> None:
    environment = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": reader}
    done = subprocess.run(
        [sys.executable, "-c", READ_AND_WRITTEN], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"ana {is_loaded}\n"), done.stderr
