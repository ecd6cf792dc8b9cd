"""graph, drift and plan over 50,000 repos: processor time and greatest memory, each at the first and the second time.

The repos are bare and made by hand, as cheaply as they can be: four loose objects each, what is the same for all of
them linked. That takes a minute or two, 700,000 files and folders, and 2.6 GB below TMPDIR, which are removed in the
end. Each has a lock of 20 nodes: nixpkgs, two repos of the workspace, whose nixpkgs follows it, and what does not move.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.measure import python, show
from tests.support import locks

COUNT = 50_000
NODES = 20
MOST_SECONDS = 10
MOST_BYTES = 1_500_000_000
COMMANDS = {"drift": (1,), "graph": (0,), "plan": (0,)}
"""Commands and their exit statuses: there is drift, so that a start that fails at once is not taken for quick."""
_REV = "{:040x}".format
_WHO = b"Bench <bench@x.example> 1700000000 +0000"
Row = tuple[str, str, str]


class Maker:
    """Makes repos `r0` … in a folder, upstreams first: each takes those with half and a third of its number."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._tips: list[str] = []
        self.edges = 0
        for name, content in (("HEAD", "ref: refs/heads/main\n"), ("config", "[core]\n\tbare = true\n")):
            (root / name).write_text(content)

    def make(self, count: int) -> Path:
        """Make `count` repos and their manifest, which is returned."""
        for number in range(count):
            self._add(number)
        lines = ['[workspace]\nname = "huge"\nbase = "main"\n']
        lines.append('[pins.nixpkgs]\nsource = "github:NixOS/nixpkgs/nixos-25.11"\ntarget = "newest-locked"\n')
        lines += [f'[repos.r{number}]\nurl = "github:acme/r{number}"\npath = "r{number}"\n' for number in range(count)]
        manifest = self._root / "workspace.toml"
        manifest.write_text("\n".join(lines))
        return manifest

    def _add(self, number: int) -> None:
        above = sorted({number // 2, number // 3} - {number})
        self.edges += len(above)
        git_dir = f"{self._root}/r{number}"
        os.makedirs(f"{git_dir}/refs/heads")
        os.mkdir(f"{git_dir}/objects")
        for name in ("HEAD", "config"):
            os.link(self._root / name, f"{git_dir}/{name}")
        nix = _write(git_dir, b"blob", "".join(self._flake_nix(above)).encode())
        lock = _write(git_dir, b"blob", self._lock(number, above))
        entries = ((b"flake.lock", lock), (b"flake.nix", nix))
        tree = _write(
            git_dir, b"tree", b"".join(b"100644 %s\0%s" % (name, bytes.fromhex(oid)) for name, oid in entries)
        )
        tip = _write(git_dir, b"commit", b"tree %s\nauthor %s\ncommitter %s\n\nBegin\n" % (tree.encode(), _WHO, _WHO))
        with open(f"{git_dir}/refs/heads/main", "w") as file:
            file.write(f"{tip}\n")
        self._tips.append(tip)

    def _flake_nix(self, above: list[int]) -> Iterator[str]:
        yield "{\n"
        yield '  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";\n'
        yield from (f'  inputs.r{each}.url = "github:acme/r{each}";\n' for each in above)
        yield from (f'  inputs.r{each}.inputs.nixpkgs.follows = "nixpkgs";\n' for each in above)
        yield from (f'  inputs.extra{each}.url = "github:other/extra{each}";\n' for each in range(_extra(above)))
        yield "  outputs = _: { };\n}\n"

    def _lock(self, number: int, above: list[int]) -> bytes:
        inputs = {"nixpkgs": locks.github("NixOS", "nixpkgs", ref="nixos-25.11", rev=_REV(number % 7 + 1))}
        inputs |= {f"r{each}": locks.github("acme", f"r{each}", rev=self._tips[each]) for each in above}
        inputs |= {f"extra{each}": _EXTRA[each] for each in range(_extra(above))}
        nodes = {
            name: {
                **({"inputs": _FOLLOWED} if name[1:].isdigit() else {}),
                "locked": each.locked,
                "original": each.original,
            }
            for name, each in inputs.items()
        }
        root = {"inputs": {name: name for name in inputs}}
        return json.dumps({"nodes": {**nodes, "root": root}, "root": "root", "version": 7}, indent=2).encode() + b"\n"


_FOLLOWED = {"nixpkgs": ["nixpkgs"]}
_EXTRA = [locks.github("other", f"extra{number}", rev=_REV(1000 + number)) for number in range(NODES)]


def _extra(above: list[int]) -> int:
    return NODES - 1 - len(above)


def _write(git_dir: str, kind: bytes, data: bytes) -> str:
    whole = b"%s %d\0%s" % (kind, len(data), data)
    oid = hashlib.sha1(whole).hexdigest()
    folder = f"{git_dir}/objects/{oid[:2]}"
    if not os.path.isdir(folder):
        os.mkdir(folder)
    with open(f"{folder}/{oid[2:]}", "wb") as file:
        file.write(zlib.compress(whole, 1))
    return oid


def spent(argv: Sequence[str], statuses: Sequence[int]) -> tuple[float, int]:
    """Run a process; return its processor seconds, and its greatest resident size in bytes (Linux counts in KiB)."""
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in statuses:
        raise RuntimeError(f"{argv}: status {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def rows(folder: Path, count: int) -> Iterator[Row]:
    """Give a row for each command, the first time and the second one."""
    begin = time.process_time()
    maker = Maker(folder)
    manifest = maker.make(count)
    print(f"{count:,} repos, {maker.edges:,} edges, made in {time.process_time() - begin:.0f} s", file=sys.stderr)
    del maker
    for command, statuses in COMMANDS.items():
        for which in ("first", "second") if command == "drift" else ("second",):
            argv = python("-m", "flakesync", command, "--json", "--offline", "--local", "-w", str(manifest))
            seconds, peak_bytes = spent(argv, statuses)
            figure = f"{seconds:.1f} s, {peak_bytes / 1e6:.0f} MB"
            print(f"{command}, {which} time: {figure}", file=sys.stderr)
            yield (
                f"{command} of {count:,} repos, {which} time",
                figure,
                f"≤ {MOST_SECONDS} s, ≤ {MOST_BYTES / 1e9:g} GB",
            )


def main() -> None:
    """Print the table. An argument: another number of repos."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    folder = Path(tempfile.mkdtemp(prefix="flakesync-huge-"))
    os.environ["FLAKESYNC_CACHE"] = str(folder / "cache")
    try:
        show(list(rows(folder, count)))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
