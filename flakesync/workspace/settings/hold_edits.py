"""The tables `[[hold]]` as `flakesync hold` writes them: a hold more, another day or reason for one, or some less."""

from collections.abc import Callable, Collection, Mapping
from datetime import date
from pathlib import Path
from typing import Literal

import msgspec
import tomli
import tomli_w

from flakesync.errors import ManifestError
from flakesync.terms import FlakeDir, RepoName
from flakesync.workspace.manifest import Workspace, parse_workspace
from flakesync.workspace.settings.array_tables import with_tables, without_tables
from flakesync.workspace.settings.edit_manifest import edited, set_day, set_text, write_manifest
from flakesync.workspace.settings.holds import Hold
from flakesync.workspace.table import read_file

Written = Literal["added", "changed", "released", "unchanged"]
"""What became of a hold in the manifest."""

_ARRAY = ("hold",)
_KEYS = ("repo", "input", "reason", "until")


class WrittenHolds(msgspec.Struct, frozen=True):
    """What was done to a manifest. workspace: what it says then. holds: those that it is about."""

    workspace: Workspace
    written: Written
    holds: tuple[Hold, ...]


def write_hold(manifest: Path, hold: Hold) -> WrittenHolds:
    """Put a hold into a manifest, in the place of the one on the same inputs where there is one.

    Raises: ManifestError: what reading it raises; `manifest-edit`. Then it is as it was.
    """
    before = read_file(manifest)
    workspace = parse_workspace(manifest, before)
    index = next((index for index, each in enumerate(workspace.holds) if _same_inputs(each, hold)), None)
    tables = _tables(before)
    new: dict[str, object] = {"repo": hold.repo, "input": hold.place, "reason": hold.reason, "until": hold.until}
    if index is None:
        written = "[[hold]]\n" + tomli_w.dumps({key: new[key] for key in _KEYS})
        after = _write(manifest, before, lambda text: with_tables(text, [written]), [*tables, new])
        return WrittenHolds(after, "added", (hold,))
    old = workspace.holds[index]
    if (old.reason, old.until) == (hold.reason, hold.until):
        return WrittenHolds(workspace, "unchanged", (old,))

    def edit(text: str) -> str:
        text = set_text(text, (*_ARRAY, str(index), "reason"), hold.reason) if old.reason != hold.reason else text
        return set_day(text, (*_ARRAY, str(index), "until"), hold.until) if old.until != hold.until else text

    until = hold.until.isoformat() if isinstance(tables[index]["until"], str) else hold.until
    tables[index] = {**tables[index], "reason": hold.reason, "until": until}
    return WrittenHolds(_write(manifest, before, edit, tables), "changed", (hold,))


def release_hold(manifest: Path, repo: RepoName, flake: FlakeDir | None, input: str) -> WrittenHolds:
    """Take the hold on these inputs out of a manifest.

    Raises: ManifestError: `no-hold`: there is none; as of `write_hold`.
    """
    wanted = Hold(repo=repo, flake=flake, input=input, reason="", until=date.max)

    def choose(workspace: Workspace) -> Collection[int]:
        found = [index for index, each in enumerate(workspace.holds) if _same_inputs(each, wanted)]
        if not found:
            raise _no_hold(workspace, wanted)
        return found

    return _take_out(manifest, choose)


def prune_holds(manifest: Path, repos: Collection[RepoName], today: date) -> WrittenHolds:
    """Take the holds of some repos that are over out of a manifest. Raises: ManifestError, as of `write_hold`."""

    def choose(workspace: Workspace) -> Collection[int]:
        return [i for i, each in enumerate(workspace.holds) if each.repo in repos and each.until < today]

    return _take_out(manifest, choose)


def _take_out(manifest: Path, choose: Callable[[Workspace], Collection[int]]) -> WrittenHolds:
    before = read_file(manifest)
    workspace = parse_workspace(manifest, before)
    indexes = choose(workspace)
    if not indexes:
        return WrittenHolds(workspace, "unchanged", ())
    left = [table for index, table in enumerate(_tables(before)) if index not in indexes]
    after = _write(manifest, before, lambda text: without_tables(text, _ARRAY, indexes), left or None)
    return WrittenHolds(after, "released", tuple(workspace.holds[index] for index in sorted(indexes)))


def _write(manifest: Path, before: bytes, edit: Callable[[str], str], tables: object) -> Workspace:
    """Write a manifest that has these holds, once it has been read as one. Raises: ManifestError."""
    wanted: Mapping[tuple[str, ...], object] = {_ARRAY: tables}
    after = parse_workspace(manifest, edited(manifest, before, edit, wanted))
    write_manifest(manifest, before, edit, wanted)
    return after


def _same_inputs(one: Hold, other: Hold) -> bool:
    return (one.repo, one.place) == (other.repo, other.place)


def _tables(data: bytes) -> list[dict[str, object]]:
    found = tomli.loads(data.decode()).get("hold", [])
    return [dict(each) for each in found]


def _no_hold(workspace: Workspace, wanted: Hold) -> ManifestError:
    from flakesync.workspace.values import did_you_mean

    hint = did_you_mean(wanted.place, [each.place for each in workspace.holds if each.repo == wanted.repo])
    if wanted.flake is None and wanted.input in workspace.repo(wanted.repo).hold:
        hint = f"it is held for ever: take it out of `hold` of [repos.{wanted.repo}], or of [defaults], by hand"
    message = f"{workspace.file}: there is no [[hold]] on `{wanted.place}` of {wanted.repo}"
    return ManifestError("no-hold", message, hint=hint)
