"""The owner's token and the sessions that links begin."""

import stat
from pathlib import Path

import pytest

from panal.errors import PanalError, Refused
from panal.peer.owner_token import (
    LINK_S,
    MOST_LINKS,
    MOST_SESSIONS,
    SESSION_S,
    TOKEN_FILE,
    OwnerCredentials,
    owner_token,
)
from panal.peer.roles import Token
from tests.support.clock import VirtualClock
from tests.support.modeless import without_modes

HOST = "127.0.0.1:5000"
PLACE = "user 1000"


def shown(
    credentials: OwnerCredentials, session: str, host: str = HOST, place: str = PLACE
) -> Token:
    cookie = f"other=1; {credentials.cookie_name(HOST)}={session}; more=2"
    return credentials.look({"Cookie": cookie, "Host": host}, place)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def credentials(clock: VirtualClock) -> OwnerCredentials:
    return OwnerCredentials("right", clock)


def test_the_token_is_its_users_alone_and_stays(tmp_path: Path) -> None:
    state, other = tmp_path / "state", tmp_path / "other"
    state.mkdir()
    other.mkdir()
    token = owner_token(state)
    file = state / TOKEN_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(token) >= 43  # 256 bits in base64
    assert owner_token(state) == token
    assert owner_token(other) != token


def test_a_token_that_others_could_read_is_made_anew(tmp_path: Path) -> None:
    token = owner_token(tmp_path)
    for mode in (0o640, 0o604, 0o660):
        (tmp_path / TOKEN_FILE).chmod(mode)
        fresh = owner_token(tmp_path)
        assert fresh != token
        assert stat.S_IMODE((tmp_path / TOKEN_FILE).stat().st_mode) == 0o600
        token = fresh


def test_on_a_disk_that_keeps_no_modes_it_stays_and_its_user_is_warned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each start would make another one, which others could read as well."""
    token = owner_token(tmp_path)
    assert caplog.messages == []
    without_modes(monkeypatch)
    assert owner_token(tmp_path) == token
    (said,) = caplog.messages
    assert "keeps no modes" in said
    assert "umask=077" in said


def test_an_empty_or_planted_token_is_not_taken(tmp_path: Path) -> None:
    file = tmp_path / TOKEN_FILE
    file.touch(0o600)
    assert len(owner_token(tmp_path)) >= 43
    file.unlink()
    (tmp_path / "elsewhere").write_text("x" * 60)
    (tmp_path / "elsewhere").chmod(0o600)
    file.symlink_to(tmp_path / "elsewhere")
    assert owner_token(tmp_path) != "x" * 60
    assert not file.is_symlink()


def test_a_state_that_cannot_be_written_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(PanalError, match="keep a secret"):
        owner_token(tmp_path / "missing")


@pytest.mark.parametrize(
    ("given", "token"),
    [
        ("Bearer right", Token.RIGHT),
        ("bearer  right ", Token.RIGHT),
        ("Bearer Right", Token.WRONG),
        ("Bearer right right", Token.WRONG),
        ("Bearer ", Token.WRONG),
        ("Bearer", Token.WRONG),
        ("right", Token.WRONG),
        ("Basic right", Token.WRONG),
        ("Bearer \udcff", Token.WRONG),
        ("", Token.WRONG),
    ],
)
def test_what_a_request_shows(credentials: OwnerCredentials, given: str, token: Token) -> None:
    assert credentials.look({"Authorization": given}, PLACE) is token
    assert credentials.look({}, PLACE) is Token.NONE


def test_a_link_begins_one_session(credentials: OwnerCredentials) -> None:
    link = credentials.new_link()
    session = credentials.begin_session(link, PLACE)
    assert shown(credentials, session) is Token.RIGHT
    for other in (link, "", session, "x"):
        with pytest.raises(Refused):
            credentials.begin_session(other, PLACE)
    assert shown(credentials, link) is Token.NONE
    assert shown(credentials, "") is Token.NONE


def test_links_and_sessions_end(credentials: OwnerCredentials, clock: VirtualClock) -> None:
    late = credentials.new_link()
    session = credentials.begin_session(credentials.new_link(), PLACE)
    clock.advance(LINK_S)
    with pytest.raises(Refused):
        credentials.begin_session(late, PLACE)
    clock.advance(SESSION_S - LINK_S - 1)
    assert shown(credentials, session) is Token.RIGHT
    clock.advance(1)
    assert shown(credentials, session) is Token.NONE


def test_two_peers_of_a_host_have_cookies_of_their_own(credentials: OwnerCredentials) -> None:
    session = credentials.begin_session(credentials.new_link(), PLACE)
    assert shown(credentials, session, "127.0.0.1:5001") is Token.NONE
    assert credentials.cookie_name("[::1]") == "panal-80"


def test_a_session_counts_where_it_was_begun_alone(credentials: OwnerCredentials) -> None:
    session = credentials.begin_session(credentials.new_link(), PLACE)
    nobodys = credentials.begin_session(credentials.new_link(), "")
    for place in ("user 100", "user 10000", "user 0", "address 192.0.2.1", "this machine", ""):
        assert shown(credentials, session, place=place) is Token.NONE
        assert shown(credentials, nobodys, place=place) is Token.NONE
    assert shown(credentials, f"{nobodys} {PLACE}") is Token.NONE
    assert shown(credentials, session) is Token.RIGHT


def test_there_are_never_many(credentials: OwnerCredentials) -> None:
    links = [credentials.new_link() for _ in range(MOST_LINKS + 1)]
    with pytest.raises(Refused):
        credentials.begin_session(links[0], PLACE)
    credentials.begin_session(links[-1], PLACE)
    sessions = [
        credentials.begin_session(credentials.new_link(), PLACE) for _ in range(MOST_SESSIONS + 1)
    ]
    assert [shown(credentials, session) for session in (sessions[0], sessions[-1])] == [
        Token.NONE,
        Token.RIGHT,
    ]


def test_no_secret_is_kept_in_memory(credentials: OwnerCredentials) -> None:
    link = credentials.new_link()
    session = credentials.begin_session(credentials.new_link(), PLACE)
    kept = repr(vars(credentials))
    for secret in ("right", link, session):
        assert secret not in kept


def test_a_broken_cookie_shows_nothing(credentials: OwnerCredentials) -> None:
    for cookie in ("panal-5000", "=;=", '"', "panal-5000=\x00", "a" * 8_000):
        assert credentials.look({"Cookie": cookie, "Host": HOST}, PLACE) is Token.NONE
