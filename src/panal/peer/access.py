"""The one place where HTTP routes are registered, each with who may call it.

Host is checked first and on every bind: a web page can only reach a peer under a DNS name
that it rebinds, so requests name an IP literal, `localhost` or a configured name. Whoever
changes state or reads the API must not be another site's page: Origin is absent or ours,
Sec-Fetch-Site says same-origin or none.
"""

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from panal.errors import PanalError, Refused, UsageError, WrongHost
from panal.peer.local_user import is_ours_or_roots
from panal.wire.address import is_loopback

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PROTOCOL_HEADER = {"Panal-Protocol": "1"}
NDJSON = "application/x-ndjson"
_HOST = re.compile(r"(\[[^\[\]]*\]|[^\[\]:]*)(?::[0-9]*)?")
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")


class Role(Enum):
    """Who may call a route."""

    PUBLIC = "public"
    """Probes and the tracker's dial-back: nothing is told, nothing changed."""
    MEMBER = "member"
    """Whoever may fetch: everybody on an open network, and the owner."""
    OWNER = "owner"
    """Whoever this peer belongs to."""


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path."""

    method: str
    path: str
    role: Role
    handler: Handler
    takes: type | None = None
    """The struct that the request's JSON is; for the documents."""
    gives: type | None = None
    """The struct that a good answer's JSON is; for the documents."""
    streams: type | None = None
    """The struct of each line, where lines are asked for; for the documents."""
    query: str = ""
    """What may stand behind the question mark; for the documents."""


def application(routes: Iterable[Route], allowed_hosts: frozenset[str]) -> web.Application:
    """The application of all routes; nothing else is served."""
    table = list(routes)
    app = web.Application(middlewares=[_guard(allowed_hosts), _whole_or_cut_off])
    for route in table:
        handler = _with_role(route)
        app.router.add_route(route.method, route.path, handler)
    return app


def _with_role(route: Route) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        if route.role is not Role.PUBLIC:
            _check_not_a_foreign_page(request.headers, request.host)
        if route.role is Role.OWNER:
            _check_owner(request)
        return await route.handler(request)

    return handle


def _guard(allowed_hosts: frozenset[str]) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            check_host(request.headers.getall(hdrs.HOST, []), allowed_hosts)
            return await handler(request)
        except PanalError as error:
            return problem(error.http_status, error.slug, str(error))
        except web.HTTPException as error:
            if error.status < 400:
                raise
            text = {404: "There is nothing under that address.", 405: "Not with that method."}
            answer = problem(error.status, "http", text.get(error.status, error.reason))
            if hdrs.ALLOW in error.headers:
                answer.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
            return answer
        except Exception:
            log.exception("A request failed.")
            return problem(500, "failed", "This peer failed; its log says why.")

    return guard


@web.middleware
async def _whole_or_cut_off(request: web.Request, handler: Handler) -> web.StreamResponse:
    """An answer that breaks off ends its connection: what followed would count as its rest."""
    try:
        return await handler(request)
    except Exception as error:
        is_gone = isinstance(error, ConnectionError)
        if request.writer.output_size == 0 and not is_gone:
            raise
        if not isinstance(error, PanalError) and not is_gone:
            log.exception("A request failed after its answer had begun.")
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=499)  # reaches nobody


def problem(status: int, slug: str, text: str) -> web.Response:
    """An error as RFC 9457 says; the type is stable, the text is for people."""
    body = {"type": f"urn:panal:error:{slug}", "status": status, "detail": text}
    return web.Response(
        body=msgspec.json.encode(body),
        status=status,
        content_type="application/problem+json",
        headers=PROTOCOL_HEADER,
    )


def json_answer(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON answer of the API."""
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        content_type="application/json",
        headers={**PROTOCOL_HEADER, "Cache-Control": "no-store", **(headers or {})},
    )


async def ndjson_answer(
    request: web.Request, values: AsyncIterator[msgspec.Struct]
) -> web.StreamResponse:
    """A JSON document a line, as they come; a failure before the first has its own status."""
    answer: web.StreamResponse | None = None
    async for value in values:
        if answer is None:
            answer = web.StreamResponse(headers={**PROTOCOL_HEADER, "Cache-Control": "no-store"})
            answer.content_type = NDJSON
            await answer.prepare(request)
        await answer.write(msgspec.json.encode(value) + b"\n")
    return answer or web.Response(status=204)


def check_host(values: list[str], allowed_hosts: frozenset[str]) -> None:
    """WrongHost unless the one Host is a literal, `localhost` or an allowed name."""
    if len(values) != 1:
        raise UsageError("A request has exactly one Host.")
    if not is_host_allowed(values[0], allowed_hosts):
        raise WrongHost(
            "This peer answers under its IP address and as localhost, not under other names."
        )


@lru_cache(maxsize=256)
def is_host_allowed(value: str, allowed_hosts: frozenset[str]) -> bool:
    """Whether a Host is a literal, `localhost` or an allowed name.

    On an open network that is all that a member's request has to show which has none of the
    fields that browsers send.
    """
    matched = _HOST.fullmatch(value)
    host = "" if matched is None else matched[1].lower()
    if host == "localhost" or host in {allowed.lower() for allowed in allowed_hosts}:
        return True
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _check_not_a_foreign_page(headers: Mapping[str, str], host: str) -> None:
    origin = headers.get("Origin")
    if origin is not None and origin not in {f"http://{host}", f"https://{host}"}:
        raise Refused("Other sites' pages may not use this peer.")
    if not _is_own_site(headers) and headers.get("Sec-Fetch-Dest") != "document":
        raise Refused("Other sites' pages may not use this peer.")


def _is_own_site(headers: Mapping[str, str]) -> bool:
    return headers.get("Sec-Fetch-Site", "none") in {"none", "same-origin"}


def _check_owner(request: web.Request) -> None:
    if not _is_own_site(request.headers):
        raise Refused("Other sites' pages may not use this peer.")
    if any(name in request.headers for name in _FORWARDED):
        raise Refused("A forwarded request is not the owner's.")
    transport = request.transport
    peer = None if transport is None else transport.get_extra_info("peername")
    if transport is None or not peer or not is_loopback(peer[0]):
        raise Refused("Only this peer's owner may do that, on the machine it runs on.")
    if not is_ours_or_roots(peer[:2], transport.get_extra_info("sockname")[:2]):
        raise Refused("Only this peer's owner may do that, and you are another user.")
