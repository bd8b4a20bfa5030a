"""A delay on every frame, for kernels without netem: pairs of TAP devices and a loop between.

`python -m benchmarks.delay SECONDS FD FD …` copies what comes out of each descriptor of a pair
into the other, so much later. Segmentation stays offloaded: a frame may be up to 64 KiB.
"""

import collections
import contextlib
import fcntl
import os
import select
import struct
import sys
import time
from pathlib import Path

TUN = Path("/dev/net/tun")
_TUNSETIFF = 0x4004_54CA
_TUNSETOFFLOAD = 0x4004_54D0
_IFF_TAP_NO_PI_VNET_HDR = 0x0002 | 0x1000 | 0x4000
_CHECKSUM_TSO4_TSO6_ECN = 0x0F
_LARGEST_FRAME = 70_000
_READS_IN_A_ROW = 32


def open_tap(name: str) -> int:
    """A new TAP device in this thread's network namespace; it goes with its descriptor."""
    descriptor = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(
        descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP_NO_PI_VNET_HDR)
    )
    fcntl.ioctl(descriptor, _TUNSETOFFLOAD, _CHECKSUM_TSO4_TSO6_ECN)
    return descriptor


def relay(delay_s: float, descriptors: list[int]) -> None:
    """Copy between consecutive descriptors for ever."""
    pairs = list(zip(descriptors[::2], descriptors[1::2], strict=True))
    other_end = {**dict(pairs), **{two: one for one, two in pairs}}
    poller = select.epoll()
    for descriptor in descriptors:
        poller.register(descriptor, select.EPOLLIN)
    waiting: collections.deque[tuple[float, int, bytes]] = collections.deque()
    while True:
        timeout_s = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for descriptor, _ in poller.poll(timeout_s):
            with contextlib.suppress(BlockingIOError):
                for _ in range(_READS_IN_A_ROW):
                    frame = os.read(descriptor, _LARGEST_FRAME)
                    waiting.append((time.monotonic() + delay_s, other_end[descriptor], frame))
        now_s = time.monotonic()
        while waiting and waiting[0][0] <= now_s:
            _, target, frame = waiting.popleft()
            with contextlib.suppress(OSError):  # a full device drops, as a link does
                os.write(target, frame)


if __name__ == "__main__":
    relay(float(sys.argv[1]), [int(word) for word in sys.argv[2:]])
