"""What `forked` talks to: forked_server.py NAME. Imports flakesync, then forks for each command it is sent."""

import ctypes
import gc
import importlib
import json
import os
import pkgutil
import random
import select
import socket
import sys
import tempfile
import time

from tests.kill import tracer

NAMESPACES = ("user", "net", "mnt")
# What commands import when they first need it.
PRELOADED = (
    "concurrent.futures.thread", "encodings.idna", "git", "httpcore2", "httpx2", "netrc", "networkx", "pygit2",
    "rich.console", "tree_sitter", "tree_sitter_nix", "truststore", "typer",
)  # fmt: skip


def main(name: str) -> None:
    """Serve on the socket of this name until stdin is closed."""
    import flakesync

    ours = (module.name for module in pkgutil.walk_packages(flakesync.__path__, "flakesync."))
    for module in (*PRELOADED, *ours):
        if module != "flakesync.__main__":
            importlib.import_module(module)
    gc.freeze()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        os.write(1, b"!")
        while 0 not in select.select([0, listener.fileno()], [], [])[0]:
            client, _ = listener.accept()
            with client:
                data, streams, _, _ = socket.recv_fds(client, 1 << 20, 2)
                order = json.loads(data)
                child = os.fork()
                if child == 0:
                    client.close()
                    listener.close()
                    if order["trace"] is not None:
                        tracer.submit()
                    become(order, streams)
                for stream in streams:
                    os.close(stream)
                client.send(json.dumps(wait(child, order["trace"])).encode())


def wait(child: int, trace: "dict[str, object] | None") -> dict[str, object]:
    """Return the exit status of a child, and for one that is traced what else `tracer.Traced` has."""
    if trace is None:
        return {"status": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}
    return tracer.trace(child, tracer.Order(**trace)).document()  # type: ignore[arg-type]


def become(order: dict[str, object], streams: list[int]) -> None:
    """Become the command."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
        os.close(stream)
    # As Python itself opens them, which looks at what they are.
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(order["env"])  # type: ignore[call-overload]
    if order["network_of"] is not None:
        enter(f"/proc/{order['network_of']}/ns")
    os.chdir(str(order["cwd"]))
    sys.argv = ["flakesync", *order["argv"]]  # type: ignore[misc]
    forget()
    hurry()
    from flakesync.cli.main import main as flakesync

    flakesync()


def enter(namespaces: str) -> None:
    """Enter another process's namespaces (setns(2)); those that are ours already stay."""
    libc = ctypes.CDLL(None, use_errno=True)
    others = [
        name for name in NAMESPACES if os.readlink(f"{namespaces}/{name}") != os.readlink(f"/proc/self/ns/{name}")
    ]
    handles = [os.open(f"{namespaces}/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in others]
    for handle in handles:
        if libc.setns(handle, 0) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        os.close(handle)


def hurry() -> None:
    """Let the pauses before another try take a fiftieth of their time; those that a server asks for stay."""
    from flakesync.forge import client
    from flakesync.git.remotes import tries

    for module, name in ((client, "_PAUSES_S"), (tries, "PAUSES_S")):
        setattr(module, name, tuple(pause / 50 for pause in getattr(module, name)))


def forget() -> None:
    """Forget what libraries have remembered of the environment that they were imported in."""
    import pygit2
    from pygit2.enums import ConfigLevel

    time.tzset()
    random.seed()
    tempfile.tempdir = None
    home = os.environ["HOME"]
    pygit2.settings.search_path[ConfigLevel.GLOBAL] = home
    pygit2.settings.search_path[ConfigLevel.XDG] = f"{os.environ.get('XDG_CONFIG_HOME', f'{home}/.config')}/git"
    pygit2.settings.search_path[ConfigLevel.SYSTEM] = ""


if __name__ == "__main__":
    main(sys.argv[1])
