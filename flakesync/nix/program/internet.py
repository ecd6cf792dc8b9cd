"""Whether Nix takes this machine for one with a network (`haveInternet` of Nix: any address besides loopback).

Before 2.34 Nix switches substituters off where there is none, even those that are folders.
"""

import contextlib
import fcntl
import socket
import struct
from pathlib import Path

_ASK_ADDRESS = 0x8915
"""SIOCGIFADDR of Linux."""


def has_network() -> bool:
    """Tell whether any interface has an address that is neither loopback nor, with IPv6, of the link alone."""
    return any(map(_has_address, _interfaces())) or _has_address_6()


def _interfaces() -> list[str]:
    try:
        return [name for _, name in socket.if_nameindex()]
    except OSError:
        return []


def _has_address(interface: str) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        found = fcntl.ioctl(asked, _ASK_ADDRESS, struct.pack("256s", interface.encode()[:15]))
        return found[20] != 127
    return False


def _has_address_6() -> bool:
    try:
        lines = Path("/proc/net/if_inet6").read_text("ascii", "replace").splitlines()
    except OSError:
        return False
    addresses = [line.split()[0] for line in lines if line.split()]
    return any(each != "0" * 31 + "1" and not each.startswith("fe8") for each in addresses)
