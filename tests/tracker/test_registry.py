from typing import Any

import pytest
from msgspec.structs import replace

from panal.errors import NameTaken, NotRegistered, Refused, Superseded, UsageError
from panal.tracker.registry import (
    MAX_COUNTER,
    admit,
    check_caller,
    check_claim,
    check_same_place,
    is_fresh,
    key_of,
)
from panal.wire.dialback import hash_secret
from panal.wire.ids import Zone
from tests.tracker.makers import REACHED, UNREACHED, caller, record, registration

pytestmark = pytest.mark.p8

OTHER_SECRET = b"o" * 32


def test_a_new_name_is_admitted_with_a_lease() -> None:
    admission = admit(None, [], registration(), "127.0.0.1", REACHED, now_s=100.0, lease_s=60.0)
    assert admission.afresh
    assert admission.record.lease_until_s == 160.0
    assert admission.record.is_live(159.9)
    assert not admission.record.is_live(160.0)


def test_a_live_name_is_kept_from_another_secret_in_any_case() -> None:
    with pytest.raises(NameTaken, match=r"peer_1 .*, or stop that peer first"):
        admit(record(), [], registration(secret=OTHER_SECRET), "127.0.0.1", REACHED, now_s=59.9)


def test_a_lapsed_name_is_free_even_before_the_sweep() -> None:
    admission = admit(
        record(), [], registration(secret=OTHER_SECRET), "127.0.0.1", REACHED, now_s=60.0
    )
    assert admission.afresh
    assert admission.record.secret_hash != record().secret_hash


def test_the_owner_comes_back_and_keeps_its_history() -> None:
    known = replace(record(), sequence=7, joined_at_s=3.0)
    again = admit(known, [], registration(), "127.0.0.1", REACHED, now_s=30.0)
    assert not again.afresh
    assert again.record.sequence == 7
    assert again.record.joined_at_s == 3.0


def test_the_owner_comes_back_after_its_lease_to_what_it_told() -> None:
    known = replace(record(), sequence=7, joined_at_s=3.0)
    same = registration(digest=known.digest)
    again = admit(known, [], same, "127.0.0.1", REACHED, now_s=90.0)
    assert not again.afresh
    assert again.record.sequence == 7  # what was overheard before cannot be played again
    assert again.record.joined_at_s == 90.0


@pytest.mark.parametrize("change", [{"digest": b"o" * 32}, {"digest": b""}])
def test_an_owner_that_shares_something_else_after_its_lease_begins_afresh(
    change: dict[str, Any],
) -> None:
    again = admit(record(), [], registration(**change), "127.0.0.1", REACHED, now_s=90.0)
    assert again.afresh


def test_another_secret_with_the_same_digest_begins_afresh() -> None:
    stranger = registration(secret=OTHER_SECRET, digest=record().digest)
    assert admit(record(), [], stranger, "127.0.0.1", REACHED, now_s=90.0).afresh


def test_a_new_epoch_starts_its_sequence_anew() -> None:
    known = replace(record(), sequence=7)
    again = admit(known, [], registration(epoch=2), "127.0.0.1", REACHED, now_s=30.0)
    assert (again.record.epoch, again.record.sequence) == (2, 0)


def test_an_older_epoch_is_superseded() -> None:
    with pytest.raises(Superseded, match="A later start of peer_1"):
        check_claim(record(epoch=5), caller(epoch=4), now_s=1.0)


def test_the_record_of_a_new_peer_is_what_it_told_and_what_was_seen() -> None:
    told = registration(port=7, bound=("127.0.0.1", "10.0.0.5"), epoch=3, zone=Zone("rack"))
    made = admit(None, [], told, "::ffff:10.0.0.5", UNREACHED, now_s=5.0, lease_s=60.0).record
    assert (made.name, made.secret_hash, made.epoch, made.sequence) == (
        *("peer_1", hash_secret(b"s" * 32)),
        *(3, 0),
    )
    assert (made.observed_host, made.port, made.bound) == ("10.0.0.5", 7, told.bound)
    assert (made.reachable, made.reachability, made.zone) == (False, "closed", "rack")
    assert (made.lease_until_s, made.joined_at_s, made.renewed_at_s) == (65.0, 5.0, 5.0)


def test_a_renewal_moves_the_lease_and_a_dial_back_tells_of_the_door() -> None:
    known = record(now_s=0.0)
    later = known.renewed(30.0, 60.0)
    assert later == replace(known, lease_until_s=90.0, renewed_at_s=30.0)
    assert known.reached(UNREACHED) == replace(known, reachable=False, reachability="closed")


@pytest.mark.parametrize(
    "change",
    [{"secret_hash": bytes(32)}, {"epoch": 2}, {"observed_host": "10.0.0.9"}, {"port": 1}],
)
def test_a_start_is_the_same_at_one_address_only(change: dict[str, Any]) -> None:
    assert record().same_start(replace(record(), sequence=9))
    assert not record().same_start(replace(record(), **change))


def test_a_network_name_is_one_in_any_case() -> None:
    assert key_of("STRASSE") == key_of("straße")


def test_the_largest_epoch_that_a_store_can_keep_is_taken() -> None:
    check_claim(None, caller(epoch=MAX_COUNTER), now_s=1.0)


def test_an_epoch_that_no_store_can_keep_is_refused() -> None:
    with pytest.raises(UsageError, match=str(MAX_COUNTER)):
        check_claim(None, caller(epoch=MAX_COUNTER + 1), now_s=1.0)


def test_the_same_address_twice_is_refused_in_words() -> None:
    rival = record("peer_1")
    with pytest.raises(Refused, match=r"peer_1.*5000.*another port"):
        admit(None, [rival], registration("peer_2"), "127.0.0.1", UNREACHED, now_s=1.0)


def test_whoever_proves_to_be_at_an_address_has_it() -> None:
    rival = record("peer_1")
    admission = admit(None, [rival], registration("peer_2"), "127.0.0.1", REACHED, now_s=1.0)
    assert admission.displaced == (rival,)


@pytest.mark.parametrize("now_s", [60.0, 1_000.0])
def test_a_lapsed_rival_claims_nothing(now_s: float) -> None:
    admission = admit(
        None, [record("peer_1")], registration("peer_2"), "127.0.0.1", UNREACHED, now_s=now_s
    )
    assert admission.displaced == ()


def test_a_peer_is_no_rival_of_itself() -> None:
    known = record("Peer_1")
    assert (
        admit(known, [known], registration("peer_1"), "127.0.0.1", UNREACHED, now_s=1.0).displaced
        == ()
    )


@pytest.mark.parametrize(
    ("who", "now_s", "expected", "words"),
    [
        (caller(), 60.0, NotRegistered, "register again"),
        (caller(secret=OTHER_SECRET), 60.0, NotRegistered, "register again"),
        (caller(secret=OTHER_SECRET), 1.0, Refused, "not the secret"),
        (caller(epoch=4), 1.0, Superseded, "later start"),
        (caller(epoch=6), 1.0, NotRegistered, "not registered yet"),
    ],
)
def test_who_may_not_change_a_record(who, now_s, expected, words) -> None:
    with pytest.raises(expected, match=words) as caught:
        check_caller(record(epoch=5), who, now_s)
    assert type(caught.value) is expected


def test_nobody_known_is_not_registered() -> None:
    with pytest.raises(NotRegistered):
        check_caller(None, caller(), 0.0)


def test_the_owner_may() -> None:
    assert check_caller(record(), caller(), 1.0) == record()


def test_another_address_needs_a_new_registration() -> None:
    check_same_place(record(host="10.0.0.5"), "::ffff:10.0.0.5")
    with pytest.raises(NotRegistered, match=r"10\.0\.0\.6.*; register again"):
        check_same_place(record(host="10.0.0.5"), "10.0.0.6")


def test_only_a_later_sequence_is_fresh() -> None:
    known = replace(record(), sequence=7)
    assert [is_fresh(known, sequence) for sequence in (6, 7, 8)] == [False, False, True]
    assert is_fresh(record(), 1)
    assert is_fresh(known, MAX_COUNTER)
    for impossible in (0, MAX_COUNTER + 1):
        with pytest.raises(UsageError, match=f"1 to {MAX_COUNTER}"):
            is_fresh(known, impossible)
