"""When the tracker is asked."""

from panal.swarm.asking import ASK_AGAIN_S, FIRST_ASK_AGAIN_S, LONGEST_PAUSE_S, Asking


def next_question_s(asking: Asking, now_s: float) -> float:
    """How long until it would ask, looking every eighth of a second; the question begins."""
    for eighth in range(1_000):
        if asking.begin_if_due(now_s + eighth / 8):
            return eighth / 8
    raise AssertionError("never")


def test_it_asks_at_once_and_one_question_at_a_time() -> None:
    asking = Asking()
    assert asking.begin_if_due(0.0)
    assert not asking.begin_if_due(1e6)


def test_while_all_goes_well_it_asks_again_soon_and_then_every_thirty_seconds() -> None:
    """Others may have begun in the same moment: nobody could name them yet."""
    asking, pauses = Asking(), []
    asking.begin_if_due(0.0)
    for _ in range(2_000):
        asking.answered("", False, 5.0)
        pauses.append(next_question_s(asking, 5.0))
    assert pauses[:6] == [1.0, 2.0, 4.0, 8.0, 16.0, ASK_AGAIN_S]
    assert set(pauses[5:]) == {ASK_AGAIN_S}


def test_in_need_it_asks_soon_with_growing_pauses_for_ever() -> None:
    asking, pauses = Asking(), []
    for _ in range(2_000):
        assert asking.begin_if_due(1e9)
        asking.answered("", True, 0.0)
        pauses.append(next_question_s(asking, 0.0))
        asking.answered("", True, 0.0)
    assert pauses[:3] == [FIRST_ASK_AGAIN_S, FIRST_ASK_AGAIN_S * 4, FIRST_ASK_AGAIN_S * 16]
    assert set(pauses[3:]) == {LONGEST_PAUSE_S}


def test_a_loss_hurries_the_next_question_but_not_one_in_vain() -> None:
    asking = Asking()
    for _ in range(6):
        asking.begin_if_due(0.0)
        asking.answered("", False, 0.0)
    asking.hurry(10.0)
    assert next_question_s(asking, 10.0) == FIRST_ASK_AGAIN_S
    for _ in range(5):
        asking.answered("", True, 20.0)
        asking.begin_if_due(1e9)
    asking.answered("", True, 20.0)
    asking.hurry(20.0)
    assert next_question_s(asking, 20.0) == LONGEST_PAUSE_S


def test_it_remembers_the_last_problem_and_whether_anybody_ever_answered() -> None:
    asking = Asking()
    asking.answered("The tracker is away.", True, 0.0)
    assert (asking.problem, asking.has_answered) == ("The tracker is away.", False)
    asking.answered("", True, 0.0)
    assert (asking.problem, asking.has_answered) == ("", True)
    asking.answered("Away again.", True, 0.0)
    assert (asking.problem, asking.has_answered) == ("Away again.", True)
