"""The arithmetic of docs/SCALE.md: from its inputs, and as the document has it."""

from pathlib import Path

import pytest

from benchmarks.scale import Inputs, locate_ms, main, needs, words

DOCUMENT = Path(__file__).parents[2] / "docs" / "SCALE.md"


def test_each_need_follows_from_its_inputs() -> None:
    given = Inputs(peers=7_200, renew_every_s=10, renew_us=1_000, searches_an_hour=1, partitions=3)
    by_name = {need.what: need for need in needs(given)}
    assert by_name["renewals"].per_s == 720
    assert by_name["renewals"].cores == pytest.approx(0.72)
    assert by_name["searches (ask all)"].per_s == pytest.approx(6)


def test_the_document_has_the_figures_that_the_command_prints(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main([])
    printed = capsys.readouterr().out
    assert printed.splitlines() == words(Inputs())
    text = DOCUMENT.read_text("utf-8")
    for need in needs(Inputs()):
        assert f"| {need.per_s:,.0f} |" in text, need.what
    for figure in ("18.6", "533", "36.6", "544 GB", "8.5 GB", "15,625", "9.6 h", "9 min"):
        assert figure in printed
        assert figure in text


def test_locate_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert locate_ms(60, asked=1) > 0
    main(["--holders", "3"])
    assert "3 holders" in capsys.readouterr().out
