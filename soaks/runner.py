"""Runs a scenario in a child process, again and again, with a fault each time.

A process of its own: it has everything imported before it divides, so that a run costs a start of
Panal and not one of Python. It reads a line of JSON for each run and answers with one.
"""

import asyncio
import contextlib
import os
import signal
import sys
import traceback
from pathlib import Path

import msgspec

from soaks.faults import Fault, Watch
from soaks.system_calls import follow

PATIENCE_S = 60.0
"""What has not ended by then hangs."""


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """One run of a scenario."""

    scenario: str
    given: dict[str, str]
    roots: tuple[str, ...]
    fault: Fault = Fault()
    wrong: str = ""
    """A defect to be put in on purpose: what looks for findings must find it."""
    follows: bool = True
    """Whether its calls are seen; else it is only started."""


class Outcome(msgspec.Struct, frozen=True):
    """How a run went."""

    code: int
    """Of its exit; -signal where it was killed."""
    calls: int
    struck: str
    words: list[str]
    """What the scenario said, in order."""


class Runner:
    """A runner process; an async context."""

    def __init__(self, errors: Path) -> None:
        """`errors` takes what goes wrong in the children, for whoever looks for the cause."""
        self.errors = errors

    async def __aenter__(self) -> "Runner":
        with self.errors.open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "soaks.runner"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                cwd=Path(__file__).parent.parent,
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def start(self, run: Run) -> int:
        """Begin a run; the id of its process."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(run) + b"\n")
        await self._process.stdin.drain()
        return int(await self._line())

    async def end(self) -> Outcome:
        """Wait for a run's end."""
        return msgspec.json.decode(await self._line(), type=Outcome)

    async def run(self, run: Run) -> Outcome:
        """A run from its beginning to its end."""
        await self.start(run)
        return await self.end()

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the runner has ended; see {self.errors}")
        return line


def main() -> None:
    """Answer until there are no more lines."""
    sys.dont_write_bytecode = True
    from soaks.scenarios import play  # all that is heavy, once

    for line in sys.stdin.buffer:
        run = msgspec.json.decode(line, type=Run)
        outcome = _run(run, lambda say, run=run: play(run.scenario, run.given, run.wrong, say))
        _answer(msgspec.json.encode(outcome))


def _answer(line: bytes) -> None:
    os.write(1, line + b"\n")


def _run(run: Run, scenario: object) -> Outcome:
    assert callable(scenario)
    reading, writing = os.pipe()
    watch = Watch(run.fault, run.roots, os.readlink(f"/proc/self/fd/{writing}"))

    def say(word: str) -> None:
        os.write(writing, word.encode() + b"\n")

    def work() -> None:
        os.close(reading)
        signal.alarm(int(PATIENCE_S))  # a hang ends as -SIGALRM
        try:
            scenario(say)
        except BaseException:
            traceback.print_exc()
            raise

    if run.follows:
        code = follow(work, watch, lambda pid: _answer(str(pid).encode()))
    else:
        code = _only_run(work)
    os.close(writing)
    with open(reading, "rb") as words:
        said = words.read().decode(errors="replace").split("\n")
    whole = said[:-1]  # what was cut off by a kill was not said
    if watch.last_word:
        whole.append(watch.last_word)
    return Outcome(code, watch.count, watch.struck, whole)


def _only_run(work: object) -> int:
    assert callable(work)
    child = os.fork()
    if not child:
        code = 1
        with contextlib.suppress(BaseException):
            work()
            code = 0
        os._exit(code)
    _answer(str(child).encode())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main()
