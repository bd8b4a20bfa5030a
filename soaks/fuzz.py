"""Parsers at length: every input is read, or refused in the parser's own way, within a second.

`python -m soaks.fuzz [PARSER]… [--minutes M] [--seed N]`, or `make fuzz-parsers`. Inputs that reach
new lines are mutated further. What breaks a parser is written to `tests/reliability/corpus/`,
where each is tried by the tests ever after.
"""

import argparse
import hashlib
import sys
import time
from pathlib import Path
from random import Random

from soaks.mutating import Lines, mutated
from soaks.parsers import BY_NAME, PARSERS, Parser

CORPUS = Path(__file__).parent.parent / "tests" / "reliability" / "corpus"
MOST_S = 1.0
_KEPT = 2_000


def problem(parser: Parser, data: bytes) -> str:
    """What is wrong with how a parser takes an input; empty where nothing is."""
    try:
        parser.read(data)
    except parser.refusals:
        return ""
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def kept(parser: Parser) -> list[bytes]:
    """The examples, and whatever broke it once."""
    folder = CORPUS / parser.name.replace(" ", "-")
    found = sorted(folder.iterdir()) if folder.exists() else []
    return [*parser.examples, *(file.read_bytes() for file in found)]


def fuzz(parser: Parser, chance: Random, until_s: float) -> tuple[int, int, dict[str, bytes]]:
    """Trials, lines reached, and an input for each problem."""
    examples, lines = kept(parser), Lines()
    found: dict[str, bytes] = {}
    trials = 0
    while time.monotonic() < until_s:
        data = mutated(examples, chance)
        began_s = time.monotonic()
        with lines:
            wrong = problem(parser, data)
        if time.monotonic() - began_s > MOST_S:
            wrong = wrong or "slow"
        trials += 1
        if wrong:
            found.setdefault(wrong.partition(":")[0], data)
        elif lines.new and len(examples) < _KEPT:
            examples.append(data)
    return trials, len(lines.seen), found


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m soaks.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parser", nargs="*", help=", ".join(BY_NAME))
    parser.add_argument("--minutes", type=float, default=20.0, help="for all together")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chosen = [BY_NAME[name] for name in given.parser] or list(PARSERS)
    findings = 0
    for each in chosen:
        until_s = time.monotonic() + given.minutes * 60 / len(chosen)
        trials, lines, found = fuzz(each, Random(f"{given.seed} {each.name}"), until_s)
        print(
            f"{each.name}: {trials} inputs, {lines} lines reached, {len(found)} findings",
            flush=True,
        )
        for wrong, data in found.items():
            print(f"  {wrong}: {data[:200]!r}")
            folder = CORPUS / each.name.replace(" ", "-")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
        findings += len(found)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
