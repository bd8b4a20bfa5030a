"""The names that Python programs use: light to import, the same with and without async."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import panal
from panal import asking, python, sync
from panal.errors import NotFound, UsageError

TWINS = [(sync.Peer, python.Peer), (sync.Tracker, asking.Tracker),
         (sync.TrackerServer, python.TrackerServer)]  # fmt: skip


def public(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


def test_the_exported_names() -> None:
    assert panal.__all__ == [
        "PanalError", "Peer", "Tracker", "TrackerServer", "__version__", "sync",
    ]  # fmt: skip
    assert sync.__all__ == ["Peer", "Tracker", "TrackerServer"]
    assert public(python.Peer) == {
        "begin", "cancel", "downloads", "ended", "files", "get", "pause", "peers", "resume",
        "search", "settings", "change_settings", "status", "url", "verify", "share",
        "share_folder", "unfinished", "unshare", "why", "guest_link", "guest_links",
        "revoke_guest_link", "log",
    }  # fmt: skip
    for name in panal.__all__:
        assert getattr(panal, name)
    with pytest.raises(AttributeError):
        _ = panal.nonsense


@pytest.mark.parametrize(("twin", "original"), TWINS)
def test_twins_have_the_same_methods_and_parameters(twin: type, original: type) -> None:
    assert public(twin) == public(original)
    assert inspect.signature(twin) == inspect.signature(original)
    for name in public(twin):
        assert getattr(twin, name).__doc__ == getattr(original, name).__doc__


def test_importing_is_light() -> None:
    code = (
        "import sys, panal; panal.__version__\n"
        "print([m for m in ('grpc', 'aiohttp', 'asyncio', 'msgspec', 'click') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_without_async(tmp_path: Path) -> None:
    with (
        sync.TrackerServer("127.0.0.1:0") as tracker,
        sync.Peer("one", tmp_path / "one", trackers=[tracker.address()], guest_port=0) as one,
        sync.Peer("two", tmp_path / "two", trackers=[tracker.address()]) as two,
        sync.Tracker([tracker.address()]) as asked,
    ):
        (tmp_path / "one" / "note.txt").write_text("hello")
        got = two.get("note.txt", wait=True)
        assert (got.state, got.size) == ("done", 5)
        assert (tmp_path / "two" / "note.txt").read_text() == "hello"
        assert [file.path for file in two.files()] == ["note.txt"]
        assert [peer.name for peer in asked.peers()] == ["one", "two"]
        assert one.verify().files == 1
        assert one.change_settings(upload_limit_bytes_s=5_000).upload_limit_bytes_s == 5_000
        assert one.settings().active_downloads == 4
        with pytest.raises(UsageError):
            one.change_settings(upload_limit_bytes_s=-1)
        with pytest.raises(NotFound):
            two.get("nothing")
        assert [download.state for download in two.downloads()] == ["done", "failed"]
        assert two.why(got.id).why.startswith("It is done")
        two.cancel(got.id)
        link = one.guest_link("note.txt")
        assert "/guest/" in (link.url or "")
        one.revoke_guest_link(one.guest_links().links[0].id)
        assert [event.link for event in one.log().events][-2:] == [link.id, link.id]
        assert two.url().startswith("http://127.0.0.1:")


@pytest.mark.parametrize("readme", ["README.md", "README.es.md"])
def test_the_example_in_the_readme(
    readme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).parents[1] / readme).read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "holiday.mp4").write_bytes(b"film")
    with sync.TrackerServer("127.0.0.1:0") as tracker:
        address = tracker.address()
        with sync.Peer("theirs", tmp_path / "theirs", trackers=[address]):
            exec(example.replace("127.0.0.1:50051", address), {})
    assert (tmp_path / "shared-files" / "holiday.mp4").read_bytes() == b"film"
    assert "holiday.mp4 ['theirs']" in capsys.readouterr().out


async def test_a_taken_name_is_refused_at_the_door(tmp_path: Path) -> None:
    async with panal.TrackerServer("127.0.0.1:0") as tracker:
        trackers = [await tracker.address()]
        async with panal.Peer("one", tmp_path / "one", trackers=trackers):
            with pytest.raises(panal.PanalError, match="belongs to"):
                await panal.Peer("one", tmp_path / "two", trackers=trackers).__aenter__()
    with pytest.raises(panal.PanalError, match="not running"):
        await panal.Peer("one", tmp_path / "one").status()
