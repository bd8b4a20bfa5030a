"""How a download reads while it runs."""

import io
import re

import pytest

from panal.answers import DownloadAnswer, SourceAnswer
from panal.cli.progress import ProgressLine, describe, time_words
from panal.wire.amounts import size_words
from tests.support.clock import VirtualClock


def answer(**changes: object) -> DownloadAnswer:
    made = DownloadAnswer(
        id="1", what="x", content=None, name="x\x1b[31m.bin", state="running",
        size=4096, priority=0, bytes_done=1024, bytes_resumed=0, rate_bytes_s=1024.0, eta_s=3.0,
        transfer_s=0.0, reason="", error=None, sources=[],
    )  # fmt: skip
    for key, value in changes.items():
        setattr(made, key, value)
    return made


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 1024**3, "5.0 GiB"),
     (3 * 1024**5, "3072.0 TiB")],
)  # fmt: skip
def test_sizes(size: int, words: str) -> None:
    assert size_words(size) == words


def test_times() -> None:
    assert [time_words(s) for s in (0, 61, 3_600)] == ["0:00", "1:01", "1:00:00"]


def test_the_line_names_its_sources_fastest_first() -> None:
    sources = [SourceAnswer(f"p{n}", 100.0 * n, 10, "sending") for n in range(7)]
    assert describe(answer(sources=sources)) == (
        "1.0 KiB/s  0:03 left  from p6 600 B/s, p5 500 B/s, p4 400 B/s, p3 300 B/s, 2 more"
    )


def test_who_has_as_good_as_stopped_is_not_named() -> None:
    sources = [SourceAnswer("one", 1024.0, 9, "sending"), SourceAnswer("two", 9.0, 9, "away")]
    assert describe(answer(sources=sources)) == "1.0 KiB/s  0:03 left  from one 1.0 KiB/s"


def test_a_source_that_sent_something_wrong_is_named_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for enabled in (True, False):
        with ProgressLine(VirtualClock(), enabled=enabled) as line:
            for state in ("sending", "banned", "banned"):
                line.show(answer(sources=[SourceAnswer("one", 0.0, 9, state)]))
        said = "one is not used any more: it sent something wrong, which was not kept.\n"
        assert capsys.readouterr().err == (said if enabled else "")


def test_on_a_terminal_neither_the_name_nor_the_reason_is_cut_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    reason = "needs 3.0 GiB more on /mnt/films/.panal/partial; 2.6 GiB are free. It goes on then."
    said = io.StringIO()
    monkeypatch.setattr(said, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", said)
    source = SourceAnswer("one", 0.0, 9, "banned")
    with ProgressLine(VirtualClock(), enabled=True) as line:
        line.show(answer(name="film.mkv", state="waiting", reason=reason, sources=[source]))
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.getvalue())
    assert {"film.mkv", *reason.split()} <= set(plain.split())
    assert "one is not used any more" in said.getvalue()


def test_the_line_says_why_nothing_moves() -> None:
    reason = "no provider of 3 chunks is online; last seen: peer_4, 12 min ago"
    assert describe(answer(reason=reason)) == reason


def test_what_is_whole_and_not_in_its_place_yet_is_no_rate_that_dies_away() -> None:
    assert describe(answer(bytes_done=4096)) == "all of it is here, and is being put in its place"
    assert describe(answer(size=0, bytes_done=0)).startswith("1.0 KiB/s")


def test_off_a_terminal_each_reason_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressLine(VirtualClock(), enabled=True) as line:
        for state, reason in [("running", ""), ("waiting", "a"), ("waiting", "a"),
                              ("running", ""), ("waiting", "a"), ("waiting", "b"),
                              ("paused", "")]:  # fmt: skip
            line.show(answer(state=state, reason=reason))
    assert capsys.readouterr().err == (
        "waiting: a\nwaiting: b\npaused; 'panal downloads resume 1' lets it go on\n"
    )
    with ProgressLine(VirtualClock(), enabled=False) as line:
        line.show(answer(state="waiting", reason="a"))
    assert capsys.readouterr().err == ""


def test_off_a_terminal_a_count_of_seconds_is_no_other_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = VirtualClock()
    with ProgressLine(clock, enabled=True) as line:
        for left_s in range(12, 0, -1):
            line.show(answer(state="waiting", reason=f"away: peer_4, next try in {left_s} s"))
            clock.advance(1.0)
    assert capsys.readouterr().err == (
        "waiting: away: peer_4, next try in 12 s\nwaiting: away: peer_4, next try in 2 s\n"
    )


def test_off_a_terminal_a_line_now_and_then_says_how_it_goes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sources = [SourceAnswer("one", 1024.0, 10, "sending")]
    for enabled in (True, False):
        clock = VirtualClock()
        with ProgressLine(clock, enabled=enabled) as line:
            for _ in range(100):
                clock.advance(0.25)
                line.show(answer(sources=sources))
        said = "25 %  1.0 KiB/s  0:03 left  from one 1.0 KiB/s\n"
        assert capsys.readouterr().err == (2 * said if enabled else "")
