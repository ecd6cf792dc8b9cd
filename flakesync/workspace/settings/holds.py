"""The tables `[[hold]]`: inputs that stay until a day, and why."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date

import msgspec

from flakesync.terms import FlakeDir, InputPath, RepoName
from flakesync.workspace import values
from flakesync.workspace.settings.days import day
from flakesync.workspace.table import Table
from flakesync.workspace.values import bad, did_you_mean, matches


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """One `[[hold]]`. flake: one folder of the repo, None: every one. input: a glob. until: the last day, in UTC."""

    repo: RepoName
    flake: FlakeDir | None = None
    input: str
    reason: str
    until: date

    @property
    def place(self) -> str:
        """What it holds, as the manifest writes it: `fenix/nixpkgs`, `dev#fenix`."""
        return self.input if self.flake is None else f"{self.flake}#{self.input}"

    @property
    def why(self) -> str:
        """Why an input is held, for people."""
        return f"held until {self.until.isoformat()}: {self.reason}"

    def covers(self, flake: FlakeDir, path: InputPath) -> bool:
        """Tell whether it holds an input of a flake of its repo."""
        return self.flake in (None, flake) and matches((self.input,), path)


def held_inputs(value: object) -> tuple[FlakeDir | None, str]:
    """Return which inputs are meant: `fenix/nixpkgs`, or of one flake of the repo alone `dev#fenix`, `.#fenix`."""
    word = values.text(value)
    dir, hash_, glob = word.partition("#")
    if not hash_:
        return None, values.glob(word)
    if not dir or not glob:
        raise bad(f"`{word}` lacks a half", "an input of one flake alone is written `dev#nixpkgs`, or `.#nixpkgs`")
    return values.flake_dir(dir), values.glob(glob)


def read_holds(tables: Sequence[Table], flakes: Mapping[RepoName, Collection[FlakeDir]]) -> Iterator[Hold]:
    """Yield what the tables say, in their order. flakes: the folders with a flake, of each repo that there is."""
    known: set[tuple[RepoName, str]] = set()
    for table in tables:
        hold = _read(table, flakes)
        if hold is None:
            continue
        if (hold.repo, hold.place) in known:
            table.wrong("", bad(f"`{hold.place}` of {hold.repo} is held twice", "keep one of them"))
        known.add((hold.repo, hold.place))
        yield hold


def in_force(holds: Iterable[Hold], today: date) -> dict[RepoName, tuple[Hold, ...]]:
    """Return the holds of each repo that are not over. today: in UTC."""
    found: dict[RepoName, list[Hold]] = {}
    for each in holds:
        if each.until >= today:
            found.setdefault(each.repo, []).append(each)
    return {name: tuple(each) for name, each in found.items()}


def _read(table: Table, flakes: Mapping[RepoName, Collection[FlakeDir]]) -> Hold | None:
    name = table.take("repo", values.text, None)
    held = table.take("input", held_inputs, None)
    reason = table.take("reason", values.text, None)
    until = table.take("until", day, None)
    for key, hint in _NEEDED.items():
        if table.lacks(key):
            table.wrong("", bad(f"needs `{key}`", hint))
    if name is None or held is None or reason is None or until is None:
        return None
    repo = RepoName(name)
    if repo not in flakes:
        table.wrong("repo", bad(f"there is no repo `{name}`", did_you_mean(name, flakes.keys())))
        return None
    if held[0] is not None and held[0] not in flakes[repo]:
        table.wrong("input", bad(f"`{held[0]}` is no flake of {repo}", did_you_mean(held[0], flakes[repo])))
    return Hold(repo=repo, flake=held[0], input=held[1], reason=reason, until=until)


_NEEDED = {
    "repo": 'the repo whose input it is: `repo = "app"`',
    "input": 'what stays: `input = "nixpkgs"`',
    "reason": "why it stays, for whoever reads this then",
    "until": "the last day, such as `until = 2027-03-01`; what never moves goes into `hold` of [repos.NAME]",
}
