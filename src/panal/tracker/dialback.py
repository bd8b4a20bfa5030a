"""The tracker calls a peer back, so that its owner learns in words whether others can.

It dials only the address that the peer's own call came from: a fixed path with a nonce, no
redirect, a few bytes read. The answer must be a proof made with the owner secret's hash, so
another program, or another peer, on that port is told apart.
"""

import asyncio
import hmac
import secrets
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import aiohttp

from panal.tracker.registry import Reach
from panal.trust.tls import identity_problem
from panal.wire.address import (
    authority,
    dialling_problem,
    host_for_asker,
    parse_address,
    place_of,
)
from panal.wire.certified_names import peer_host
from panal.wire.dialback import NONCE_BYTES, proof_of
from panal.wire.ids import PeerName

DIAL_TIMEOUT_S = 3.0
MAX_DIALS_AT_ONCE = 64
MAX_DIALS_PER_PLACE = 16
"""Of one address: many peers there that accept and say nothing keep the others' dials waiting
for no longer than their own."""
_PROOF_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class TrackerIdentity:
    """How the tracker of a network shows who it is, and knows who answers."""

    context: ssl.SSLContext
    pin: bytes


class Dialler(Protocol):
    """Whoever finds out whether a peer can be called."""

    async def dial(
        self,
        observed_host: str,
        port: int,
        bound: tuple[str, ...],
        secret_hash: bytes,
        name: PeerName,
    ) -> Reach:
        """Whether the peer answers there; never raises for what it finds."""
        ...


class Dialback:
    """A `Dialler` over HTTP; a context manager that holds the client."""

    def __init__(
        self, timeout_s: float = DIAL_TIMEOUT_S, identity: TrackerIdentity | None = None
    ) -> None:
        """`identity` in a network: peers show their certificates, and ask for the tracker's."""
        self._timeout_s = timeout_s
        self._identity = identity
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(MAX_DIALS_AT_ONCE)
        self._slots_of: dict[str, asyncio.Semaphore] = {}
        """Of each place that is dialled, or waits for it."""
        self._dials: Counter[str] = Counter()
        """How many those are."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s, connect=self._timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            # As peers ask each other: it is answered before any HTTP server is there.
            headers={"Accept-Encoding": "identity", "Panal-Protocol": "1"},
            skip_auto_headers=("Accept", "User-Agent"),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def dial(
        self,
        observed_host: str,
        port: int,
        bound: tuple[str, ...],
        secret_hash: bytes,
        name: PeerName,
    ) -> Reach:
        """Whether the peer answers there; never raises for what it finds."""
        problem = dialling_problem(observed_host, port)
        if problem is not None:
            return Reach(False, f"Others cannot be sent to this peer: {problem}.")
        if host_for_asker(observed_host, observed_host, bound, None) is None:
            return Reach(
                False,
                f"The tracker sees this peer at {observed_host}, where it does not listen "
                f"(it listens on {', '.join(bound)}). Start it with --host {observed_host}.",
            )
        where = authority(str(parse_address(observed_host)), port)
        try:
            # The time to answer runs from its turn on: who waits for others was not asked yet.
            async with self._turn(place_of(observed_host)):
                return await self._ask(where, port, secret_hash, name)
        except TimeoutError:
            return Reach(
                False,
                f"The tracker calls too many peers back to ask at {where} just now; it does so "
                "after a renewal.",
                was_asked=False,
            )

    @asynccontextmanager
    async def _turn(self, place: str) -> AsyncIterator[None]:
        """A slot of the place's and one of all; TimeoutError where others keep them."""
        slots = self._slots_of.setdefault(place, asyncio.Semaphore(MAX_DIALS_PER_PLACE))
        self._dials[place] += 1
        try:
            async with AsyncExitStack() as held:
                async with asyncio.timeout(self._timeout_s):
                    await held.enter_async_context(slots)
                    await held.enter_async_context(self._slots)
                yield
        finally:
            self._dials[place] -= 1
            if not self._dials[place]:
                del self._dials[place], self._slots_of[place]

    async def _ask(self, where: str, port: int, secret_hash: bytes, name: PeerName) -> Reach:
        if self._session is None:
            raise RuntimeError("dial() outside of the context manager")
        nonce = secrets.token_bytes(NONCE_BYTES)
        identity = self._identity
        scheme = "http" if identity is None else "https"
        url = f"{scheme}://{where}/dialback/{nonce.hex()}"
        try:
            async with self._session.get(
                url,
                allow_redirects=False,
                ssl=True if identity is None else identity.context,
                server_hostname=None if identity is None else peer_host(name, identity.pin),
            ) as response:
                answer = await _read_at_most(response, _PROOF_CHARACTERS + 1)
                proven = response.status == 200 and hmac.compare_digest(
                    answer.strip(), proof_of(nonce, secret_hash).encode("ascii")
                )
        except TimeoutError:
            return Reach(
                False,
                f"{where} did not answer within {self._timeout_s:g} s: a firewall? Let TCP "
                f"port {port} in on the peer's machine. It can fetch; others cannot fetch from it.",
            )
        except aiohttp.ClientConnectorError as error:
            wrong = identity_problem(error.os_error, f"Whoever answers at {where}")
            if wrong is not None:
                return Reach(False, str(wrong))
            return Reach(
                False,
                f"Nothing answers at {where}. Check that the peer runs, that it listens on "
                f"that address, and that nothing blocks TCP port {port}.",
            )
        except (aiohttp.ClientError, OSError, ValueError):
            proven = False
        if proven:
            return Reach(True, f"Others reach this peer at {where}.")
        return Reach(False, f"Another program answers at {where}. Give this peer another port.")


async def _read_at_most(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    read = bytearray()
    while len(read) <= limit_bytes:
        block = await response.content.read(limit_bytes + 1 - len(read))
        if not block:
            break
        read += block
    return bytes(read)
