import json
import os
import stat
from pathlib import Path

import pytest

from panal import audit
from panal.audit import FILE, FILE_BEFORE, AuditLog, Quota, read_last
from panal.errors import PanalError
from tests.support.clock import VirtualClock


def said(log: AuditLog) -> list[tuple[str, str, int]]:
    return [(one.event, one.host, one.left_out) for one in log.last(1_000)]


def test_a_line_is_one_json_object_of_this_user_alone(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, VirtualClock(wall_s=1_700_000_000.25))
    log.note("uploaded", host="127.0.0.1", what="a\nb\udcff\x1b")
    log.close()
    (line,) = (tmp_path / FILE).read_text().splitlines()
    assert json.loads(line) == {
        "at": "2023-11-14T22:13:20.250Z",
        "event": "uploaded",
        "host": "127.0.0.1",
        "what": "a\nb\\udcff\x1b",
    }
    assert "\x1b" not in line
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_a_place_has_ten_lines_a_minute_and_then_one_that_counts(tmp_path: Path) -> None:
    clock = VirtualClock()
    log = AuditLog(tmp_path, clock)
    for number in range(25):  # an IPv6 host has all of its /64
        log.note("refused", host=f"2001:db8::{number:x}", is_limited=True)
    log.note("refused", host="192.0.2.9", is_limited=True)
    log.note("uploaded", host="127.0.0.1")
    assert len(said(log)) == 12
    clock.advance(60)
    log.note("refused", host="2001:db8::1", is_limited=True)
    assert said(log)[12:] == [("refused", "2001:db8::/64", 15), ("refused", "2001:db8::1", 0)]
    log.close()


def test_many_addresses_do_not_push_out_what_was_there(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, VirtualClock())
    for number in range(5_000):
        log.note("refused", host=f"10.0.{number // 250}.{number % 250}", is_limited=True)
        if number % 500 == 0:
            log.last(1)
    log.close()
    events = read_last(tmp_path, 1_000)
    assert len(events) == 101
    assert (events[-1].host, events[-1].left_out) == ("", 4_900)


def test_what_is_remembered_of_strangers_is_bounded() -> None:
    quota = Quota()
    for number in range(10_000):
        quota.admits("refused", f"10.0.{number // 250}.{number % 250}", 0.0)
    assert len(quota._told) == 100
    assert quota.over(59.0) == []
    assert quota.over(60.0) == [("refused", "", 9_900)]
    assert quota.over(120.0) == []


def test_a_full_file_is_kept_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "FILE_BYTES", 1_000)
    log = AuditLog(tmp_path, VirtualClock())
    for number in range(100):
        log.note("uploaded", what=f"file {number}")
        log.last(1)
    log.close()
    for name in (FILE, FILE_BEFORE):
        assert 900 < (tmp_path / name).stat().st_size <= 1_000 or name == FILE
    assert [one.what for one in read_last(tmp_path, 3)] == ["file 97", "file 98", "file 99"]
    assert sorted(os.listdir(tmp_path)) == [FILE_BEFORE, FILE]


def test_a_disk_that_fails_costs_lines_which_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AuditLog(tmp_path, VirtualClock())
    write, is_full = os.write, True

    def some(descriptor: int, line: bytes) -> int:
        if is_full:
            raise OSError(28, "No space left on device")
        return write(descriptor, line)

    monkeypatch.setattr(os, "write", some)
    for _ in range(3):
        log.note("uploaded", what="lost")
    assert log.last(9) == []
    is_full = False
    log.note("uploaded", what="kept")
    assert [(one.event, one.what, one.left_out) for one in log.last(9)] == [
        ("lost", "", 3),
        ("uploaded", "kept", 0),
    ]
    log.close()


def test_a_hanging_disk_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "SETTLE_S", 0.01)
    os.mkfifo(tmp_path / "never")
    log = AuditLog(tmp_path, VirtualClock())
    monkeypatch.setattr(os, "write", lambda *_: os.open(tmp_path / "never", os.O_WRONLY))
    for number in range(2 * audit.WAITING_LINES):
        log.note("uploaded", what=str(number))
    assert log.last(9) == []
    log.close()
    # Let the thread go, now that nothing depends on it.
    os.close(os.open(tmp_path / "never", os.O_RDONLY | os.O_NONBLOCK))


@pytest.mark.parametrize("torn", [b'{"at":"2023', b'{"at":"2023\xff"}'])
def test_a_torn_line_costs_itself_alone(tmp_path: Path, torn: bytes) -> None:
    (tmp_path / FILE).write_bytes(torn)
    log = AuditLog(tmp_path, VirtualClock())
    log.note("joined", name="one")
    log.close()
    assert [one.name for one in read_last(tmp_path, 9)] == ["one"]
    assert (tmp_path / FILE).read_bytes().startswith(torn + b"\n{")


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("as it was")
    (tmp_path / FILE).symlink_to("precious")
    log = AuditLog(tmp_path, VirtualClock())
    log.note("joined", name="one")
    log.close()
    assert (tmp_path / "precious").read_text() == "as it was"
    with pytest.raises(PanalError, match="cannot be read"):
        read_last(tmp_path, 9)


def test_without_a_state_directory_nothing_is_noted() -> None:
    log = AuditLog(None, VirtualClock())
    log.note("joined", name="one")
    assert log.last(9) == []
    log.close()


def test_a_clock_beyond_the_calendar_stops_nothing(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, VirtualClock(wall_s=1e18))
    log.note("joined", name="one")
    assert log.last(9)[0].at == "1970-01-01T00:00:00.000Z"
    log.close()
