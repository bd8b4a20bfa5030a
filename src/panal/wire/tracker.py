"""A tracker's messages about its members, to domain values and back; checked here.

Reading raises UsageError (a wrong length, a name against the rules), so neither the tracker
nor a peer sees an unchecked value.
"""

from panal.errors import UsageError
from panal.wire import protobuf_loading  # noqa: F401  # before what loads protobuf
from panal.wire import tracker_pb2 as pb
from panal.wire.address import parse_address
from panal.wire.catalogue import (
    DIGEST_BYTES,
    Caller,
    News,
    PeerInfo,
    Registration,
    Renewal,
    Watched,
    Welcome,
)
from panal.wire.ids import CONTENT_ID_BYTES, ContentId, parse_peer_name, parse_zone
from panal.wire.membership import Revocations, revocations_of
from panal.wire.names import sentence

MAX_BOUND = 8
MAX_WATCHED = 100
"""Names, contents and digests that one who watches may wait for, in all."""
MAX_WATCHED_CHARACTERS = 4_096
SECRET_BYTES = 32
ERROR_METADATA = "panal-error"
"""The trailing metadata that carries a refused call's error slug."""
_LONG_AGO_S = 1e10


def caller_from(message: pb.Caller) -> Caller:
    """Who calls."""
    secret = message.secret
    if len(secret) != SECRET_BYTES:
        raise UsageError(f"An owner secret has {SECRET_BYTES} bytes.")
    return Caller(parse_peer_name(message.name), secret, message.epoch)


def caller_to(caller: Caller) -> pb.Caller:
    """Who calls, as a message."""
    return pb.Caller(name=caller.name, secret=caller.secret, epoch=caller.epoch)


def registration_from(message: pb.RegisterRequest) -> Registration:
    """What a joining peer says of itself."""
    port = port_from(message.http_port)
    if not 1 <= len(message.bound) <= MAX_BOUND:
        raise UsageError(f"A peer names 1 to {MAX_BOUND} addresses that it listens on.")
    bound = tuple(str(parse_address(literal)) for literal in message.bound)
    digest = digest_from(message.digest) if message.digest else b""
    zone = parse_zone(message.zone)
    return Registration(caller_from(message.caller), port, bound, digest, zone)


def registration_to(registration: Registration) -> pb.RegisterRequest:
    """What a joining peer says of itself, as a message."""
    return pb.RegisterRequest(
        caller=caller_to(registration.caller),
        http_port=registration.port,
        bound=registration.bound,
        digest=registration.digest,
        zone=registration.zone,
    )


def welcome_from(message: pb.RegisterResponse) -> Welcome:
    """The tracker's answer to a registration; its intervals kept within reason."""
    return Welcome(
        observed_host=str(parse_address(message.observed_host)),
        lease_s=_between(1.0, message.lease_s, 3_600.0),
        renew_s=_between(0.2, message.renew_s, 1_200.0),
        reachable=message.reachable,
        reachability=sentence(message.reachability),
        digest=digest_from(message.digest),
        revocations=revocations_from(message),
    )


def welcome_to(welcome: Welcome) -> pb.RegisterResponse:
    """The tracker's answer to a registration, as a message."""
    return pb.RegisterResponse(
        observed_host=welcome.observed_host,
        lease_s=welcome.lease_s,
        renew_s=welcome.renew_s,
        reachable=welcome.reachable,
        reachability=welcome.reachability,
        digest=welcome.digest,
        revocations=revocations_to(welcome.revocations),
    )


def renewal_from(message: pb.RenewResponse) -> Renewal:
    """The tracker's answer to a renewal."""
    return Renewal(
        message.in_step,
        message.reachable,
        sentence(message.reachability),
        revocations_from(message),
    )


def renewal_to(renewal: Renewal) -> pb.RenewResponse:
    """The tracker's answer to a renewal, as a message."""
    return pb.RenewResponse(
        in_step=renewal.in_step,
        reachable=renewal.reachable,
        reachability=renewal.reachability,
        revocations=revocations_to(renewal.revocations),
    )


def revocations_from(message: pb.RegisterResponse | pb.RenewResponse) -> Revocations | None:
    """What a tracker says of revoked certificates; None where it says nothing."""
    if not message.HasField("revocations"):
        return None
    return revocations_of(message.revocations.version, message.revocations.serials)


def revocations_to(revocations: Revocations | None) -> pb.Revocations | None:
    """The revoked certificates, as a message."""
    if revocations is None:
        return None
    return pb.Revocations(version=revocations.version, serials=sorted(revocations.serials))


def watched_from(message: pb.WatchRequest) -> Watched:
    """What news is wanted of."""
    wanted = Watched(
        message.peers,
        tuple(message.names),
        tuple(map(ContentId, message.contents)),
        tuple(message.sha256s),
    )
    if len(wanted.names) + len(wanted.contents) + len(wanted.sha256s) > MAX_WATCHED:
        raise UsageError(f"One watches for {MAX_WATCHED} things at most.")
    if any(len(name) > MAX_WATCHED_CHARACTERS for name in wanted.names):
        raise UsageError(f"A name to watch for has {MAX_WATCHED_CHARACTERS} characters at most.")
    if any(len(hash_) != CONTENT_ID_BYTES for hash_ in (*wanted.contents, *wanted.sha256s)):
        raise UsageError(f"An id, or a SHA-256, has {CONTENT_ID_BYTES} bytes.")
    return wanted


def watched_to(wanted: Watched) -> pb.WatchRequest:
    """What news is wanted of, as a message."""
    return pb.WatchRequest(
        peers=wanted.peers, names=wanted.names, contents=wanted.contents, sha256s=wanted.sha256s
    )


def news_from(message: pb.WatchResponse) -> News:
    """What a tracker tells of."""
    joined, left = map(parse_peer_name, message.joined), map(parse_peer_name, message.left)
    return News(tuple(joined), tuple(left), message.came, message.missed)


def news_to(news: News) -> pb.WatchResponse:
    """What a tracker tells of, as a message."""
    return pb.WatchResponse(joined=news.joined, left=news.left, came=news.came, missed=news.missed)


def digest_from(raw: bytes) -> bytes:
    """A catalogue's digest."""
    if len(raw) != DIGEST_BYTES:
        raise UsageError(f"A digest has {DIGEST_BYTES} bytes.")
    return raw


def peer_info_from(message: pb.PeerInfo) -> PeerInfo:
    """One live peer; its host is empty where the asker cannot call it."""
    return PeerInfo(
        name=parse_peer_name(message.name),
        host=str(parse_address(message.host)) if message.host else "",
        port=port_from(message.port),
        reachable=message.reachable,
        entries=message.entries,
        joined_s_ago=_between(0.0, message.joined_s_ago, _LONG_AGO_S),
        renewed_s_ago=_between(0.0, message.renewed_s_ago, _LONG_AGO_S),
    )


def peer_info_to(info: PeerInfo) -> pb.PeerInfo:
    """One live peer, as a message."""
    return pb.PeerInfo(
        name=info.name,
        host=info.host,
        port=info.port,
        reachable=info.reachable,
        entries=info.entries,
        joined_s_ago=info.joined_s_ago,
        renewed_s_ago=info.renewed_s_ago,
    )


def _between(low: float, number: float, high: float) -> float:
    # In this order NaN, which is neither more nor less than anything, gives `low`.
    return min(max(low, number), high)


def port_from(number: int) -> int:
    """A port that can be called."""
    if not 1 <= number <= 65_535:
        raise UsageError(f"{number} is no port.")
    return number
