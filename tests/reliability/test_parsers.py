"""P10: whatever others send or a damaged disk holds is read, or refused in words."""

from random import Random

import pytest

from soaks.fuzz import kept, problem
from soaks.mutating import Lines, mutated
from soaks.parsers import PARSERS, Parser

INPUTS = 300
"""Of each; `python -m soaks.fuzz` goes on for minutes."""


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_nothing_is_a_surprise(parser: Parser) -> None:
    examples, chance = kept(parser), Random(parser.name)
    for data in [*examples, *(mutated(examples, chance) for _ in range(INPUTS))]:
        assert problem(parser, data) == "", data


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_the_first_example_is_taken(parser: Parser) -> None:
    parser.read(parser.examples[0])


def test_a_parser_that_fails_is_found() -> None:
    def fails(data: bytes) -> object:
        return 1 // (len(data) - 3)

    parser = Parser("broken", fails, (b"abcd",))
    chance = Random(1)
    problems = {problem(parser, mutated([b"abcd"], chance)) for _ in range(INPUTS)}
    assert any(found.startswith("ZeroDivisionError") for found in problems)


def test_new_lines_are_noticed_once() -> None:
    lines, parser = Lines(), PARSERS[0]
    for is_first in (True, False):
        with lines:
            problem(parser, parser.examples[0])
        assert bool(lines.new) is is_first
