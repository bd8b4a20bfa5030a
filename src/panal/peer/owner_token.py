"""What proves the owner where the connection does not: a token in a file, or a page's session.

The token is 256 bits of chance in a file that only its user can read; in memory there is a
keyed hash of it. A page gets a session: a link that counts once is exchanged for a cookie that
no script can read and no other site can send. A browser shows a cookie to every port of its host
(RFC 6265, section 8.5), so also to what another user of the machine listens with there: a session
counts only from the place that began it.
"""

import hmac
import logging
import secrets
from collections.abc import Mapping
from pathlib import Path

from blake3 import blake3

from panal.clock import Clock
from panal.errors import Refused
from panal.peer.roles import Token
from panal.store.disk_errors import disk_error
from panal.trust.files import others_may_read, read_private, write_private

log = logging.getLogger(__name__)

TOKEN_FILE = "owner-token"  # noqa: S105 (a file name)
TOKEN_BYTES = 32
LINK_S = 120.0
"""How long a link that opens the page counts, if nobody has used it."""
SESSION_S = 12 * 3600.0
MOST_LINKS = 16
MOST_SESSIONS = 64
"""The oldest goes when one more is made."""
_PREFIX = "panal-owner-"
_SCHEME = "bearer "


def owner_token(state: Path) -> str:
    """The token of a state directory, made where there is none that only its user can read."""
    path = state / TOKEN_FILE
    token = read_private(path) or ""
    try:
        if len(token) < len(_PREFIX) + TOKEN_BYTES or not token.isascii():
            token = _PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
            write_private(path, token.encode("ascii") + b"\n")
        is_open = others_may_read(path)
    except OSError as error:
        raise disk_error(error, f"keep a secret in {state}") from None
    if is_open:  # though it was made for its owner alone
        log.warning(
            "%s is on a disk that keeps no modes, as FAT, exFAT and NTFS: other users of this "
            "machine can read it and act as this peer's owner. Mount it with umask=077, or start "
            "the peer with --state DIR on another disk.",
            state,
        )
    return token


class OwnerCredentials:
    """The token and the sessions of one running peer."""

    def __init__(self, token: str, clock: Clock) -> None:
        self._key = secrets.token_bytes(32)
        self._token = self._hash(token)
        self._clock = clock
        self._links: dict[bytes, float] = {}
        """Each one's hash, and until when it counts."""
        self._sessions: dict[bytes, float] = {}

    def look(self, headers: Mapping[str, str], place: str) -> Token:
        """What a request from a place shows; a session that is over, or of another, nothing."""
        given = headers.get("Authorization")
        if given is not None:
            is_right = given[: len(_SCHEME)].lower() == _SCHEME and hmac.compare_digest(
                self._hash(given[len(_SCHEME) :].strip()), self._token
            )
            return Token.RIGHT if is_right else Token.WRONG
        session = _cookie(headers.get("Cookie", ""), self.cookie_name(headers.get("Host", "")))
        if session and place and self._counts(self._sessions, _bound(session, place)):
            return Token.RIGHT
        return Token.NONE

    @staticmethod
    def cookie_name(host: str) -> str:
        """What the session's cookie is called: cookies are kept by host, whatever the port."""
        port = host.rpartition(":")[2]
        return f"panal-{port if port.isascii() and port.isdigit() else 80}"

    def new_link(self) -> str:
        """The secret of a link that opens the page once."""
        return self._keep(self._links, LINK_S, MOST_LINKS)

    def begin_session(self, link: str, place: str) -> str:
        """A session of a place, for a link's secret, which counts no more; Refused else."""
        if not self._counts(self._links, link):
            raise Refused(
                "This link was used already, or is too old: 'panal page' prints another one."
            )
        del self._links[self._hash(link)]
        return self._keep(self._sessions, SESSION_S, MOST_SESSIONS, place)

    def _keep(self, kept: dict[bytes, float], duration_s: float, most: int, place: str = "") -> str:
        now_s = self._clock.now_s()
        for old in [one for one, until_s in kept.items() if until_s <= now_s]:
            del kept[old]
        while len(kept) >= most:
            del kept[next(iter(kept))]
        made = secrets.token_urlsafe(TOKEN_BYTES)
        kept[self._hash(_bound(made, place))] = now_s + duration_s
        return made

    def _counts(self, kept: Mapping[bytes, float], secret: str) -> bool:
        # Found by its keyed hash: how long that takes says nothing of the secrets.
        return kept.get(self._hash(secret), 0.0) > self._clock.now_s()

    def _hash(self, secret: str) -> bytes:
        return blake3(secret.encode("utf-8", "surrogateescape"), key=self._key).digest()


def _bound(secret: str, place: str) -> str:
    return f"{secret} {place}" if place else secret


def _cookie(header: str, name: str) -> str:
    if not header:
        return ""
    from http.cookies import CookieError, SimpleCookie  # only browsers have any

    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return "" if found is None else found.value
