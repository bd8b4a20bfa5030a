"""P6, P10: a file that takes minutes to hash keeps nobody waiting, the peer's end neither."""

import os

from tests.support.network import Network, until

HUGE_BYTES = 100 * 1024**3


async def test_a_sparse_file_of_100_gib_is_told_of_and_given_up_at_any_moment(
    network: Network,
) -> None:
    """It takes no room; what lies beside it is shared; the peer stops in the middle of it."""
    folder = network.place / "one"
    folder.mkdir()
    with (folder / "huge.img").open("wb") as huge:
        os.truncate(huge.fileno(), HUGE_BYTES)
    os.utime(folder / "huge.img", ns=(1, 10**18))
    (folder / "small.txt").write_bytes(b"small")
    assert (folder / "huge.img").stat().st_blocks == 0
    peer = await network.peer("one")
    await until(lambda: peer.app.index.by_path("small.txt") is not None, "the small one is shared")
    await until(lambda: peer.node.status().to_hash == 1, "the huge one is told of")
    await peer.upload("uploaded.txt", b"meanwhile")
    assert peer.app.index.by_path("huge.img") is None
    await network.stop_peer("one")
    (folder / "huge.img").unlink()
    peer = await network.peer("one")
    await until(lambda: peer.app.scanning.compared.is_set(), "looked at again")
    assert len(peer.node.files().files) == 2
