"""The system calls that change a disk, seen one by one as a process of ours is about to make them.

The kernel stops the process at each of them alone (seccomp's RET_TRACE), so that it runs at nearly
its own speed. What is written to pipes and sockets changes no disk and is not counted. Linux on
x86-64 only: elsewhere `refusal` says so.
"""

import contextlib
import ctypes
import errno
import os
import platform
import signal
import struct
from collections.abc import Callable
from dataclasses import dataclass

NUMBERS = {
    "write": 1,
    "pwrite64": 18,
    "writev": 20,
    "fsync": 74,
    "fdatasync": 75,
    "ftruncate": 77,
    "rename": 82,
    "mkdir": 83,
    "rmdir": 84,
    "link": 86,
    "unlink": 87,
    "fchmod": 91,
    "openat": 257,  # where it may make a file
    "mkdirat": 258,
    "unlinkat": 263,
    "renameat": 264,
    "linkat": 265,
    "utimensat": 280,
    "fallocate": 285,
    "pwritev": 296,
    "syncfs": 306,
    "renameat2": 316,
}
TAKE_SPACE = frozenset(
    {"write", "pwrite64", "writev", "pwritev", "fallocate", "openat", "mkdir", "mkdirat"}
)
SYNC = frozenset({"fsync", "fdatasync", "syncfs"})
_BY_NUMBER = {number: name for name, number in NUMBERS.items()}
_BY_DESCRIPTOR = frozenset(
    {"write", "pwrite64", "writev", "pwritev", "ftruncate", "fchmod", "fallocate"} | SYNC
)
_O_CREAT = 0o100
_ARCH = 0xC000003E
_ALLOW, _TRACE = 0x7FFF0000, 0x7FF00000
_LOAD, _IS, _HAS, _RETURN = 0x20, 0x15, 0x45, 0x06

_TRACEME, _CONT, _GETREGS, _SETREGS, _SETOPTIONS, _SYSCALL_INFO = 0, 7, 12, 13, 0x4200, 0x420E
_OPTIONS = 0x02 | 0x04 | 0x08 | 0x80 | 0x100000  # fork, vfork, clone, seccomp; die with us
_EVENT_SECCOMP = 7
_WALL = 0x40000000
_RAX, _RDX, _ORIG_RAX = 10, 12, 15

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long


def refusal() -> str:
    """Why nothing can be seen here, in words; empty where it can."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return "system calls are followed on Linux on x86-64 only"
    child = os.fork()
    if not child:
        try:
            _ptrace(_TRACEME, 0, 0, 0)
        except OSError:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return "" if status == 0 else "this system lets no process follow another (ptrace)"


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is about to be made."""

    name: str
    place: str
    """What the descriptor is open on; empty for calls by name."""
    address: int
    """Where the bytes of a write are."""
    count: int
    """How many they are."""


class Stopped:
    """The thread that is about to make a call."""

    def __init__(self, thread: int, leader: int) -> None:
        self._thread = thread
        self._leader = leader

    def kill(self) -> None:
        """End the process before the call."""
        os.kill(self._leader, signal.SIGKILL)

    def fail(self, number: int) -> None:
        """Let the call fail without having done anything."""
        registers = self._registers()
        registers[_ORIG_RAX] = 2**64 - 1
        registers[_RAX] = 2**64 - number
        self._use(registers)

    def bytes_at(self, address: int, count: int) -> bytes:
        """What the process has in its memory."""
        with open(f"/proc/{self._leader}/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            return memory.read(count)

    def shorten(self, count: int) -> None:
        """Let a write take so many bytes only."""
        registers = self._registers()
        registers[_RDX] = count
        self._use(registers)

    def _registers(self) -> list[int]:
        into = ctypes.create_string_buffer(27 * 8)
        _ptrace(_GETREGS, self._thread, 0, ctypes.addressof(into))
        return list(struct.unpack("<27Q", into.raw))

    def _use(self, registers: list[int]) -> None:
        raw = ctypes.create_string_buffer(struct.pack("<27Q", *registers))
        _ptrace(_SETREGS, self._thread, 0, ctypes.addressof(raw))


def follow(
    work: Callable[[], None],
    seen: Callable[[Call, Stopped], None],
    begun: Callable[[int], None],
) -> int:
    """Run `work` in a child process, telling of its id and each call; its exit code, or -signal."""
    leader = os.fork()
    if not leader:
        code = 1
        try:
            _ptrace(_TRACEME, 0, 0, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            _stop_at_calls()
            work()
            code = 0
        finally:
            os._exit(code)
    begun(leader)
    os.waitpid(leader, _WALL)
    _ptrace(_SETOPTIONS, leader, 0, _OPTIONS)
    _go_on(leader, 0)
    while True:
        thread, status = os.waitpid(-1, _WALL)
        if os.WIFSTOPPED(status):
            _stopped(thread, leader, status, seen)
        elif thread == leader:
            return os.waitstatus_to_exitcode(status)


def _stopped(thread: int, leader: int, status: int, seen: Callable[[Call, Stopped], None]) -> None:
    number, event = os.WSTOPSIG(status), status >> 16
    if event == _EVENT_SECCOMP:
        call = _call(thread)
        if call is not None:
            seen(call, Stopped(thread, leader))
        number = 0
    elif event or number in {signal.SIGSTOP, signal.SIGTRAP}:
        number = 0  # a thread that begins
    _go_on(thread, number)


def _call(thread: int) -> Call | None:
    into = ctypes.create_string_buffer(88)
    try:
        _ptrace(_SYSCALL_INFO, thread, 88, ctypes.addressof(into))
    except ProcessLookupError:
        return None
    number, first, second, third = struct.unpack_from("<4Q", into.raw, 24)
    name = _BY_NUMBER[number]
    place = ""
    if name in _BY_DESCRIPTOR:
        try:
            place = os.readlink(f"/proc/{thread}/fd/{first}")
        except OSError:
            return None
    return Call(name, place, second, third)


def _go_on(thread: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # killed meanwhile; waitpid tells
        _ptrace(_CONT, thread, 0, number)


def _ptrace(request: int, thread: int, address: int, data: int) -> None:
    if _libc.ptrace(request, thread, address, data) == -1 and (number := ctypes.get_errno()):
        if number == errno.ESRCH:
            raise ProcessLookupError(number, "gone")
        raise OSError(number, os.strerror(number))


def _stop_at_calls() -> None:
    """Ask the kernel to stop this process, and all its threads to come, at each of the calls."""
    code = [(_LOAD, 0, 0, 4), (_IS, 1, 0, _ARCH), (_RETURN, 0, 0, _ALLOW), (_LOAD, 0, 0, 0)]
    third_argument = 16 + 2 * 8
    code += [(_IS, 0, 4, NUMBERS["openat"]), (_LOAD, 0, 0, third_argument)]
    code += [(_HAS, 0, 1, _O_CREAT), (_RETURN, 0, 0, _TRACE), (_RETURN, 0, 0, _ALLOW)]
    for name, number in NUMBERS.items():
        if name != "openat":
            code += [(_IS, 0, 1, number), (_RETURN, 0, 0, _TRACE)]
    code.append((_RETURN, 0, 0, _ALLOW))
    filters = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in code))
    program = ctypes.create_string_buffer(
        struct.pack("<HxxxxxxQ", len(code), ctypes.addressof(filters))
    )
    no_new_privileges, set_seccomp, by_filter = 38, 22, 2
    _libc.prctl(no_new_privileges, 1, 0, 0, 0)
    if _libc.prctl(set_seccomp, by_filter, ctypes.c_void_p(ctypes.addressof(program)), 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
