"""`flakesync demo --airgap`: a workspace carried to a machine without a network, and an update after it."""

import os
from datetime import UTC, datetime, time
from pathlib import Path

from flakesync.demo.airgap import APART, REPOS, SOURCES, STICK, Sides, exported, make_sides, weigh
from flakesync.demo.build import FORGE, commit_files
from flakesync.demo.locking import writer
from flakesync.demo.stage import Scene, play, say, show, typed
from flakesync.demo.story import made, yesterday
from flakesync.errors import EXIT_FINDINGS, EXIT_OK
from flakesync.report.text import BLANK, line
from flakesync.workspace.manifest import DEFAULT_BRANCH

FIRST, SECOND = f"../{STICK}/first", f"../{STICK}/second"
RECEIPT = f"{SOURCES}/receipt.json"
"""Where `import` writes what the other side has, below its folder."""

_CHANGED = '[ "a change that has to get across" ]\n'


def run_airgap_demo(directory: Path | None) -> int:
    """Make both sides in `directory`, carry the workspace across twice, and return the exit status.

    directory: must be empty or not there yet; None: a temporary folder. It stays. Without Nix the demo ends once the
    first bundle is verified. The status is 1 when a command did not end as it has to.

    Raises:
        FlakesyncError: the workspace could not be made: there is no git, `directory` is not empty, …
    """
    sides = made(directory, make_sides)
    _introduce(sides)
    pack = Scene(
        "Everything that the other side needs to evaluate these flakes: the source of each node of each lock, once,"
        " and the commits of the repos. flakesync itself makes it, without Nix.",
        ("bundle", "-o", FIRST),
    )
    if not play([pack], sides.connected, sides.connected_environment):
        return EXIT_FINDINGS
    _cross(sides)
    verify = Scene(
        "What arrived is what was sent: every byte is checked against the hashes in the manifest and in the locks."
        " Nothing is written.",
        ("import", FIRST, "--cache", SOURCES, "--verify-only"),
        within=sides.without_network,
    )
    if not play([verify], sides.apart, sides.apart_environment):
        return EXIT_FINDINGS
    if sides.nix is None:
        say("(What comes next evaluates the flakes there, and that needs Nix.)")
    elif not (_unpack(sides) and _update(sides) and _follow(sides)):
        return EXIT_FINDINGS
    _leave(sides)
    return EXIT_OK


def _introduce(sides: Sides) -> None:
    say(f"The company of eight flake repositories once more; {writer(sides.nix)} wrote the locks, and they name"
        f" {FORGE.removeprefix('git+')}. On this side of the gap git knows where that is: in the folder beside."
        " On the other side nobody does.")  # fmt: skip
    show(typed("cd", str(sides.connected)))
    settings = sides.connected_environment
    names = sorted(name for name in settings if os.environ.get(name) != settings[name])
    show(*(typed("export", exported(name, settings[name])) for name in names), BLANK)


def _cross(sides: Sides) -> None:
    """Say what is carried, and what the other machine is."""
    _weigh(sides, FIRST)
    how = (
        f"it has no network (`{' '.join(sides.without_network)}`), and its home folder, its caches and its store"
        if sides.without_network
        else "this machine does not let us take the network away; but its home folder, its caches and its store"
    )
    say(f"A stick carries it to another machine. The folder {APART} is that machine: {how} are empty.")
    show(typed("cd", str(sides.apart)))
    show(*(typed("export", exported(name, value)) for name, value in sides.exports.items()), BLANK)


def _unpack(sides: Sides) -> bool:
    take = Scene(
        "Taken in: sources into a binary cache, which is a folder of files that Nix reads as it is; repos into bare"
        " repositories. A source that is a commit of a repo was not sent: it is made of that commit, and proven.",
        ("import", FIRST, "--cache", SOURCES, "--repos", REPOS),
        within=sides.without_network,
    )
    evaluate = _evaluation(
        sides, "main",
        "Nix evaluates the flake at the end of the chain. Its lock names a host that cannot be reached; each source"
        " comes from the cache, and its hash is in the lock.",
    )  # fmt: skip
    if not play([take, evaluate], sides.apart, sides.apart_environment):
        return False
    show(BLANK)
    return True


def _update(sides: Sides) -> bool:
    """Let a person commit something on the connected side, sync, and pack what is new."""
    noon = datetime.combine(yesterday(), time(12), UTC)
    commit_files(sides.connected / "lib", {"change.nix": _CHANGED}, "A change", noon)
    say("Meanwhile, on the connected side, somebody has committed to lib.")
    show(typed("cd", str(sides.connected)), BLANK)
    scenes = (
        Scene("Update branches, as on any night: to a newer nixpkgs, and to that commit.", ("sync",)),
        Scene(
            "The next bundle has what the receipt of the first import does not: the new nixpkgs, of both branches, and"
            " of the repos the commits that are new.",
            ("bundle", "-o", SECOND, "--at", "both", "--base", f"../{APART}/{RECEIPT}"),
        ),
    )
    if not play(scenes, sides.connected, sides.connected_environment):
        return False
    _weigh(sides, FIRST, SECOND)
    return True


def _follow(sides: Sides) -> bool:
    take = Scene(
        "Taken in over there, on top of the first one.",
        ("import", SECOND, "--cache", SOURCES, "--repos", REPOS),
        within=sides.without_network,
    )
    evaluate = _evaluation(sides, DEFAULT_BRANCH, "And the updates can be tried, before they have landed anywhere.")
    show(typed("cd", str(sides.apart)), BLANK)
    return play([take, evaluate], sides.apart, sides.apart_environment)


def _evaluation(sides: Sides, branch: str, tells: str) -> Scene:
    assert sides.nix is not None
    reference = f"{sides.nix_flake('fleet', branch)}#lib.parts"
    return Scene(tells, ("eval", "--json", reference), within=sides.without_network, program=sides.nix.program)


def _weigh(sides: Sides, *bundles: str) -> None:
    """Show what bundles have, in bytes."""
    say("In bytes; a real nixpkgs is 47,000,000 of the first column, where it is one of the sources:")
    rows = [(Path(bundle).name, *map(str, weigh(sides.connected / bundle))) for bundle in bundles]
    table = [("", "sources", "commits", "manifest"), *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for name, *figures in table:
        cells = (figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True))
        show(line("  ".join((name.ljust(widths[0]), *cells))))
    show(BLANK)


def _leave(sides: Sides) -> None:
    """Say what stays, and what was left out."""
    say("Both sides stay, to play with. To begin with:")
    show(
        typed("cd", str(sides.apart)),
        *([typed("ls", SOURCES), typed("git", "-C", f"{REPOS}/fleet.git", "log", "--oneline", "main")]
          if sides.nix is not None else [typed("ls", f"{FIRST}/blobs/sha256")]),
        typed("flakesync", "import", FIRST, "--cache", SOURCES, "--repos", REPOS),
    )  # fmt: skip
    say("Build outputs are in no bundle: `nix copy --to file://…`, attic or cachix carry those.")
