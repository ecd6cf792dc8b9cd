"""`bundle` and `import` of four flakes against a loop of `nix flake archive --to`; memory; a second bundle.

The large source is made up: as many files and bytes as nixpkgs, text that packs about as well. Four revs of it and four
of a small one are what four flakes lock. Nix writes the locks, and forgets all it has fetched before the loop begins.
What is wanted is in the last column; figures are processor time, which other processes change little.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import tomli_w

from benchmarks.measure import peak_bytes, python, run, show
from benchmarks.native import timed
from flakesync.demo.airgap import make_sides
from flakesync.demo.timeline import LAST_DAY
from flakesync.nix.program.command import Nix
from tests.bundle.send.sender import hash_of_commit
from tests.support import locks, repos
from tests.support.nix import isolation, remove_state, write_conf

Row = tuple[str, str, str]

LARGE_FILES, SMALL_FILES = 30_685, 4_635
LARGE_FILE_BYTES, SMALL_FILE_BYTES = 6_200, 1_550
REVS = 4
CHANGED, ADDED = 1_000, 60
HUGE = 4
"""How many times as large the source is whose memory is looked at again."""
_WHO = "Bench <bench@x.example>"
_WORDS = 1_200


@dataclass(frozen=True)
class Ground:
    """Four flakes, locked. root: their folder."""

    root: Path

    @property
    def flakes(self) -> list[Path]:
        """The flakes."""
        return sorted(self.root.glob("flake*"))

    def cold(self) -> dict[str, str]:
        """Return an environment, made now, in which neither Nix nor flakesync knows a thing."""
        state = self.root / "state"
        remove_state(state)
        (state / "conf").mkdir(parents=True)
        write_conf(state / "conf")
        return {**os.environ, **isolation(state), "XDG_CACHE_HOME": str(state / "cache"), "HOME": str(state)}


def make_source(folder: Path, files: int, size: int, revs: int) -> list[str]:
    """Make a repository with commits of this many files of this size, each changed a little; return the commits."""
    repos.make_bare(folder, {})
    chance = random.Random(15)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9))) for _ in range(_WORDS)]
    stream = subprocess.Popen(["git", "fast-import", "--quiet"], cwd=folder, stdin=subprocess.PIPE)
    assert stream.stdin is not None
    for number in range(revs):
        head = f"commit refs/heads/main\ncommitter {_WHO} {repos.DATE + number} +0000\ndata 1\n.\n"
        parent = "from refs/heads/main^0\n" if number == 0 else ""
        stream.stdin.write((head + parent).encode())
        for path, data in _files(chance, words, files, size, number):
            stream.stdin.write(f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n")
    stream.stdin.close()
    if stream.wait() != 0:
        raise RuntimeError("git fast-import failed")
    listed = subprocess.run(["git", "rev-list", "--reverse", "main"], cwd=folder, capture_output=True, check=True)
    return listed.stdout.decode().split()[-revs:]


def _files(chance: random.Random, words: list[str], files: int, size: int, number: int) -> Iterator[tuple[str, bytes]]:
    """Give the files of the first commit, or those that a later one changes and adds."""
    if number == 0:
        yield "flake.nix", b"{ outputs = _: { v = 1; }; }\n"
        chosen = [*range(files - 1)]
    else:
        changed = min(CHANGED, files // 30)
        more = files * 10 + number * ADDED
        chosen = [*sorted(chance.sample(range(files - 1), changed)), *range(more, more + ADDED)]
    for each in chosen:
        text = " ".join(chance.choices(words, k=size // 7)).replace(" q", ";\n  q")
        yield f"pkgs/{each % 211:03}/{each:06}.nix", text.encode()[:size]


def make_ground(root: Path) -> Ground:
    """Make the sources, four flakes on them, and a manifest; Nix writes the locks."""
    large = make_source(root / "large", LARGE_FILES, LARGE_FILE_BYTES, REVS)
    small = make_source(root / "small", SMALL_FILES, SMALL_FILE_BYTES, REVS)
    ground = Ground(root)
    for number in range(REVS):
        inputs = {"large": large[number], "small": small[number]}
        make_flake(root, f"flake{number}", inputs)
    env = ground.cold()
    for flake in ground.flakes:
        lock(flake, env)
    write_manifest(root, [flake.name for flake in ground.flakes])
    return ground


def make_flake(root: Path, name: str, inputs: dict[str, str]) -> None:
    """Make a flake that takes revs of the sources beside it."""
    lines = [f'  inputs.{each}.url = "git+file://{root}/{each}?ref=main&rev={rev}";' for each, rev in inputs.items()]
    repos.make_repo(root / name, {"flake.nix": "\n".join(["{", *lines, "  outputs = _: { };", "}", ""])})


def lock(flake: Path, env: dict[str, str]) -> None:
    """Let Nix lock a flake, and commit that."""
    subprocess.run([Nix.find().program, "flake", "lock"], cwd=flake, env=env, check=True, capture_output=True)
    repos.commit(flake, {"flake.lock": (flake / "flake.lock").read_text()})


def write_manifest(root: Path, names: list[str]) -> None:
    """Write workspace.toml."""
    listed = {"workspace": {"name": "bench"}, "repos": {name: {"path": name} for name in names}}
    (root / "workspace.toml").write_text(tomli_w.dumps(listed))


def flakesync(*argv: str) -> list[str]:
    """Return the command."""
    return python("-m", "flakesync", *argv)


def nix_loop(ground: Ground) -> None:
    """Copy all inputs of each flake into a cache, packed with zstd as the bundle is."""
    nix, env = Nix.find(), ground.cold()
    cache = f"file://{ground.root}/nix-cache?compression=zstd"
    for flake in ground.flakes:
        subprocess.run([nix.program, "flake", "archive", "--to", cache], cwd=flake, env=env, check=True,
                       capture_output=True)  # fmt: skip


def full(folder: Path) -> list[Row]:
    """Return the rows of four flakes: everything, for the first time."""
    ground = make_ground(folder)
    root, rows = ground.root, list[Row]()
    _, of_nix = timed(partial(nix_loop, ground))
    bundle = flakesync("bundle", "-q", "-j1", "-w", str(root / "workspace.toml"), "-o", str(root / "out"))
    os.environ |= {"XDG_CACHE_HOME": str(root / "own")}
    peaks: list[int] = []
    _, of_bundle = timed(lambda: peaks.append(peak_bytes(bundle)))
    taken = flakesync("import", "-q", str(root / "out"), "--cache", str(root / "sources"))
    _, of_import = timed(lambda: peaks.append(peak_bytes(taken)))
    version = Nix.find().version_text
    what = f"`nix flake archive --to …?compression=zstd` of 4 flakes, {version}"
    size, theirs = _size(root / "out"), _size(root / "nix-cache")
    rows.append((f"full bundle of 8 sources, 4 of them of 197 MB / {what}", _ratio(of_bundle, of_nix), "≤ 0.65"))
    rows.append(("its import / the same", _ratio(of_import, of_nix), "≤ 0.1"))
    rows.append(("its bytes / those of Nix's cache", f"{size / theirs:.2f} ({size / 1e6:.0f} MB)", "≤ 1.02"))
    rows.append(("bundle, import: greatest memory", " and ".join(f"{peak / 1e6:.0f} MB" for peak in peaks), "≤ 150 MB"))
    return rows


def huge(folder: Path) -> Row:
    """Return the row of one source that is four times as large."""
    (rev,) = make_source(folder / "large", LARGE_FILES * HUGE, LARGE_FILE_BYTES, 1)
    make_flake(folder, "flake0", {"large": rev})
    node = {"type": "git", "url": f"file://{folder}/large", "ref": "refs/heads/main", "rev": rev,
            "narHash": hash_of_commit(folder / "large", rev), "lastModified": repos.DATE, "revCount": 2}  # fmt: skip
    original = {key: node[key] for key in ("type", "url", "ref", "rev")}
    written = locks.to_bytes(locks.lock({"large": locks.Input(node, original)}))
    repos.commit(folder / "flake0", {"flake.lock": written.decode()})
    write_manifest(folder, ["flake0"])
    os.environ |= {"XDG_CACHE_HOME": str(folder / "own")}
    sent = peak_bytes(flakesync("bundle", "-q", "-w", str(folder / "workspace.toml"), "-o", str(folder / "out")))
    taken = peak_bytes(flakesync("import", "-q", str(folder / "out"), "--cache", str(folder / "sources")))
    figures = f"{sent / 1e6:.0f} MB and {taken / 1e6:.0f} MB"
    return f"bundle, import of one source of {197 * HUGE} MB: greatest memory", figures, "≤ 150 MB"


def second(folder: Path) -> list[Row]:
    """Return the rows of a second bundle, of a workspace of eight repos that has not changed."""
    sides = make_sides(folder / "demo", LAST_DAY)
    os.environ |= {**sides.connected_environment, "XDG_CACHE_HOME": str(folder / "own")}
    os.chdir(sides.connected)
    run(flakesync("bundle", "-q", "-o", "../first"))
    more = flakesync("bundle", "-q", "-o", "../second", "--base", "../first")
    seconds = []
    for _ in range(5):
        shutil.rmtree("../second", ignore_errors=True)
        seconds.append(timed(partial(run, more)))
    wall, processor = map(min, zip(*seconds, strict=True))
    blobs = [path for path in Path("../second/blobs").rglob("*") if path.is_file()]
    size = _size(Path("../second"))
    manifest = msgspec.json.decode(Path("../second/index.json").read_bytes())
    assert manifest["schemaVersion"] == 2
    took = f"{wall:.2f} s ({processor:.2f} s of processor)"
    return [
        ("second bundle of an unchanged workspace, 8 repos", took, "≤ 0.5 s"),
        ("its bytes, and its blobs", f"{size / 1000:.1f} kB, {len(blobs)}", "< 50 kB"),
    ]


def _ratio(ours: float, theirs: float) -> str:
    return f"{ours / theirs:.2f} ({ours:.1f} s against {theirs:.1f} s)"


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Print the table; arguments: `full`, `huge`, `second`, by default all."""
    os.environ |= {"NIX_CONFIG": "experimental-features = nix-command flakes"}
    wanted = sys.argv[1:] or ["full", "huge", "second"]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        for part in wanted:
            folder = Path(name, part)
            folder.mkdir()
            found = {"full": full, "huge": lambda at: [huge(at)], "second": second}[part](folder)
            rows += found
            os.chdir(name)
            shutil.rmtree(folder, ignore_errors=True)
    show(rows)


if __name__ == "__main__":
    main()
