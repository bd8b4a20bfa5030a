"""Programs that tests start as another user, while gRPC works in the process that starts them."""

import asyncio
import os
import subprocess
from contextlib import suppress

import grpc
import pytest

from tests.support.another_user import NOBODY

STARTED = 25  # four in ten failed


async def _keep_calling(channel: grpc.aio.Channel) -> None:
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/nobody/answers")
    while True:
        with suppress(grpc.aio.AioRpcError):
            await call(b"")


def _said_by_a_child() -> tuple[int, str]:
    words = ["/bin/sh", "-c", "echo well"]
    ended = subprocess.run(
        words, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
async def test_a_child_with_another_user_is_not_ended_by_grpc() -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        calls = [asyncio.create_task(_keep_calling(channel)) for _ in range(5)]
        said = [await asyncio.to_thread(_said_by_a_child) for _ in range(STARTED)]
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    await server.stop(0)
    assert said == [(0, "well\n")] * STARTED
