"""Handshakes between members, and with everybody else: who is let in, and what is said.

Real sockets, and both ends' real contexts. Clocks do not count here: certificates are made to have
expired, or to count later.
"""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Container

import pytest

from panal.errors import WrongIdentity
from panal.trust.certificates import CERTIFICATE_S, DAY_S
from panal.trust.tls import authority_context, client_context, identity_problem, server_context
from panal.wire.certified_names import TRACKER_HOST, is_tracker, name_in, peer_host
from panal.wire.ids import PeerName
from tests.support.members import Identity, TestAuthority

NOW_S = time.time()  # the TLS library asks the system's clock itself


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority(tmp_path_factory.mktemp("network"), NOW_S)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return TestAuthority(tmp_path_factory.mktemp("other"), NOW_S)


def meet(
    server: ssl.SSLContext, client: ssl.SSLContext, host_name: str | None
) -> tuple[object, object]:
    """What each end got of it: the other's certificate, or what went wrong.

    TLS 1.3 lets a client finish before the server has seen its certificate: both say a word.
    """
    ours, theirs = socket.socketpair()
    found: list[object] = []

    def serve() -> None:
        try:
            with server.wrap_socket(theirs, server_side=True) as connection:
                connection.sendall(b"hello")
                found.append(connection.getpeercert())
        except OSError as error:
            found.append(error)
        finally:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=host_name) as connection:
            got: object = connection.getpeercert()
            if connection.recv(5) != b"hello":
                got = EOFError("nothing came")
    except OSError as error:
        got = error
    finally:
        ours.close()
        thread.join()
    return found[0], got


def between(
    server: Identity,
    client: Identity,
    called: str,
    authority: TestAuthority,
    revoked_by_server: Container[int] = (),
    revoked_by_client: Container[int] = (),
) -> tuple[object, object]:
    return meet(
        server_context(*server.files(), revoked_by_server),
        client_context(*client.files(), revoked_by_client),
        peer_host(PeerName(called), authority.authority.pin),
    )


def words(error: object) -> str:
    assert isinstance(error, ssl.SSLError), error
    problem = identity_problem(error, "b")
    assert isinstance(problem, WrongIdentity)
    return str(problem)


def test_two_members_know_each_other(authority: TestAuthority) -> None:
    a, b = authority.member("a"), authority.member("b")
    seen_by_b, seen_by_a = between(b, a, "b", authority)
    assert isinstance(seen_by_b, dict)
    assert isinstance(seen_by_a, dict)
    assert name_in(seen_by_b) == "a"
    assert name_in(seen_by_a) == "b"


def test_names_count_without_case(authority: TestAuthority) -> None:
    a, b = authority.member("a"), authority.member("Peer_B")
    assert isinstance(between(b, a, "peer_b", authority)[1], dict)


def test_another_member_is_not_whom_was_called(authority: TestAuthority) -> None:
    a, b = authority.member("a"), authority.member("b")
    _, seen_by_a = between(b, a, "c", authority)
    assert "somebody else" in words(seen_by_a)


def test_the_tracker_is_no_peer_and_calls_as_the_tracker(authority: TestAuthority) -> None:
    b, tracker = authority.member("b"), authority.tracker()
    _, seen_by_b = between(tracker, b, "b", authority)
    assert "somebody else" in words(seen_by_b)
    seen, _ = between(b, tracker, "b", authority)
    assert isinstance(seen, dict)
    assert is_tracker(seen)
    assert name_in(seen) is None


def test_of_another_network(authority: TestAuthority, other: TestAuthority) -> None:
    a, b = authority.member("a"), other.member("b")
    _, seen_by_a = between(b, a, "b", authority)
    assert "another network" in words(seen_by_a)
    # The same name, and a certificate that the server would take: only ours refuses.
    impostor = other.member("a")
    mixed = Identity(b.authority, impostor.certificate, impostor.key, impostor.issued)
    seen_by_b, _ = between(authority.member("b"), mixed, "b", other)
    assert isinstance(seen_by_b, ssl.SSLError)


def test_a_stranger_is_not_served_though_it_trusts_us(
    authority: TestAuthority, other: TestAuthority
) -> None:
    b, stranger = authority.member("b"), other.member("a")
    context = client_context(b.authority, stranger.certificate, stranger.key)
    seen_by_b, got = meet(
        server_context(*b.files()), context, peer_host(PeerName("b"), authority.authority.pin)
    )
    assert isinstance(seen_by_b, ssl.SSLError)
    assert not isinstance(got, dict)


def test_without_a_certificate_nobody_is_served(authority: TestAuthority) -> None:
    context = authority_context(authority.path.read_bytes())
    b = authority.member("b")
    seen_by_b, got = meet(
        server_context(*b.files()), context, peer_host(PeerName("b"), authority.authority.pin)
    )
    assert isinstance(seen_by_b, ssl.SSLError)
    assert not isinstance(got, dict)


def test_what_has_expired_does_not_count(authority: TestAuthority) -> None:
    a = authority.member("a")
    expired = authority.member("b", now_s=NOW_S - CERTIFICATE_S - DAY_S)
    assert "has expired" in words(between(expired, a, "b", authority)[1])
    seen_by_server, _ = between(a, expired, "a", authority)
    assert isinstance(seen_by_server, ssl.SSLCertVerificationError)


def test_what_counts_later_does_not_count_yet(authority: TestAuthority) -> None:
    a = authority.member("a")
    early = authority.member("b", now_s=NOW_S + DAY_S)
    assert "not count yet" in words(between(early, a, "b", authority)[1])
    seen_by_server, _ = between(a, early, "a", authority)
    assert isinstance(seen_by_server, ssl.SSLCertVerificationError)


def test_who_was_removed_is_refused_on_both_ends(authority: TestAuthority) -> None:
    a, b = authority.member("a"), authority.member("b")
    seen_by_b, got = between(b, a, "b", authority, revoked_by_server={a.issued.serial})
    assert isinstance(seen_by_b, ssl.SSLCertVerificationError)
    assert not isinstance(got, dict)
    _, seen_by_a = between(b, a, "b", authority, revoked_by_client={b.issued.serial})
    assert "removed" in words(seen_by_a)


def test_the_revoked_are_looked_up_at_each_handshake(authority: TestAuthority) -> None:
    a, b = authority.member("a"), authority.member("b")
    revoked: set[int] = set()
    server, client = server_context(*b.files(), revoked), client_context(*a.files())
    host_name = peer_host(PeerName("b"), authority.authority.pin)
    assert isinstance(meet(server, client, host_name)[0], dict)
    revoked.add(a.issued.serial)
    assert isinstance(meet(server, client, host_name)[0], ssl.SSLError)


def test_who_is_removed_meanwhile_is_not_read_from(authority: TestAuthority) -> None:
    a, b = authority.member("a"), authority.member("b")
    revoked: set[int] = set()
    client = client_context(*b.files(), revoked)
    ours, theirs = socket.socketpair()
    server = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = server_context(*a.files()).wrap_bio(*server, server_side=True)
    two = client.wrap_bio(
        *caller, server_hostname=peer_host(PeerName("a"), authority.authority.pin)
    )
    ways = (two, caller[1], server[0]), (one, server[1], caller[0])
    for end, out, into in ways * 3:
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
        into.write(out.read())
    one.write(b"before")
    caller[0].write(server[1].read())
    assert two.read(100) == b"before"
    one.write(b"after")
    caller[0].write(server[1].read())
    revoked.add(a.issued.serial)
    with pytest.raises(ssl.SSLCertVerificationError, match="removed"):
        two.read(100)

    # The same on a socket, as those have it that fetch chunks.
    revoked.clear()
    may_go_on = threading.Event()

    def serve() -> None:
        with server_context(*a.files()).wrap_socket(theirs, server_side=True) as connection:
            connection.sendall(b"before")
            may_go_on.wait(10)
            with contextlib.suppress(OSError):
                connection.sendall(b"after")

    thread = threading.Thread(target=serve)
    thread.start()
    name = peer_host(PeerName("a"), authority.authority.pin)
    with client.wrap_socket(ours, server_hostname=name) as connection:
        assert connection.recv(6) == b"before"
        revoked.add(a.issued.serial)
        may_go_on.set()
        with pytest.raises(ssl.SSLCertVerificationError, match="removed"):
            connection.recv_into(bytearray(100))
    thread.join()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2])
def test_an_older_tls_is_refused_by_both_ends(
    authority: TestAuthority, version: ssl.TLSVersion
) -> None:
    a, b = authority.member("a"), authority.member("b")
    host_name = peer_host(PeerName("b"), authority.authority.pin)
    old = client_context(*a.files())
    old.minimum_version = old.maximum_version = version
    assert isinstance(meet(server_context(*b.files()), old, host_name)[0], ssl.SSLError)
    old = server_context(*b.files())
    old.minimum_version = old.maximum_version = version
    _, seen_by_a = meet(old, client_context(*a.files()), host_name)
    assert isinstance(seen_by_a, OSError)
    if version is ssl.TLSVersion.TLSv1_2:  # the older one the library does not even begin
        assert "does not speak TLS" in words(seen_by_a)


def test_a_call_without_a_name_is_not_made(authority: TestAuthority) -> None:
    a = authority.member("a")
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(ValueError, match="server_hostname"):
        client_context(*a.files()).wrap_socket(ours)


def test_a_tracker_is_looked_at_without_showing_anything(
    authority: TestAuthority, other: TestAuthority
) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tracker = authority.tracker()
    server.load_cert_chain(tracker.certificate, tracker.key)
    _, got = meet(server, authority_context(authority.path.read_bytes()), TRACKER_HOST)
    assert isinstance(got, dict)
    _, got = meet(server, authority_context(other.path.read_bytes()), TRACKER_HOST)
    assert "another network" in words(got)


def test_other_failures_are_no_matter_of_identity() -> None:
    assert identity_problem(ConnectionRefusedError(), "b") is None
