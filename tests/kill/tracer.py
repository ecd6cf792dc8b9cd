"""Stops a process, and all that it starts, before each system call that changes a file or sends something.

With ptrace(2): what git and C libraries do is seen like what Python does. A filter (seccomp) lets all other calls pass
at full speed. Linux on x86-64.
"""

import contextlib
import ctypes
import errno
import os
import platform
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Mode = Literal["run", "all", "full", "full-once"]
"""What happens at the moment: the run is killed and its git goes on · the run and all that it started are killed · the
disk is full from now on · this one call finds it full."""

# include/uapi/linux/ptrace.h, seccomp.h, prctl.h
_TRACEME, _CONT, _GETREGS, _SETREGS, _SETOPTIONS = 0, 7, 12, 13, 0x4200
_OPTIONS = 0x02 | 0x04 | 0x08 | 0x10 | 0x80 | 0x100000  # fork, vfork, clone, exec, seccomp; all are killed with us
EVENT_EXEC, EVENT_SECCOMP = 4, 7
_WALL = 0x40000000
_NO_NEW_PRIVS, _SECCOMP, _FILTER = 38, 22, 2
_ALLOW, _TRACE = 0x7FFF0000, 0x7FF00000
_LOAD, _JUMP_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x45, 0x06
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

# arch/x86/entry/syscalls/syscall_64.tbl; the numbers are of their arguments.
_OPENS = {2: ("open", 1), 257: ("openat", 2)}
_ON_DESCRIPTORS = {1: "write", 18: "pwrite", 20: "writev", 40: "sendfile", 44: "sendto", 46: "sendmsg", 326: "copy"}
_ON_PATHS = {
    76: ("truncate", 0), 82: ("rename", 1), 83: ("mkdir", 0), 84: ("rmdir", 0), 85: ("creat", 0), 86: ("link", 1),
    87: ("unlink", 0), 88: ("symlink", 1), 90: ("chmod", 0), 258: ("mkdir", 1), 263: ("unlink", 1), 264: ("rename", 3),
    265: ("link", 3), 266: ("symlink", 2), 268: ("chmod", 1), 280: ("utime", 1), 316: ("rename", 3),
}  # fmt: skip
_ON_OPEN_FILES = {77: "truncate", 91: "chmod"}
_NEEDS_ROOM = {"open", "openat", "creat", "write", "pwrite", "writev", "sendfile", "copy", "mkdir", "link", "symlink",
               "rename"}  # fmt: skip

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


class _Registers(ctypes.Structure):
    # struct user_regs_struct
    _fields_ = [(name, ctypes.c_ulonglong) for name in (
        "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
        "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
    )]  # fmt: skip


class _Line(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("lines", ctypes.POINTER(_Line))]


@dataclass(frozen=True)
class Order:
    """number: of the moment at which `mode` happens, from 1; 0: at none. root: changes elsewhere do not count.

    Where the disk is full, only moments that need room are counted.
    """

    number: int
    mode: Mode
    root: str


@dataclass
class Traced:
    """What became of a run. status: negative for a signal. moments: how many there were; of_room: that need room.

    what: it was about to do at its moment.
    """

    status: int = 0
    moments: int = 0
    of_room: int = 0
    what: str = ""
    live: set[int] = field(default_factory=set)

    def document(self) -> dict[str, object]:
        """Return it for JSON."""
        return {"status": self.status, "moments": self.moments, "of_room": self.of_room, "what": self.what}


def available() -> bool:
    """Tell whether processes can be traced here."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


def submit(calls: Sequence[int] = ()) -> None:
    """Let the parent trace this process from here on; it waits until that goes on with it.

    calls: numbers of the system calls before which it stops; none: those that change a file or send something.
    """
    _ptrace(_TRACEME, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
    lines = [*(_filter_of(calls) if calls else _filter())]
    program = _Program(len(lines), (_Line * len(lines))(*lines))
    for order in ((_NO_NEW_PRIVS, 1, 0, 0, 0), (_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)):
        if _libc.prctl(*order) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


def _filter() -> Iterator[_Line]:
    """Give a BPF program that hands over the calls above, opening a file only where it is opened for writing."""
    plain = [*_ON_DESCRIPTORS, *_ON_PATHS, *_ON_OPEN_FILES]
    yield _Line(_LOAD, 0, 0, 0)  # seccomp_data.nr
    left = len(plain) + 4 * len(_OPENS)
    for number in plain:
        left -= 1
        yield _Line(_JUMP_EQUAL, left + 1, 0, number)
    for number, (_, flags) in _OPENS.items():
        left -= 4
        yield _Line(_JUMP_EQUAL, 0, 3, number)
        yield _Line(_LOAD, 0, 0, 16 + 8 * flags)  # seccomp_data.args[flags], its lower half
        yield _Line(_JUMP_SET, left + 2, 0, _WRITES)
        yield _Line(_RETURN, 0, 0, _ALLOW)
    yield _Line(_RETURN, 0, 0, _ALLOW)
    yield _Line(_RETURN, 0, 0, _TRACE)


def _filter_of(calls: Sequence[int]) -> Iterator[_Line]:
    yield _Line(_LOAD, 0, 0, 0)
    for left, number in zip(range(len(calls) - 1, -1, -1), calls, strict=True):
        yield _Line(_JUMP_EQUAL, left + 1, 0, number)
    yield _Line(_RETURN, 0, 0, _ALLOW)
    yield _Line(_RETURN, 0, 0, _TRACE)


def trace(pid: int, order: Order) -> Traced:
    """Carry out an order on a child that has called `submit`; return when it, and all that it has started, is gone."""
    found = Traced(live={pid})

    def stopped(who: int, event: int) -> None:
        if event == EVENT_SECCOMP:
            _stopped(found, order, pid, who)

    found.status = follow(pid, found.live, stopped)
    return found


def follow(pid: int, live: set[int], stopped: Callable[[int, int], None]) -> int:
    """Go on with a child that has called `submit`, until it, and all that it has started, is gone; return its status.

    live: what of it there is, kept up to date. stopped: is told of each stop: which process or thread, at which event.
    """
    status_of_it = 0
    os.waitpid(pid, 0)
    _ptrace(_SETOPTIONS, pid, _OPTIONS)
    _ptrace(_CONT, pid)
    known = {pid}
    while live:
        try:
            who, status = os.waitpid(-1, _WALL)
        except ChildProcessError:
            break
        if not os.WIFSTOPPED(status):
            live.discard(who)
            if who == pid:
                status_of_it = os.waitstatus_to_exitcode(status)
            continue
        live.add(who)
        sent, event = os.WSTOPSIG(status), status >> 16
        if event:
            stopped(who, event)
        # A new process, or thread, is stopped by a SIGSTOP that nobody has sent.
        pass_on = 0 if event or (sent == signal.SIGSTOP and who not in known) else sent
        known.add(who)
        with contextlib.suppress(ProcessLookupError):
            _ptrace(_CONT, who, pass_on)
    return status_of_it


def call_of(who: int) -> int:
    """Return the number of the system call that a stopped process or thread is about to make. Raises OSError."""
    registers = _Registers()
    _ptrace(_GETREGS, who, ctypes.addressof(registers))
    return int(registers.orig_rax)


def _stopped(found: Traced, order: Order, pid: int, who: int) -> None:
    """Count the call that `who` is about to make, if it is one, and do what is due at this moment."""
    registers = _Registers()
    try:
        _ptrace(_GETREGS, who, ctypes.addressof(registers))
        call = _call(who, registers, order.root)
    except OSError:  # it has been killed meanwhile
        return
    if call is None or pid not in found.live:
        return
    name, what = call
    found.moments += 1
    found.of_room += name in _NEEDS_ROOM
    full = order.mode in ("full", "full-once")
    if full and name not in _NEEDS_ROOM:
        return
    now = found.of_room if full else found.moments
    if now != order.number and not (order.mode == "full" and now > order.number > 0):
        return
    if not found.what:
        found.what = f"{_program(who, pid)}: {name} {what.removeprefix(order.root)}"
    if full:
        registers.orig_rax, registers.rax = 2**64 - 1, 2**64 - errno.ENOSPC  # no call, and this answer
        _ptrace(_SETREGS, who, ctypes.addressof(registers))
        return
    for each in [pid] if order.mode == "run" else sorted(found.live):
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def _call(who: int, registers: _Registers, root: str) -> tuple[str, str] | None:
    """Return the name of a call and what it is about; None: it changes nothing below `root` and sends nothing."""
    number = registers.orig_rax
    arguments = (registers.rdi, registers.rsi, registers.rdx, registers.r10)
    if number in _ON_DESCRIPTORS or number in _ON_OPEN_FILES:
        name = _ON_DESCRIPTORS.get(number) or _ON_OPEN_FILES[number]
        # copy_file_range names what it reads from first.
        place = os.readlink(f"/proc/{who}/fd/{arguments[2 if name == 'copy' else 0]}")
        if place.startswith("socket:"):
            return "send", ""
        return (name, place) if place.startswith(root) else None
    name, at = _OPENS[number] if number in _OPENS else _ON_PATHS[number]
    at = (0 if number == 2 else 1) if number in _OPENS else at
    path = _text(who, arguments[at])
    folder = f"/proc/{who}/cwd"
    takes_folder = number >= 257  # the *at calls
    if takes_folder and (descriptor := ctypes.c_int(arguments[at - 1] & 0xFFFFFFFF).value) >= 0:
        folder = f"/proc/{who}/fd/{descriptor}"
    place = os.path.normpath(os.path.join(os.readlink(folder), path))
    return (name, place) if place.startswith(root) else None


def _text(who: int, address: int) -> str:
    if address == 0:  # utimensat on an open file
        return ""
    with open(f"/proc/{who}/mem", "rb", 0) as memory:
        memory.seek(address)
        data = b""
        while b"\0" not in data and len(data) < 4096:
            # Not across a page: the next one may not be there.
            piece = memory.read(4096 - (address + len(data)) % 4096)
            if not piece:
                break
            data += piece
    return os.fsdecode(data.partition(b"\0")[0])


def _program(who: int, pid: int) -> str:
    """Return what a process or thread is, without the settings that git is given."""
    status = Path(f"/proc/{who}/status").read_text()
    if f"\nTgid:\t{pid}\n" in status:
        return "flakesync"
    words = Path(f"/proc/{who}/cmdline").read_bytes().decode("utf-8", "replace").rstrip("\0").split("\0")
    pairs = zip(["", *words], words, strict=False)
    return " ".join(word for before, word in pairs if "-c" not in (before, word))[:120]


def _ptrace(request: int, who: int, data: int = 0) -> None:
    if _libc.ptrace(request, who, None, data) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
