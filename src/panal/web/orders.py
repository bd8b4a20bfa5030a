"""What its owner ordered is on the disk before that is answered: no power cut forgets it."""

import functools
import logging
from dataclasses import replace

from aiohttp import web

from panal.api import Node
from panal.errors import PanalError
from panal.peer.access import Route

log = logging.getLogger(__name__)


def kept(node: Node, route: Route) -> Route:
    """The route; what it changes is durable once it has answered."""
    if route.method == "GET":
        return route

    @functools.wraps(route.handler)
    async def handle(request: web.Request) -> web.StreamResponse:
        answer = await route.handler(request)
        try:
            await node.make_orders_durable()
        except PanalError as error:  # it is carried out all the same
            log.warning("%s A power cut may undo what was ordered just now.", error)
        return answer

    return replace(route, handler=handle)
