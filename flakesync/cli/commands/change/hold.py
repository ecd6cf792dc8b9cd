"""`flakesync hold`."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from flakesync.cli import complete, screen
from flakesync.cli.opening import note_unread, open_workspace, reading
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_OK, FlakesyncError, ManifestError

if TYPE_CHECKING:
    from flakesync.survey.held.check_holds import CheckHold
    from flakesync.terms import FlakeDir, RepoName
    from flakesync.workspace.manifest import Repo, Workspace
    from flakesync.workspace.settings.hold_edits import WrittenHolds
    from flakesync.workspace.snapshot import Snapshot

T = TypeVar("T")


@with_common("workspace", "repo", "group", "exclude", "json", "quiet")
def hold(
    common: Common,
    name: Annotated[
        str | None,
        typer.Argument(metavar="REPO", help="Whose input; alone: what is held there.", autocompletion=complete.repos),
    ] = None,
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="[INPUT]",
            help="An input path or a glob; of one flake of the repo: `dev#nixpkgs`.",
            autocompletion=complete.inputs,
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DATE", help="The last day (UTC) on which it stays: 2027-03-01.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why it stays.")] = None,
    release: Annotated[bool, typer.Option("--release", help="Take the hold on this input away.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Take all holds away that are over.")] = False,
) -> int:
    """Hold an input where it is until a day, or show what is held.

    The hold is written into workspace.toml, which is otherwise left as it is:
    commit it. plan and sync leave the input until then; drift shows what it
    finds there and does not count it. The same hold again changes nothing,
    another day or reason takes the place of the one before.

    \b
    Examples:
      flakesync hold
      flakesync hold app crane --until 2027-03-01 --reason "waits for crane#712"
      flakesync hold app 'dev#nixpkgs-*' --until 2027-03-01 --reason "no GHC yet"
      flakesync hold app crane --release
      flakesync hold --prune
    """
    _require_sense(name, path, until, reason, release=release, prune=prune)
    workspace, selected = open_workspace(common)
    repo = workspace.repo(name) if name is not None else None
    if repo is not None:
        if repo.name not in selected:
            hint = f"choose {repo.name} as well"
            raise FlakesyncError("nothing-selected", f"the options leave {repo.name} out", hint=hint)
        selected = frozenset({repo.name})
    done = None
    if prune:
        from flakesync.workspace.settings.days import today
        from flakesync.workspace.settings.hold_edits import prune_holds

        done = prune_holds(workspace.file, selected, today())
    elif repo is not None and path is not None:
        done = _write(common, workspace, repo, path, until, reason)
    _show(common, workspace, selected, done)
    return EXIT_OK


def _require_sense(
    name: str | None, path: str | None, until: str | None, reason: str | None, *, release: bool, prune: bool
) -> None:  # fmt: skip
    """Refuse arguments that do not go together. Raises a usage error."""
    holds = until is not None or reason is not None
    if release + prune + holds > 1:
        raise typer.BadParameter("only one of --release, --prune, and --until with --reason, can be given")
    if prune and path is not None:
        raise typer.BadParameter("--prune takes no input: `--release` takes one hold away")
    if (release or holds) and path is None:
        which = "the input" if name is not None else "the repo and the input"
        raise typer.BadParameter(f"name {which} too: `flakesync hold REPO INPUT …`")
    if path is not None and not release and (until is None or reason is None):
        missing = "--until DATE" if until is None else "--reason TEXT"
        raise typer.BadParameter(f"a hold needs {missing}: `flakesync hold REPO INPUT --until DATE --reason TEXT`")


def _write(
    common: Common, workspace: "Workspace", repo: "Repo", path: str, until: str | None, reason: str | None
) -> "WrittenHolds":
    """Write a hold, or without a day take one away. Raises: FlakesyncError (`bad-hold`, `no-hold`, `manifest-edit`)."""
    from flakesync.workspace import values
    from flakesync.workspace.settings.days import day, today
    from flakesync.workspace.settings.hold_edits import release_hold, write_hold
    from flakesync.workspace.settings.holds import Hold, held_inputs

    flake, glob = _checked("the input", held_inputs, path)
    if flake is not None and flake not in repo.flakes:
        hint = values.did_you_mean(flake, repo.flakes)
        raise FlakesyncError("bad-hold", f"`{flake}` is no flake of {repo.name}", hint=hint)
    if until is None or reason is None:
        return release_hold(workspace.file, repo.name, flake, glob)
    last = _checked("--until", day, until)
    if last < today():
        hint = f"a day from {today().isoformat()} on; `--release` takes a hold away"
        raise FlakesyncError("bad-hold", f"--until: {last.isoformat()} is over, in UTC", hint=hint)
    why = _checked("--reason", values.text, reason)
    done = write_hold(workspace.file, Hold(repo=repo.name, flake=flake, input=glob, reason=why, until=last))
    if not common.quiet:
        _warn_of_inputs(common, workspace, repo, flake, glob)
    return done


def _checked(name: str, read: Callable[[object], T], given: str) -> T:
    try:
        return read(given)
    except ManifestError as error:
        raise FlakesyncError("bad-hold", f"{name}: {error.message}", hint=error.hint) from None


def _warn_of_inputs(common: Common, workspace: "Workspace", repo: "Repo", flake: "FlakeDir | None", glob: str) -> None:
    """Say so where the lock, as it was read last, has no such input, or where it cannot be read. No server is asked."""
    from flakesync.survey.holds import matches_nothing

    try:
        said = matches_nothing(_read(common, workspace, (repo,)).states[repo.name], flake, glob)
    except FlakesyncError as error:
        said = f"the lock of {repo.name} cannot be read, so nobody looked whether it has this input: {error.message}"
    if said is not None:
        screen.note(said)


def _read(common: Common, workspace: "Workspace", repos: "Sequence[Repo]") -> "Snapshot":
    """Return some repos as they were fetched last. Raises: FlakesyncError."""
    from msgspec.structs import replace

    from flakesync.cache.layout import cache_dir
    from flakesync.net.wall import offline
    from flakesync.workspace.snapshot import read_snapshot

    some = replace(workspace, repos=tuple(repos))
    with screen.busy(reading(some), quiet=common.quiet), offline(True):
        return read_snapshot(some, cache=cache_dir(), offline=True)


def _held_by_checks(
    common: Common, workspace: "Workspace", selected: "frozenset[RepoName]"
) -> "Mapping[RepoName, Sequence[CheckHold]]":
    """Return what sync holds, of the repos in which it may. Raises: FlakesyncError."""
    repos = [repo for repo in workspace.repos if repo.name in selected and repo.on_failure.mode == "bisect"]
    if not repos:
        return {}
    from flakesync.survey.held.check_holds import read_check_holds

    snapshot = _read(common, workspace, repos)
    if not common.quiet:
        note_unread(snapshot, selected)
    return read_check_holds(snapshot, int(time.time()))


def _show(common: Common, workspace: "Workspace", selected: "frozenset[RepoName]", done: "WrittenHolds | None") -> None:
    from flakesync.survey.held.documents import holds_document
    from flakesync.workspace.settings.days import today

    by_checks = _held_by_checks(common, workspace, selected) if done is None else {}
    document = holds_document(done.workspace if done is not None else workspace, selected, done, today(), by_checks)
    if common.json:
        screen.answer_json(document)
    else:
        from flakesync.report.hold.text import render_holds

        screen.answer(render_holds(document, manifest=workspace.file.name, width=screen.width()))
    over = sum(each.days_left is not None and each.days_left < 0 for each in document.holds)
    if over and done is None:
        those = "the one that is" if over == 1 else f"the {over} that are"
        screen.hint(f"`flakesync hold --prune` takes {those} over out of the manifest")
