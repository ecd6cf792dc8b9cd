"""Run a program with the restrictions of a service, where systemd is not the first process.

    unshare --mount python -m tests.packaging.fence SETTINGS.json PROGRAM ARGUMENT…

SETTINGS.json: `service`, the settings of the unit; `writable`, the folders that stand for the service's own. What is
done: NoNewPrivileges, CapabilityBoundingSet, ProtectSystem=strict, ProtectHome, SystemCallFilter with
SystemCallErrorNumber, RestrictAddressFamilies, RestrictNamespaces. The user stays root, without its capabilities.
"""

import ctypes
import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ALLOW = 0x7FFF0000
EQUAL, MASKED_EQUAL = 4, 7
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
NAMESPACES = 0x7E020000 | 0x02000000
"""The flags of clone(2) that make one: of cgroups, hosts' names, mounts, messages, networks, processes and users."""
HOMES = ("/home", "/root")
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38


class Comparison(ctypes.Structure):
    """`struct scmp_arg_cmp`: what an argument of a system call has to be."""

    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def calls(name: str) -> set[str]:
    """Return the system calls of a set of systemd's, those of the sets in it too."""
    argv = ["systemd-analyze", "--no-pager", "syscall-filter", name]
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()[1:]
    found = {line.strip() for line in lines if line.strip() and not line.strip().startswith("#")}
    return {each for each in found if not each.startswith("@")}.union(*(calls(e) for e in found if e.startswith("@")))


def allowed(filters: list[str]) -> set[str]:
    """Return the system calls that lines of SystemCallFilter leave, of which the first one allows some."""
    found: set[str] = set()
    for each in filters:
        found = found - calls(each[1:]) if each.startswith("~") else found | calls(each)
    return found


def restrict(service: dict[str, Any]) -> None:
    """Filter the system calls of this process and of all that it starts."""
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    refuse = 0x00050000 | getattr(errno, service["SystemCallErrorNumber"])
    context = ctypes.c_void_p(lib.seccomp_init(ctypes.c_uint32(refuse)))

    def add(name: str, *comparisons: Comparison, action: int = ALLOW) -> None:
        number = lib.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            array = (Comparison * max(1, len(comparisons)))(*comparisons)
            done = lib.seccomp_rule_add_array(context, ctypes.c_uint32(action), number, len(comparisons), array)
            assert done == 0, name

    assert service["RestrictNamespaces"] is True
    for name in allowed(service["SystemCallFilter"]) - {"unshare", "setns", "clone", "clone3", "socket"}:
        add(name)
    for family in service["RestrictAddressFamilies"]:
        add("socket", Comparison(0, EQUAL, FAMILIES[family], 0))
    add("clone", Comparison(0, MASKED_EQUAL, NAMESPACES, 0))
    add("clone3", action=0x00050000 | errno.ENOSYS)  # its flags lie in memory; glibc then takes clone
    assert lib.seccomp_load(context) == 0


def mounts() -> Iterator[str]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        place = line.split()[1]
        if not place.startswith(("/proc", "/sys")):
            yield place


def close(service: dict[str, Any], writable: list[str]) -> None:
    """Make all that is mounted read-only, but some folders, and hide home folders. This process alone sees it so."""
    assert (service["ProtectSystem"], service["ProtectHome"]) == ("strict", True)
    mount("--make-rprivate", "/")
    for home in HOMES:
        # An interpreter that lies there is needed.
        if Path(home).exists() and not sys.base_prefix.startswith(f"{home}/"):
            mount("-t", "tmpfs", "-o", "mode=000", "tmpfs", home)
    for folder in writable:
        mount("--bind", folder, folder)
    for place in [*mounts()]:
        if place not in writable:
            subprocess.run(["mount", "-o", "remount,bind,ro", place], capture_output=True, check=False)


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def main() -> None:
    """Take on the restrictions, then become the program."""
    given = json.loads(Path(sys.argv[1]).read_text())
    service = given["service"]
    close(service, given["writable"])
    libc = ctypes.CDLL(None)
    assert (service["CapabilityBoundingSet"], service["NoNewPrivileges"]) == ("", True)
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    restrict(service)
    os.umask(int(service["UMask"], 8))
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
