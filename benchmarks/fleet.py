"""A workspace of any size for benchmarks: six waves, 20 nodes a lock, and a pin that moves all repos."""

from dataclasses import dataclass
from pathlib import Path

import tomli_w

from flakesync.terms import Rev
from tests.support import locks, repos
from tests.support.locks import Input, Inputs
from tests.support.nixspace import below, commit_info, flake_nix

WAVES = 6
NODES = 20
_OLD = 1_600_000_000


@dataclass(frozen=True)
class Member:
    """One repo. takes: the names of the repos whose flakes it takes. inputs: those of its lock."""

    name: str
    takes: tuple[str, ...]
    inputs: Inputs


@dataclass(frozen=True)
class Fleet:
    """The workspace: its manifest, and its repos wave by wave. Beside them lies `nixpkgs`, which the pin is on."""

    root: Path
    manifest: Path
    waves: tuple[tuple[Member, ...], ...]

    @property
    def members(self) -> list[Member]:
        """All repos, upstreams first."""
        return [member for wave in self.waves for member in wave]


def waves_of(count: int) -> list[dict[str, tuple[str, ...]]]:
    """Return the names of such a workspace wave by wave, each with the repos that it takes."""
    width = count // WAVES
    waves: list[dict[str, tuple[str, ...]]] = []
    for wave in range(WAVES):
        size = width if wave else count - width * (WAVES - 1)
        above = {n: (f"w{wave - 1}-{n}", f"w0-{(n * 7 + 1) % width}") if wave else () for n in range(size)}
        waves.append({f"w{wave}-{n}": tuple(dict.fromkeys(names)) for n, names in above.items()})
    return waves


def make_fleet(root: Path, count: int, *, checkout: bool = False) -> Fleet:
    """Make `count` repos. checkout: whether their files are in the working trees.

    Each takes nixpkgs, a repo of the wave above and one of the first wave; all that those take they take from it, and
    sources that do not move fill its lock up.
    """
    root.mkdir(parents=True)
    first = repos.make_repo(root / "nixpkgs", {"flake.nix": flake_nix("")}, checkout=checkout)
    repos.commit(root / "nixpkgs", {"flake.nix": flake_nix("", note="two")}, date=repos.DATE + 3600, checkout=checkout)
    nixpkgs = _input(root, "nixpkgs", first, {})
    made: dict[str, tuple[Rev, Member]] = {}
    waves: list[tuple[Member, ...]] = []
    for wave in waves_of(count):
        for name, above in wave.items():
            made[name] = _add(root, name, above, nixpkgs, made, checkout)
        waves.append(tuple(made[name][1] for name in wave))
    manifest = root / "workspace.toml"
    table = {name: {"url": f"git+{_url(root, name)}", "path": f"./{name}"} for name in made}
    pins = {"nixpkgs": {"source": f"git+{_url(root, 'nixpkgs')}?ref=main"}}
    settings = {"name": "fleet", "base": "main"}
    manifest.write_text(tomli_w.dumps({"workspace": settings, "pins": pins, "repos": table}))
    return Fleet(root, manifest, tuple(waves))


def _add(
    root: Path, name: str, takes: tuple[str, ...], nixpkgs: Input, made: dict[str, tuple[Rev, Member]], checkout: bool
) -> tuple[Rev, Member]:
    own = {each: made[each] for each in takes}
    # One source that does not move, with as many inputs of its own as fill the lock up.
    fill = NODES - 3 - sum(1 + _nodes(member) for _, member in own.values())
    inside = {f"part{number}": locks.github("other", f"part{number}", last_modified=_OLD) for number in range(fill)}
    tools = locks.github("other", f"tools{fill}", inputs=inside, last_modified=_OLD)
    inputs: dict[str, Input | tuple[str, ...]] = {"nixpkgs": nixpkgs, "tools": tools}
    lines = [f'nixpkgs.url = "git+{_url(root, "nixpkgs")}?ref=main";', f'tools.url = "github:other/tools{fill}";']
    for each, (rev, member) in own.items():
        follows = {inner: (inner,) for inner in ("nixpkgs", "tools")}
        kept = {inner: below(child, each) for inner, child in member.inputs.items() if inner not in follows}
        inputs[each] = _input(root, each, rev, {**kept, **follows})
        lines.append(f'{each}.url = "git+{_url(root, each)}?ref=main";')
        lines += [f'{each}.inputs.{inner}.follows = "{inner}";' for inner in follows]
    files: dict[str, str | bytes | None] = {
        "README.md": f"{name}\n",
        "flake.nix": flake_nix("".join(f"\n    {line}" for line in lines)),
        "flake.lock": locks.to_bytes(locks.lock(inputs)),
    }
    return repos.make_repo(root / name, files, checkout=checkout), Member(name, takes, inputs)


def _nodes(member: Member) -> int:
    """Return how many nodes a repo brings along: what is not taken from the lock that takes it."""

    def count(inputs: Inputs) -> int:
        return sum(1 + count(child.inputs) for child in inputs.values() if isinstance(child, Input))

    return sum(
        1 + count(child.inputs)
        for name, child in member.inputs.items()
        if name.startswith("w") and isinstance(child, Input)
    )


def _input(root: Path, name: str, rev: Rev, inputs: Inputs) -> Input:
    original = {"type": "git", "url": _url(root, name), "ref": "main"}
    return Input({**original, **commit_info(root / name, rev)}, original, inputs)


def _url(root: Path, name: str) -> str:
    return f"file://{root / name}"
