"""The one place where HTTP routes are registered, each with who may call it.

What is not registered here is not answered; who is not let in by a route's rule is refused
before its handler is called. Host is checked first, then pages, then the role.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from aiohttp import hdrs, web
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.typedefs import Middleware

from panal import request_ids
from panal.audit import AuditLog
from panal.clock import SystemClock
from panal.entrances import Entrances
from panal.errors import NotFound, PanalError, Refused, UsageError
from panal.failure_log import FailureLog
from panal.peer.browser_rules import check_host, check_page
from panal.peer.documented import Answer
from panal.peer.doorkeeper import Doorkeeper
from panal.peer.http_answers import SAFE_HEADERS, problem
from panal.peer.http_connection import note_owed
from panal.peer.roles import Role, may, refusal

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path."""

    method: str
    path: str
    role: Role
    handler: Handler
    unknown: str = ""
    """How the handler calls what is not there, where the path names something: whoever may
    not ask is told the same of everything."""
    where: type | None = None
    """The struct of the names in the path; this and all that follows is for the documents."""
    query: type | None = None
    """The struct of what may stand behind the question mark."""
    takes: Answer | None = None
    """What a request brings: a struct is JSON."""
    gives: Answer | tuple[Answer, ...] = ()
    """What a good answer is; several where the request's headers or path decide."""
    status: int | tuple[int, ...] = 200
    """What good answers have; several where the same can be new or not."""
    also: Mapping[int, Answer] = field(default_factory=dict)
    """Other answers by their status."""
    streams: type | None = None
    """The struct of each line, where lines are asked for."""
    fails: tuple[type[PanalError], ...] = ()
    """Errors of its own, beside those that any request can meet."""
    is_documented: bool = True


def application(
    routes: Iterable[Route], doorkeeper: Doorkeeper, audit: AuditLog
) -> web.Application:
    """The application of all routes; nothing else is served, and whom it refuses is noted."""
    entrances = Entrances()
    failures = FailureLog(SystemClock())
    guard = _guard(entrances, doorkeeper, audit, failures)
    app = web.Application(middlewares=[guard, _whole_or_cut_off(failures)])
    app.on_response_prepare.append(_make_safe)
    for route in routes:
        handler = _with_rule(route, doorkeeper, audit)
        added = app.router.add_route(route.method, _pattern(route.path), handler)
        entrances.register(_entrance(added), route.role)
    return app


def _entrance(route: web.AbstractRoute) -> str:
    """Its name; empty where a request found none."""
    return "" if route.resource is None else f"{route.method} {route.resource.canonical}"


def _pattern(path: str) -> str:
    """What the router looks for; its own patterns know no braces and no line breaks.

    A name may have the first, and is refused in words for the second.
    """
    path = re.sub(r"\{(\w+)\}", r"{\1:[^/]+}", path)
    return re.sub(r":(\.[+*])\}", r":(?s:\1)}", path)


async def _make_safe(_: web.Request, answer: web.StreamResponse) -> None:
    answer.headers.pop(hdrs.SERVER, None)  # aiohttp's own
    for name, value in SAFE_HEADERS.items():
        answer.headers.setdefault(name, value)
    if request_id := request_ids.current():
        answer.headers[request_ids.HEADER] = request_id


def _with_rule(route: Route, doorkeeper: Doorkeeper, audit: AuditLog) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        is_link = route.role is not Role.OWNER and request.method in {"GET", "HEAD"}
        check_page(request.headers, request.host, may_be_a_link=is_link)
        if route.role is not Role.PUBLIC:
            asker = doorkeeper.asker(request)
            if not may(doorkeeper.role_of(asker), route.role):
                words = refusal(asker, route.role)
                if route.unknown:
                    _note_refusal(request, words, audit)
                    raise NotFound(route.unknown)
                raise Refused(words)
            note_owed(request, is_owed=True)
        return await route.handler(request)

    return handle


def _guard(
    entrances: Entrances, doorkeeper: Doorkeeper, audit: AuditLog, failures: FailureLog
) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        note_owed(request, is_owed=False)
        given = request_ids.accepted(request.headers.get(request_ids.HEADER))
        request_ids.begin(given or request_ids.new_id())
        try:
            hosts = request.headers.getall(hdrs.HOST, [])
            check_host(hosts, doorkeeper.allowed_hosts)
            if request.host not in hosts:
                # In the absolute form the address names one too, which counts (RFC 9112, 3.2.2).
                named = request.host or ""
                check_host([f"[{named}]" if ":" in named else named], doorkeeper.allowed_hosts)
            if entrance := _entrance(request.match_info.route):
                entrances.role_of(entrance)  # Refused, where it came onto the router past us
            if _is_encoded(request):
                return problem(
                    415, UsageError.slug, "Send the bytes as they are, without Content-Encoding."
                )
            return await handler(request)
        except PanalError as error:
            if isinstance(error, Refused):
                _note_refusal(request, str(error), audit)
            return problem(error.http_status, error.slug, str(error))
        except web.HTTPException as error:
            if error.status < 400:
                raise
            text = {404: "There is nothing under that address.", 405: "Not with that method."}
            answer = problem(error.status, "http", text.get(error.status, error.reason))
            if hdrs.ALLOW in error.headers:
                answer.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
            return answer
        except (BadHttpMessage, web.RequestPayloadError):
            return problem(400, UsageError.slug, "The body is not what the headers say.")
        except Exception as error:
            failures.note("A request failed.", error)
            return problem(500, "failed", "This peer failed; its log says why.")

    return guard


def _is_encoded(request: web.Request) -> bool:
    """Whether a body is to be decoded: it may be none of that kind, or grow without end."""
    codings = request.headers.getall(hdrs.CONTENT_ENCODING, [])
    return any(coding.strip().lower() != "identity" for coding in codings)


def _note_refusal(request: web.Request, why: str, audit: AuditLog) -> None:
    # The route as it was registered: an address may hold a capability.
    resource = request.match_info.route.resource
    route = "" if resource is None else f"{request.method} {resource.canonical}"
    audit.note("refused", host=request.remote or "", what=route, why=why, is_limited=True)


def _whole_or_cut_off(failures: FailureLog) -> Middleware:
    @web.middleware
    async def whole_or_cut_off(request: web.Request, handler: Handler) -> web.StreamResponse:
        """An answer that breaks off ends its connection: what followed would count as its rest."""
        try:
            return await handler(request)
        except Exception as error:
            is_gone = isinstance(error, ConnectionError)
            if request.writer.output_size == 0 and not is_gone:
                raise
            if not isinstance(error, PanalError) and not is_gone:
                failures.note("A request failed after its answer had begun.", error)
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=499)  # reaches nobody

    return whole_or_cut_off
