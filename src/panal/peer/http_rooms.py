"""What stands behind the HTTP door: a peer's own routes, and the servers that answer by routes.

Loaded when the door is opened: aiohttp's server, and all that is written for it.
"""

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aiohttp import web

from panal.audit import AuditLog
from panal.errors import PanalError
from panal.peer.access import Route, application
from panal.peer.bundle_routes import BundleRoutes
from panal.peer.connections import Connections
from panal.peer.content_answers import ContentAnswers
from panal.peer.content_routes import ContentRoutes
from panal.peer.doorkeeper import Doorkeeper
from panal.peer.file_routes import FileRoutes
from panal.peer.granting import Granting
from panal.peer.http_connection import http_connections
from panal.peer.http_door import Make
from panal.peer.limits import DRAIN_S
from panal.peer.never_sent import NeverSent
from panal.peer.sending import Sender
from panal.peer.upload_routes import UploadRoutes

if TYPE_CHECKING:
    from panal.peer.app import PeerApp


def content_routes(
    app: "PeerApp", sender: Sender, never_sent: NeverSent, granting: Granting, secret: bytes
) -> list[Route]:
    """By which bytes are fetched from this peer, and brought to it."""
    contents, lanes, chance = app.contents, app.lanes, app.chance
    answers = ContentAnswers(sender, lanes, never_sent)
    uploads = UploadRoutes(app.uploads, app.announcer, app.trackers[0], app.audit)
    return [
        *ContentRoutes(contents, answers, granting, secret, chance).routes(),
        *BundleRoutes(contents, sender, lanes).routes(),
        *uploads.routes(),
        *FileRoutes(app.index, contents, answers).routes(),
    ]


async def answering(
    routes: Sequence[Route],
    doorkeeper: Doorkeeper,
    audit: AuditLog,
    connections: Connections,
    cleanup: contextlib.AsyncExitStack,
    *,
    enters: bool = False,
) -> Make:
    """What answers by routes, on connections that somebody else takes, until `cleanup`.

    `enters` where nobody else has let them in before.
    """
    app = application(routes, doorkeeper, audit)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_S)
    await runner.setup()
    cleanup.push_async_callback(runner.cleanup)
    if runner.server is None:
        raise PanalError("The HTTP server did not start.")
    return http_connections(runner.server, connections, enters=enters)
