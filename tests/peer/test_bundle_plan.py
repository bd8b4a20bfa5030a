"""Which contents go into which bundle."""

from panal.peer.bundle_plan import SMALLEST_BYTES, BundlePlan
from panal.wire.bundle import MAX_BUNDLE_BYTES, MAX_FILE_BYTES, MAX_IDS, bundle_bytes
from panal.wire.collection import CollectionEntry, EntryType
from panal.wire.ids import ContentId, PeerName
from panal.wire.names import SafePath

ONE, TWO = PeerName("one"), PeerName("two")


def groups(count: int, size_bytes: int) -> list[list[CollectionEntry]]:
    return [
        [
            CollectionEntry(
                SafePath(f"{n}"), EntryType.FILE, ContentId(n.to_bytes(32, "big")), size_bytes, 0
            )
        ]
        for n in range(count)
    ]


def test_a_bundle_is_never_larger_than_its_bounds() -> None:
    for size_bytes in (0, 1, 512, 10_240, MAX_FILE_BYTES):
        plan = BundlePlan(wanted := groups(9_000, size_bytes))
        taken = []
        while bundle := plan.take(ONE, 2):
            assert len(bundle) <= MAX_IDS
            assert bundle_bytes(group[0].size_bytes for group in bundle) <= MAX_BUNDLE_BYTES
            taken += bundle
        assert taken == wanted
        assert plan.left() == []


def test_bundles_become_smaller_towards_the_end() -> None:
    plan = BundlePlan(groups(1_000, 10_240))
    lengths = []
    while bundle := plan.take(ONE, 4):
        lengths.append(bundle_bytes(group[0].size_bytes for group in bundle))
    assert lengths[0] > 4 * lengths[-2]
    assert lengths == sorted(lengths, reverse=True)
    assert max(lengths[-3:]) <= SMALLEST_BYTES


def test_who_lacks_something_is_not_asked_again() -> None:
    plan = BundlePlan(wanted := groups(3, 100))
    bundle = plan.take(ONE, 1)
    plan.give_back(bundle[:2], ONE)
    assert plan.take(ONE, 1) == []
    assert plan.take(TWO, 1) == wanted[:2]
    plan.give_back(wanted[:1])  # nobody's fault
    assert plan.left() == wanted[:1]
    assert plan.take(TWO, 1) == wanted[:1]
