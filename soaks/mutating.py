"""Inputs made from good ones by chance; those that reach new lines are noticed."""

import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import CodeType, FrameType
from typing import Any

import panal

_PACKAGE = str(Path(panal.__file__).parent)
_ODD = (
    *(b"\x00", b"\xff", b"\n", b"\r\n", b"..", b"/", b"%", b"-", b",", b":", b'"', b"\x1b[0m"),
    *(b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"\xff" * 8, b"9" * 30),
    *(b"\xed\xa0\x80", b"\xe2\x80\xae"),
)
_LONGEST_BYTES = 1 << 14


def mutated(examples: list[bytes], chance: Random) -> bytes:
    """One of the examples, changed once or a few times."""
    data = bytearray(chance.choice(examples))
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        chance.choice(_WAYS)(data, examples, chance)
    return bytes(data[:_LONGEST_BYTES])


def _flip(data: bytearray, _: list[bytes], chance: Random) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _replace(data: bytearray, _: list[bytes], chance: Random) -> None:
    if data:
        data[chance.randrange(len(data))] = chance.randrange(256)


def _insert(data: bytearray, _: list[bytes], chance: Random) -> None:
    at = chance.randint(0, len(data))
    data[at:at] = chance.choice(_ODD)


def _overwrite(data: bytearray, _: list[bytes], chance: Random) -> None:
    odd = chance.choice(_ODD)
    at = chance.randint(0, len(data))
    data[at : at + len(odd)] = odd


def _cut(data: bytearray, _: list[bytes], chance: Random) -> None:
    first, last = sorted(chance.randint(0, len(data)) for _ in range(2))
    del data[first:last]


def _truncate(data: bytearray, _: list[bytes], chance: Random) -> None:
    del data[chance.randint(0, len(data)) :]


def _repeat(data: bytearray, _: list[bytes], chance: Random) -> None:
    first, last = sorted(chance.randint(0, len(data)) for _ in range(2))
    data[first:first] = data[first:last] * chance.choice((1, 1, 2, 16))


def _splice(data: bytearray, examples: list[bytes], chance: Random) -> None:
    other = chance.choice(examples)
    at = chance.randint(0, len(data))
    data[at:] = other[chance.randint(0, len(other)) :]


_WAYS: tuple[Callable[[bytearray, list[bytes], Random], None], ...] = (
    _flip, _replace, _insert, _overwrite, _cut, _truncate, _repeat, _splice,
)  # fmt: skip


class Lines:
    """Which lines of Panal have been reached; a context sees what runs in it."""

    def __init__(self) -> None:
        self.seen: set[tuple[CodeType, int]] = set()
        self.new = 0

    def __enter__(self) -> "Lines":
        self.new = 0
        sys.settrace(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _called(self, frame: FrameType, event: str, argument: object) -> Any:
        return self._line if frame.f_code.co_filename.startswith(_PACKAGE) else None

    def _line(self, frame: FrameType, event: str, argument: object) -> Any:
        key = (frame.f_code, frame.f_lineno)
        if key not in self.seen:
            self.seen.add(key)
            self.new += 1
        return self._line
