"""Every error that Panal shows to somebody: whose fault it is, and what to do next.

::

    PanalError                exit 1   HTTP 500  gRPC INTERNAL
    ├── PortTaken                 1
    ├── StateInUse                1
    ├── Busy                      1        503       RESOURCE_EXHAUSTED
    ├── InUse                     1        423       FAILED_PRECONDITION
    ├── TooSlow                   1        408       DEADLINE_EXCEEDED
    ├── UsageError                2        400       INVALID_ARGUMENT
    │   ├── UnsafeName            2        400
    │   ├── AmbiguousName         2        409
    │   ├── OffsetDiffers         2        409       FAILED_PRECONDITION
    │   └── TooLarge              2        413       RESOURCE_EXHAUSTED
    ├── NotFound                  3        404       NOT_FOUND
    │   ├── ContentChanged        3        410
    │   └── RootOffline           3        404
    ├── Unreachable               4        503       UNAVAILABLE
    │   ├── NotHereYet            4        503
    │   └── StoreUnavailable      4        503       UNAVAILABLE
    ├── IntegrityError            5        502       DATA_LOSS
    ├── NoSpace                   6        507       RESOURCE_EXHAUSTED
    └── Refused                   7        403       PERMISSION_DENIED
        ├── NameTaken             7        409       ALREADY_EXISTS
        ├── TargetTaken           7        409       ALREADY_EXISTS
        ├── Superseded            7        409       FAILED_PRECONDITION
        ├── NotRegistered         7        409       FAILED_PRECONDITION
        ├── NotExposed            7
        ├── NotAMember            7        403       UNAUTHENTICATED
        │   └── Removed           7        403       UNAUTHENTICATED
        ├── JoinRefused           7        403       PERMISSION_DENIED
        ├── WrongIdentity         7        502       PERMISSION_DENIED
        └── WrongHost             7        421

The text of an error is one sentence for a person. gRPC codes stand here by name, so that
this floor imports nothing.
"""

from typing import ClassVar

FREE_SOME_SPACE = "Free some space and try again."
"""What a full disk asks of who has not been told that it is waited for."""


class PanalError(Exception):
    """Something failed, and it is nobody's wrong input."""

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    grpc_code: ClassVar[str] = "INTERNAL"
    slug: ClassVar[str] = "failed"
    may_pass: bool = False
    """A disk that fails or is away is the cause: asked again later, the same may succeed."""

    @classmethod
    def title(cls) -> str:
        """What kind of error it is, in words."""
        return (cls.__doc__ or "").partition("\n")[0]


class PortTaken(PanalError):
    """Another program listens on the port."""

    slug = "port-taken"


class StateInUse(PanalError):
    """Another process holds the state directory."""

    slug = "state-in-use"


class Busy(PanalError):
    """As many do that already as may at once."""

    http_status = 503
    grpc_code = "RESOURCE_EXHAUSTED"
    slug = "busy"


class TooSlow(PanalError):
    """A request came in more slowly than the least rate."""

    http_status = 408
    grpc_code = "DEADLINE_EXCEEDED"
    slug = "too-slow"


class UsageError(PanalError):
    """What was asked makes no sense; asking the same again will fail again."""

    exit_code = 2
    http_status = 400
    grpc_code = "INVALID_ARGUMENT"
    slug = "bad-request"


class UnsafeName(UsageError):
    """A file name that may not be taken from others or given to them."""

    slug = "unsafe-name"


class AmbiguousName(UsageError):
    """A name that means several contents."""

    http_status = 409
    slug = "ambiguous-name"


class TooLarge(UsageError):
    """A body, message or file over its stated limit."""

    http_status = 413
    grpc_code = "RESOURCE_EXHAUSTED"
    slug = "too-large"


class NotFound(PanalError):
    """Nobody here has what was asked for."""

    exit_code = 3
    http_status = 404
    grpc_code = "NOT_FOUND"
    slug = "not-found"


class ContentChanged(NotFound):
    """A shared file is no longer what it was when it was shared."""

    http_status = 410
    slug = "content-changed"


class RootOffline(NotFound):
    """The folder or disk that a shared file lies on is not there now; it may come back."""

    slug = "root-offline"
    may_pass = True


class Unreachable(PanalError):
    """The tracker or a peer does not answer."""

    exit_code = 4
    http_status = 503
    grpc_code = "UNAVAILABLE"
    slug = "unreachable"


class NotHereYet(Unreachable):
    """This peer is still fetching those bytes."""

    slug = "not-here-yet"


class StoreUnavailable(Unreachable):
    """The tracker's database is away; another tracker, or the same later, may answer."""

    slug = "store-unavailable"


class IntegrityError(PanalError):
    """Bytes that are not what their id says."""

    exit_code = 5
    http_status = 502
    grpc_code = "DATA_LOSS"
    slug = "integrity"


class NoSpace(PanalError):
    """The disk, the quota or the file-size limit is reached.

    `place` is the directory that has no room, where that is known, and `wanted_bytes` what
    is still to be allocated there.
    """

    def __init__(self, text: str, place: str = "", wanted_bytes: int = 0) -> None:
        super().__init__(text)
        self.place = place
        self.wanted_bytes = wanted_bytes

    @property
    def cause(self) -> str:
        """What is full, in words, without what to do."""
        return str(self).removesuffix(FREE_SOME_SPACE).rstrip()

    exit_code = 6
    http_status = 507
    grpc_code = "RESOURCE_EXHAUSTED"
    slug = "no-space"


class Refused(PanalError):
    """Understood, possible, and not allowed."""

    exit_code = 7
    http_status = 403
    grpc_code = "PERMISSION_DENIED"
    slug = "refused"


class NameTaken(Refused):
    """A live peer with another secret has this name."""

    http_status = 409
    grpc_code = "ALREADY_EXISTS"
    slug = "name-taken"


class TargetTaken(Refused):
    """Another content stands under the wanted name; it is left as it is."""

    http_status = 409
    grpc_code = "ALREADY_EXISTS"
    slug = "target-taken"


class OffsetDiffers(UsageError):
    """An upload does not go on where it was said to."""

    http_status = 409
    grpc_code = "FAILED_PRECONDITION"
    slug = "offset-differs"


class InUse(PanalError):
    """Another request works on the same at the moment."""

    http_status = 423
    grpc_code = "FAILED_PRECONDITION"
    slug = "in-use"


class Superseded(Refused):
    """A later start of the same peer has taken over; this one must stop."""

    http_status = 409
    grpc_code = "FAILED_PRECONDITION"
    slug = "superseded"


class NotRegistered(Refused):
    """The tracker does not know this peer (any more); registering again mends it."""

    http_status = 409
    grpc_code = "FAILED_PRECONDITION"
    slug = "not-registered"


class NotExposed(Refused):
    """Listening beyond loopback was asked for without a decision who may come in."""

    slug = "not-exposed"


class NotAMember(Refused):
    """Only members of the network may do that, and this is none."""

    grpc_code = "UNAUTHENTICATED"
    slug = "not-a-member"


class Removed(NotAMember):
    """This member was removed from the network."""

    slug = "removed"


class JoinRefused(Refused):
    """A join line that lets nobody in: unknown, used up, expired or revoked."""

    slug = "join-refused"


class WrongIdentity(Refused):
    """Whoever answers there cannot prove to be who was called."""

    http_status = 502
    slug = "wrong-identity"


class WrongHost(Refused):
    """A Host header that a rebinding web page could have made."""

    http_status = 421
    slug = "wrong-host"


def by_slug(slug: str, text: str) -> PanalError:
    """The error that another Panal program named by its slug; PanalError if unknown."""
    pending: list[type[PanalError]] = [PanalError]
    while pending:
        kind = pending.pop()
        if kind.slug == slug:
            return kind(text)
        pending.extend(kind.__subclasses__())
    return PanalError(text)
