"""What runs first in a new network and mount namespace: netns_inside.py HOSTS_FILE SOCKET.

Sends a socket that listens at port 443 through SOCKET, and keeps the namespaces alive until the other end is closed.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys

SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C
IFF_UP = 1
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18

# Nix takes a machine with no address but the loopback one to be offline, and changes its settings.
SECOND_ADDRESS = "192.0.2.1"


def main(hosts: str, channel: int) -> None:
    """Set the namespaces up and wait."""
    mount("none", "/", MS_REC | MS_PRIVATE)
    mount(hosts, "/etc/hosts", MS_BIND)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        flags = struct.pack("16sh14x", b"lo", IFF_UP)
        fcntl.ioctl(control, SIOCSIFFLAGS, flags)
        set_address(control, b"lo:1", SIOCSIFADDR, SECOND_ADDRESS)
        set_address(control, b"lo:1", SIOCSIFNETMASK, "255.255.255.255")
    with socket.socket(fileno=channel) as parent:
        with socket.create_server(("127.0.0.1", 443), backlog=128) as listener:
            socket.send_fds(parent, [b"ready"], [listener.fileno()])
        parent.recv(1)


def mount(source: str, target: str, flags: int) -> None:
    """Call mount(2)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), None, ctypes.c_ulong(flags), None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


def set_address(control: socket.socket, name: bytes, request: int, address: str) -> None:
    """Give an interface an address or a netmask."""
    fcntl.ioctl(control, request, struct.pack("16sHH4s8x", name, socket.AF_INET, 0, socket.inet_aton(address)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
