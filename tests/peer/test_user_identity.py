"""One identity a user and network for commands, and a name of its own for each get that runs."""

from pathlib import Path

import pytest

import panal
from panal.errors import JoinRefused, PanalError
from panal.peer.user_identity import hold_name, user_in
from tests.support.network import Network


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


async def uses_left(members: Network) -> int:
    assert members.tracker is not None
    assert members.tracker._network is not None
    (line,) = await members.tracker._network.network.lines()
    return line.uses_left


async def test_gets_take_names_of_one_user_and_use_the_line_once(tmp_path: Path) -> None:
    async with Network(tmp_path / "network", has_members=True) as members:
        trackers = [members.tracker_address]
        before = await uses_left(members)
        assert await user_in(trackers, None, 0) is None
        user = await user_in(trackers, members.join_line, 0)
        assert user is not None
        again = await user_in(trackers, None, 0)
        assert again is not None
        assert again.name == user.name
        first = await hold_name(user)
        second = await hold_name(user)
        assert first.membership.name == user.name
        assert second.membership.name != user.name
        first.release()
        third = await hold_name(user)
        assert third.membership.name == user.name
        third.release()
        second.release()
        other = await hold_name(user)
        assert other.folder == first.folder
        other.release()
        assert await uses_left(members) == before - 1


async def test_a_line_that_has_expired_is_not_even_tried(tmp_path: Path) -> None:
    async with Network(tmp_path / "network", has_members=True) as members:
        assert members.join_line is not None
        with pytest.raises(JoinRefused, match="expired"):
            await user_in([], members.join_line, members.join_line.until_s)


async def test_from_python(tmp_path: Path) -> None:
    state = tmp_path / "tracker"
    async with panal.TrackerServer("127.0.0.1:0", network=True, state=state) as tracker:
        at = [await tracker.address()]
        line = await tracker.join_line(uses=2)
        async with panal.Peer("a", tmp_path / "a", trackers=at, join=line) as peer:
            (tmp_path / "a" / "x").write_bytes(b"1")
            await peer.share(tmp_path / "a" / "x", copy=True)
            async with panal.Tracker(at, line) as asked:
                assert [one.name for one in await asked.peers()] == ["a"]
            async with panal.Tracker(at) as asked:
                assert [one.name for one in await asked.peers()] == ["a"]
    async with panal.TrackerServer("127.0.0.1:0") as plain:
        with pytest.raises(PanalError, match="no network"):
            await plain.join_line()
