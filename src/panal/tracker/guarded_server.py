"""A gRPC server to which no service is added without the guard around each of its calls."""

from collections.abc import Iterable
from typing import Any, TypeAlias

import grpc
import grpc.aio

from panal.tracker.calls import CallGuard

# Only the stubs know this class as generic; hence the quotes.
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"


class GuardedServer:
    """Takes a server's place where services are added to it, so that none is without the guard."""

    def __init__(self, server: grpc.aio.Server, guard: CallGuard) -> None:
        self._server = server
        self._guard = guard

    def add_generic_rpc_handlers(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """As the server's own."""
        guarded = tuple(_GuardedHandlers(one, self._guard) for one in handlers)
        self._server.add_generic_rpc_handlers(guarded)

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        """Nothing, as the server's own: they are among the others."""


class _GuardedHandlers(grpc.GenericRpcHandler):
    def __init__(self, handlers: grpc.GenericRpcHandler, guard: CallGuard) -> None:
        self._handlers = handlers
        self._guard = guard
        self._guarded: dict[str, _Handler] = {}
        """Of the calls that there are; strangers' inventions are not kept."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> _Handler:
        """The handler of a call; None where there is none."""
        path = handler_call_details.method
        if (known := self._guarded.get(path)) is None:
            handler = self._handlers.service(handler_call_details)
            if handler is None:
                return None
            known = self._guarded[path] = self._guard.around(path, handler)
        return known
