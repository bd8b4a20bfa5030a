"""Falling behind: by what each of the others gained since it is known."""

import pytest

from panal.swarm.behind import (
    FEWEST_CHUNKS,
    LEAD_SHARE,
    MOST_PROLONGED,
    REST_S,
    SETTLES_S,
    SHRINKS_TO,
    TRIED_S,
    Behind,
)
from panal.swarm.messages import ChunksAvailable, ChunkWritten, ServeFew, Ticked
from panal.swarm.sources import Source, Stage
from panal.wire import bitfield
from tests.swarm import A, B, C, Driven, only

CHUNKS = 1_000
LEAD = int(LEAD_SHARE * CHUNKS)


def having(count: int, first_lead: int = 0, stage: Stage = Stage.READY) -> Source:
    return Source(A, stage=stage, bits=bitfield.full(count), first_lead=first_lead)


def behind(own: int, *near: Source) -> bool:
    return Behind(CHUNKS).look(bitfield.full(own), near, 0.0)


def test_behind_is_who_has_gained_less_than_the_others_by_more_than_chance() -> None:
    assert not behind(100, having(100 + LEAD))
    assert behind(100, having(100 + LEAD + 1))
    assert not behind(100, having(101 + LEAD), having(99 + LEAD))
    assert behind(100, having(102 + LEAD), having(99 + LEAD))
    assert not behind(100, having(50), having(100))


def test_of_a_small_file_some_chunks_are_chance() -> None:
    few = 2 * FEWEST_CHUNKS
    assert not Behind(few).look(0, [having(FEWEST_CHUNKS)], 0.0)
    assert Behind(few).look(0, [having(FEWEST_CHUNKS + 1)], 0.0)


def test_seeds_and_who_is_away_are_nobody_to_compare_with() -> None:
    assert not behind(0)
    seed = having(CHUNKS, first_lead=CHUNKS)
    assert not behind(0, seed, having(500, stage=Stage.AWAY))
    assert behind(0, seed, having(500, stage=Stage.AWAY), having(LEAD + 1))


def test_who_began_later_is_not_behind_for_that() -> None:
    assert not behind(10, having(500, first_lead=490))
    assert behind(10, having(501 + LEAD, first_lead=490))


def test_who_falls_behind_serves_few_until_it_has_caught_up() -> None:
    driven = Driven(16, written=0b1)
    driven.open(A, 0b11)
    driven.open(B, bitfield.full(16))
    driven.open(C, 0)
    assert only(driven.tell(Ticked(), after_s=0.25), ServeFew) == []
    driven.tell(ChunksAvailable(A, bitfield.full(15)))
    driven.tell(ChunksAvailable(C, bitfield.full(9)))
    assert only(driven.tell(Ticked(), after_s=0.25), ServeFew) == [ServeFew(True)]
    assert only(driven.tell(Ticked(), after_s=0.25), ServeFew) == []
    for index in range(1, 12):  # as many as the others gained on average
        driven.tell(ChunkWritten(B, index))
    assert only(driven.tell(Ticked(), after_s=0.25), ServeFew) == [ServeFew(False)]


def test_what_others_had_before_counts_for_nothing() -> None:
    driven = Driven(100, written=bitfield.full(20) << 80)
    driven.open(A, bitfield.full(50))
    assert only(driven.tell(Ticked(), after_s=0.25), ServeFew) == []
    driven.tell(ChunksAvailable(A, bitfield.full(55)))
    assert only(driven.tell(Ticked(), after_s=0.25), ServeFew) == [ServeFew(True)]


class Looks:
    """One that is looked at, and the lead that others have."""

    def __init__(self) -> None:
        self.behind = Behind(CHUNKS)
        self.now_s = 0.0

    def serves_few(self, lead: int, *, after_s: float = 0.0) -> bool:
        self.now_s += after_s
        self.behind.look(0, [having(lead)], self.now_s)
        return self.behind.serves_few


def test_sending_to_few_goes_on_while_it_helps() -> None:
    looks = Looks()
    assert looks.serves_few(100)
    assert looks.serves_few(100, after_s=0.25)
    assert looks.serves_few(200, after_s=SETTLES_S - 0.25)  # it may have grown until then
    assert looks.serves_few(200, after_s=TRIED_S - 0.25)
    assert looks.serves_few(int(200 * SHRINKS_TO), after_s=0.25)
    assert looks.serves_few(int(180 * SHRINKS_TO), after_s=TRIED_S)
    assert looks.serves_few(LEAD, after_s=TRIED_S)
    assert looks.serves_few(1, after_s=0.25)  # who stopped sooner would fall back
    assert not looks.serves_few(0, after_s=0.25)
    assert looks.serves_few(LEAD + 1, after_s=0.25)  # it helped: no rest


def test_little_that_is_left_of_a_lag_and_stays_ends_it_without_a_rest() -> None:
    looks = Looks()
    assert looks.serves_few(100)
    assert looks.serves_few(100, after_s=SETTLES_S)
    assert looks.serves_few(LEAD, after_s=TRIED_S)
    assert not looks.serves_few(LEAD, after_s=TRIED_S)
    assert looks.serves_few(LEAD + 1, after_s=0.25)


def test_who_has_all_by_now_counts_while_it_gained_more() -> None:
    assert behind(100, having(CHUNKS, first_lead=CHUNKS - 100 - LEAD - 1))
    assert not behind(100, having(CHUNKS, first_lead=CHUNKS))
    # It had nearly all when it became known, and could not gain as much as we.
    done_soon = having(CHUNKS, first_lead=CHUNKS - 50)
    assert behind(100, having(101 + LEAD), done_soon)


def test_sending_to_few_in_vain_is_given_up_and_tried_later() -> None:
    looks = Looks()
    assert looks.serves_few(100)
    assert looks.serves_few(100, after_s=SETTLES_S)
    assert looks.serves_few(150, after_s=TRIED_S - 0.25)
    assert not looks.serves_few(int(100 * SHRINKS_TO) + 1, after_s=0.25)
    assert not looks.serves_few(100, after_s=REST_S - 0.25)
    assert looks.serves_few(100, after_s=0.25)


@pytest.mark.parametrize(("chunks_s_with_few", "helps"), [(10, False), (16, True)])
def test_whose_pace_grows_goes_on_though_it_cannot_catch_up(
    chunks_s_with_few: int, helps: bool
) -> None:
    behind, own, others, began_s = Behind(CHUNKS), 0.0, 0.0, 0.0
    for quarter in range(4 * 14):
        now_s = quarter / 4
        behind.look(bitfield.full(int(own)), [having(int(others))], now_s)
        if behind.serves_few and not began_s:
            began_s = now_s
        if began_s and now_s > began_s + SETTLES_S + TRIED_S:
            assert behind.serves_few is helps
        own += (chunks_s_with_few if behind.serves_few else 10) / 4
        others += 20 / 4  # more at any time
    assert began_s


def test_for_its_pace_alone_a_trial_does_not_go_on_for_ever() -> None:
    """What the pace was before may have been chance, or that some who were quick have left."""
    behind, own, others = Behind(CHUNKS), 0.0, 0.0
    changes: list[float] = []
    for quarter in range(4 * 40):
        if behind.look(bitfield.full(int(own)), [having(int(others))], quarter / 4):
            changes.append(quarter / 4)
        own += (16 if behind.serves_few else 10) / 4
        others += 20 / 4
    began_s, ended_s, *_ = changes
    assert ended_s - began_s == SETTLES_S + (1 + MOST_PROLONGED) * TRIED_S
