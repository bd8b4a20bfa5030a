"""What a tracker notes of who comes, goes and is refused."""

from pathlib import Path

import grpc.aio
import pytest

from panal.audit import FILE, read_last
from tests.tracker.harness import running_tracker
from tests.tracker.makers import caller


async def test_who_comes_goes_and_is_refused_is_noted(tmp_path: Path) -> None:
    async with running_tracker(state_dir=tmp_path) as tracker:
        await tracker.register(caller("one"), 5000)
        await tracker.register(caller("two"), 5001)
        with pytest.raises(grpc.aio.AioRpcError):
            await tracker.register(caller("one", secret=b"x" * 32), 5002)
        await tracker.leave(caller("one"))
        tracker.clock.advance(61)
        await tracker.server.sweep()
        with pytest.raises(grpc.aio.AioRpcError):  # no refusal: it registers again
            await tracker.renew(caller("two"), b"")
    events = read_last(tmp_path, 9)
    assert [(one.event, one.name, one.host) for one in events] == [
        ("joined", "one", "127.0.0.1"),
        ("joined", "two", "127.0.0.1"),
        ("refused", "", "127.0.0.1"),
        ("left", "one", "127.0.0.1"),
        ("lease-over", "two", ""),
    ]
    assert "one" in events[2].why
    kept = (tmp_path / FILE).read_text()
    assert caller("one").secret.hex() not in kept
    assert (b"x" * 32).decode() not in kept
