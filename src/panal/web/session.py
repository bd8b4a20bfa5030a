"""How a browser becomes the owner's: a link that counts once, exchanged for a cookie.

The link's secret stands behind `#`, which no browser sends and no log sees. The page that
takes it is of a few lines, with the one script that may run in it.
"""

from collections.abc import Sequence

from aiohttp import web

from panal.answers import PageLink
from panal.audit import AuditLog
from panal.peer.access import Route
from panal.peer.documented import PAGE, SCRIPT
from panal.peer.http_answers import PROTOCOL_HEADER, json_answer
from panal.peer.limits import HEAD_S, SESSION_BYTES
from panal.peer.owner_token import LINK_S, SESSION_S, OwnerCredentials
from panal.peer.roles import Role
from panal.peer.visitors import Visitor, visitor_at
from panal.web.bodies import SessionRequest, read_body

_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Panal</title>
<p id="words">One moment.</p><script src="/session.js"></script></html>
"""
_SCRIPT = """"use strict";
(async () => {
  const words = document.getElementById("words");
  const link = new URLSearchParams(location.hash.slice(1)).get("t") || "";
  history.replaceState(null, "", location.pathname);
  const answer = await fetch("/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ link }),
  });
  if (answer.ok) location.replace("/");
  else words.textContent = (await answer.json()).detail;
})();
"""


class SessionRoutes:
    """How a browser that is not plainly the owner's becomes it."""

    def __init__(self, credentials: OwnerCredentials, audit: AuditLog) -> None:
        self._credentials = credentials
        self._audit = audit

    def routes(self) -> Sequence[Route]:
        """The routes: the exchange is public, for what it is given proves who asks."""
        return [
            Route("POST", "/api/v1/page-link", Role.OWNER, self.link, gives=PageLink, status=201),
            Route("GET", "/session", Role.PUBLIC, self.page, gives=PAGE),
            Route("GET", "/session.js", Role.PUBLIC, self.script, gives=SCRIPT),
            Route("POST", "/session", Role.PUBLIC, self.begin, takes=SessionRequest, status=204),
        ]

    async def link(self, request: web.Request) -> web.Response:
        """A link that opens the page as its owner, once."""
        url = f"http://{request.host}/session#t={self._credentials.new_link()}"
        return json_answer(PageLink(url, int(LINK_S)), 201)

    async def page(self, request: web.Request) -> web.Response:
        """The page that takes such a link."""
        return _static(_PAGE, "text/html")

    async def script(self, request: web.Request) -> web.Response:
        """Its script."""
        return _static(_SCRIPT, "text/javascript")

    async def begin(self, request: web.Request) -> web.Response:
        """Exchange a link's secret for a session."""
        wanted = await read_body(request, SessionRequest, most_bytes=SESSION_BYTES, within_s=HEAD_S)
        visitor = Visitor() if request.transport is None else visitor_at(request.transport)
        answer = web.Response(status=204, headers=PROTOCOL_HEADER)
        answer.set_cookie(
            self._credentials.cookie_name(request.host),
            self._credentials.begin_session(wanted.link, visitor.place),
            max_age=int(SESSION_S),
            httponly=True,
            samesite="Strict",
            path="/",
        )
        self._audit.note("page-opened", host=request.remote or "")
        return answer


def _static(text: str, kind: str) -> web.Response:
    headers = {**PROTOCOL_HEADER, "Content-Security-Policy": _POLICY}
    return web.Response(text=text, content_type=kind, headers=headers)
