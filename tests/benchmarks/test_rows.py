from collections.abc import Callable

from benchmarks.rows import Aim, Row, document, in_turn, skipped, table


def test_an_aim_holds_on_its_own_side() -> None:
    assert Aim(1.1, at_most=True).holds(1.1)
    assert not Aim(1.1, at_most=True).holds(1.101)
    assert Aim(0.9).holds(0.9)
    assert not Aim(0.9).holds(0.899)


def test_a_row_that_falls_short_says_so() -> None:
    assert Row("a", "2 s", "curl 1 s", 0.5, Aim(1.0)).holds == "NO"
    assert Row("a", "1 s", "curl 1 s", 1.0, Aim(1.0)).holds == "yes"
    assert Row("a", "1 s", "curl 1 s", 1.0).holds == ""


def test_what_was_skipped_says_why_and_holds_nothing() -> None:
    row = skipped("swarm sym8", "network namespaces need root")
    assert row.holds == ""
    assert "network namespaces need root" in table([row])


def test_the_columns_of_the_table_line_up() -> None:
    rows = [Row("a", "1 s", "curl 1 s", 1.0, Aim(1.0)), skipped("a longer name", "no root")]
    widths = {len(line) for line in table(rows).splitlines()}
    assert len(widths) == 1


def test_the_document_has_the_machine_the_plot_and_the_table() -> None:
    text = document("2 × a processor", [Row("one", "1 s", "other 2 s", 0.5, Aim(1.0))])
    assert "\n2 × a processor\n" in text
    assert "(BENCHMARKS.svg)" in text
    assert "| one | 1 s   | other 2 s | 0.500 | ≥ 1 | NO    |      |" in text


def test_programs_run_in_turn_and_back() -> None:
    ran: list[str] = []

    def run(name: str) -> Callable[[], float]:
        def timed() -> float:
            ran.append(name)
            return float(len(ran))

        return timed

    medians = in_turn({name: run(name) for name in ("a", "b")}, 3)
    assert ran == ["a", "b", "b", "a", "a", "b"]
    assert medians == {"a": 4.0, "b": 3.0}
