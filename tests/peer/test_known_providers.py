"""What is believed of who holds a content, and that no list of it grows without end."""

import pytest

from panal.peer.known_providers import MOST_HEARD, MOST_HEARD_OF_HOST, KnownProviders
from panal.swarm.messages import SourceId
from panal.wire.catalogue import Provider
from panal.wire.ids import PeerName

pytestmark = pytest.mark.p7


def provider(name: str, host: str = "10.0.0.1", port: int = 5000) -> Provider:
    return Provider(PeerName(name), host, port, complete=False)


def known(in_use: set[str] | None = None) -> KnownProviders:
    """Of whom those are in use; None: all."""
    return KnownProviders("own", lambda source: in_use is None or source in in_use)


def test_hearsay_is_bounded_for_each_host_and_in_all() -> None:
    providers = known()
    for port in range(1, 20):
        heard = providers.heard(provider(f"p{port}", port=port))
        assert (heard is not None) is (port <= MOST_HEARD_OF_HOST)
    for number in range(2 * MOST_HEARD):
        providers.heard(provider(f"q{number}", f"10.1.{number // 256}.{number % 256}"))
    assert len(providers) == MOST_HEARD
    assert providers.heard(provider("p1", port=1)) is not None  # known already
    assert len(providers.named([provider("late", "10.2.0.1")])) == 1  # a tracker is believed
    assert providers.heard(provider("own", "10.3.0.1")) is None


def test_a_v6_network_is_one_host() -> None:
    providers = known()
    heard = [providers.heard(provider(f"p{n}", f"2a00::{n}")) for n in range(1, 20)]
    assert sum(source is not None for source in heard) == MOST_HEARD_OF_HOST


def test_who_is_banned_does_not_come_back_under_another_name() -> None:
    providers = known()
    (source,) = providers.named([provider("liar")])
    assert providers.ban(source).peer == "liar"
    assert providers.heard(provider("innocent")) is None
    assert providers.named([provider("innocent"), provider("liar")]) == []
    # At other ports the host has one place less, for good.
    heard = [providers.heard(provider(f"p{port}", port=port)) for port in range(1, 9)]
    assert sum(source is not None for source in heard) == MOST_HEARD_OF_HOST - 1


def test_what_the_download_has_forgotten_is_forgotten_unless_it_was_just_named() -> None:
    providers = known()
    sources = [SourceId(f"p{port}@10.0.0.1:{port}") for port in range(1, 4)]
    for port in range(1, 4):
        assert providers.heard(provider(f"p{port}", port=port)) == sources[port - 1]
    providers.forget(set())  # the download may not have taken them in yet
    assert len(providers) == 3
    assert providers.heard(provider("p3", port=3)) == sources[2]  # named again
    providers.forget({sources[0]})
    assert [s for s in sources if is_there(providers, s)] == [sources[0], sources[2]]
    providers.forget(set())
    assert len(providers) == 0
    assert providers.heard(provider("p9", port=9)) is not None  # there is room again


def is_there(providers: KnownProviders, source: SourceId) -> bool:
    try:
        return providers[source] is not None
    except KeyError:
        return False


def test_one_peer_at_two_addresses_is_one_source_while_the_first_is_in_use() -> None:
    in_use: set[str] = set()
    providers = known(in_use)
    first = providers.heard(provider("one"))
    assert first is not None
    in_use.add(first)
    assert providers.heard(provider("one", "10.0.0.2")) is None
    # What was heard binds no name: the tracker has dialled its own.
    assert len(providers.named([provider("one", "10.0.0.3")])) == 1
    in_use.clear()
    assert providers.heard(provider("one", "10.0.0.2")) is not None
