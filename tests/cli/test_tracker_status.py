"""`panal tracker status`, as whoever searches and as the tracker's owner."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from panal import __version__
from panal.answers import TrackerStatusAnswer
from panal.cli import network as cli_network
from panal.cli import tracker_status
from panal.cli.schemas import schema_of
from panal.views.standing import tracker_status_answer
from panal.wire.tracker_status import TrackerDetails, TrackerStatus
from tests.cli.running import panal
from tests.support.network import Network


@pytest.fixture
async def network(tmp_path: Path) -> AsyncIterator[Network]:
    async with Network(tmp_path) as made:
        yield made


@pytest.fixture
async def members(tmp_path: Path) -> AsyncIterator[Network]:
    async with Network(tmp_path, has_members=True) as made:
        yield made


async def test_on_the_tracker_s_machine(network: Network) -> None:
    await network.peer("one", shares_folder=False)
    at = ("tracker", "status", "--tracker", network.tracker_address)
    while (got := (await panal(*at, "--json")).json())["peers"] == 0:
        pass  # what was counted counts for a second
    assert (got["tracker"], got["ready"], got["access"]) == (
        network.tracker_address,
        True,
        "loopback",
    )
    assert (got["peers"], got["peers_reachable"]) == (1, 1)
    assert got["details"]["version"] == __version__
    words = (await panal(*at)).out
    assert "ready  for this machine" in words
    assert "peers 1, 1 of them reachable" in words
    assert f"Panal {__version__}, up" in words


async def test_a_network_s_owner_by_its_state_directory(
    members: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state = members.place / "tracker"
    at = ("tracker", "status", "--tracker", members.tracker_address)
    got = (await panal(*at, "--state", str(state), "--json")).json()
    assert (got["access"], got["details"]["store"]) == ("network", "sqlite")
    monkeypatch.setattr("panal.cli.tracker_status.default_state", lambda: state)
    assert (await panal(*at, "--json")).json()["details"] is not None
    monkeypatch.setattr("panal.cli.tracker_status.default_state", lambda: tmp_path / "none")
    refused = await panal(*at)
    assert (refused.code, "--join" in refused.err) == (7, True)
    assert cli_network.default_state().name.startswith("tracker-")


async def test_a_tracker_that_is_not_there(network: Network) -> None:
    await network.stop_tracker()
    got = await panal("tracker", "status", "--tracker", network.tracker_address)
    assert got.code == 4


async def test_the_tracker_s_own_words_still_stand() -> None:
    for words in (("tracker", "--listen", "nowhere"), ("tracker", "--metrics", "nowhere")):
        assert (await panal(*words)).code == 2
    assert "status" in (await panal("tracker", "--help")).out


def test_what_could_not_be_counted_is_not_told_as_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    details = TrackerDetails("1", 35.0, "postgresql", 0.0, 3, 0, 0, 16, 7, 1, 0.5)
    away = TrackerStatus("Its database is away.", "loopback", 0, 0, 0, 0, 60.0, details)

    async def asked(*_: object) -> TrackerStatusAnswer:
        return tracker_status_answer(away, "a:1")

    monkeypatch.setattr(tracker_status, "_ask", asked)
    told = []
    for as_json in (True, False):
        with pytest.raises(SystemExit) as ending:
            tracker_status.show(["a:1"], None, None, as_json=as_json)
        assert ending.value.code == 1
        told.append(capsys.readouterr().out)
    document, said = json.loads(told[0]), told[1]
    assert document.keys() == {"tracker", "ready", "problem", "access", "lease_s", "details"}
    assert not {"store_answer_s", "search_lag_entries"} & document["details"].keys()
    assert document["details"]["calls"] == 16
    schema = schema_of([TrackerStatusAnswer])["$defs"]
    assert set(schema["TrackerStatusAnswer"]["required"]) == document.keys()
    assert set(schema["TrackerDetailsAnswer"]["required"]) == document["details"].keys()
    assert "a:1  NOT READY: Its database is away." in said
    assert "records postgresql, 3 questions waiting" in said
    assert "peers 0" not in said
    assert "counted" not in said
