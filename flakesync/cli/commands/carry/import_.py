"""`flakesync import`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flakesync.cli import screen
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK

if TYPE_CHECKING:
    from flakesync.bundle.receive.options import ImportOptions
    from flakesync.documents.airgap.imported import Imported
    from flakesync.nix.program.command import Nix


@with_common("workspace", "json", "offline", "quiet", "verbose")
def import_(
    common: Common,
    place: Annotated[
        Path | None,
        typer.Argument(metavar="BUNDLE", help="The bundle: a folder, or an archive.", show_default=False),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", metavar="DIR", help="The binary cache that gets the sources.")
    ] = None,
    repos: Annotated[
        Path | None, typer.Option("--repos", metavar="DIR", help="The folder of bare repositories, DIR/NAME.git.")
    ] = None,
    push: Annotated[bool, typer.Option("--push", help="Push to the repos of workspace.toml instead.")] = False,
    into_store: Annotated[
        bool, typer.Option("--into-store", help="Copy the sources into this machine's Nix store too.")
    ] = False,
    roots: Annotated[
        Path | None,
        typer.Option("--roots", metavar="DIR", help="With --into-store: links here keep them from nix-store --gc."),
    ] = None,
    verify_only: Annotated[
        bool, typer.Option("--verify-only", help="Read all of the bundle, or else of --cache; write nothing.")
    ] = False,
    store_dir: Annotated[str, typer.Option("--store-dir", hidden=True)] = "/nix/store",
) -> int:
    """Take a bundle in, on the side without network.

    Each byte is checked. Sources go into a binary cache: plain files, which Nix
    takes from a folder or any web server, without signatures or trusted users.
    Commits go into bare repositories, or to the servers of workspace.toml. Base
    branches only go on; an update branch is replaced where flakesync alone has
    committed to it. A repo one of whose sources is damaged stays as it was.

    What this machine's Nix needs to be told is printed, with where it may stand.
    DIR/receipt.json of the cache says what is here: it is the --base of the next
    bundle. Nothing is written when the bundle is unfinished, or builds on one that
    was not imported; a run that was cut off is made again. Exits with 1 when
    something was damaged or a branch did not move.

    \b
    Examples:
      flakesync import b1 --cache /srv/sources --repos /srv/git
      flakesync import b2.tar --cache /srv/sources --push
      flakesync import b1 --cache ~/sources --into-store
      flakesync import b1 --verify-only
    """
    from flakesync.bundle.receive.options import ImportOptions

    if problem := _problem_of(place, cache, repos, push=push, roots=roots, into_store=into_store, verify=verify_only):
        raise typer.BadParameter(problem)
    with screen.busy(f"reading {place or cache}", quiet=common.quiet):
        if verify_only:
            document = _verified(place, cache, repos, store_dir)
        else:
            options = ImportOptions(cache or Path(), repos, _nix() if into_store else None, roots, store_dir)
            document = _imported(common, place or Path(), options, push=push)
    if common.json:
        screen.answer_json(document)
    else:
        from flakesync.report.carry.imported import render_imported

        screen.answer(render_imported(document, width=screen.width()))
    return EXIT_FINDINGS if document.failed else EXIT_OK


def _problem_of(
    place: Path | None,
    cache: Path | None,
    repos: Path | None,
    *,
    push: bool,
    roots: Path | None,
    into_store: bool,
    verify: bool,
) -> str | None:
    """Return what is wrong with the options; None: nothing."""
    if verify and (push or into_store):
        return "--verify-only writes nothing: neither --push nor --into-store goes with it"
    if place is None and not (verify and cache is not None):
        return "missing argument BUNDLE: the folder or archive that has come"
    if cache is None and not verify:
        return "missing option --cache DIR: where the sources go"
    inside = [each for each in (cache, repos) if each is not None and place is not None and _is_in(each, place)]
    if inside and not verify:
        return f"{inside[0]} is in the bundle: --cache and --repos name folders elsewhere"
    if push and repos is not None:
        return "only one of --repos and --push can be given"
    if roots is not None and not into_store:
        return "--roots goes with --into-store"
    return None


def _is_in(folder: Path, place: Path) -> bool:
    return folder.resolve().is_relative_to(place.resolve())


def _nix() -> "Nix":
    from flakesync.nix.program.command import Nix

    return Nix.find()


def _verified(place: Path | None, cache: Path | None, repos: Path | None, store_dir: str) -> "Imported":
    """Read all of a bundle, or of a cache where no bundle is named."""
    from flakesync.bundle.receive.run import verify_bundle, verify_cache

    if place is not None:
        return verify_bundle(place, repos)
    return verify_cache(cache or Path(), store_dir)


def _imported(common: Common, place: Path, options: "ImportOptions", *, push: bool) -> "Imported":
    from flakesync.bundle.receive.run import import_bundle

    if not push and common.workspace is None:
        return import_bundle(place, options, os.environ)
    from msgspec.structs import replace

    from flakesync.bundle.receive.pushed import PushedRepos
    from flakesync.cache.layout import cache_dir
    from flakesync.cli.opening import open_workspace, refuse_offline
    from flakesync.workspace.snapshot import hosts_of

    workspace, names = open_workspace(common)
    if push:
        refuse_offline(common, "import --push")
    pushed = PushedRepos(workspace, hosts_of(workspace), cache_dir()) if push else None
    return import_bundle(place, replace(options, names=names), os.environ, pushed)
