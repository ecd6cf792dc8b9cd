"""`sync` of a 30-repo chain and a 30-repo fan against the serial shell loop that people write today."""

import os
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.measure import python, run, show
from flakesync.nix.program.command import Nix
from tests.support import nixspace

COUNT = 30


def loop(space: nixspace.Space) -> None:
    """Do what the loop does: per repo, move its inputs with one nix call and commit, so that the next one sees it."""
    nix = Nix.find()
    by_name = nix.version >= (2, 19)
    for number, name in enumerate(space.names):
        folder = space.path(name)
        inputs = ["nixpkgs"]
        if number and (folder / "flake.nix").read_text().count("inputs") and f"r{number - 1}" in _inputs(folder):
            inputs.append(f"r{number - 1}")
        elif number:
            inputs.append("r0")
        flags = [part for each in inputs for part in ("--update-input", each)]
        update = ["flake", "update", *inputs] if by_name else ["flake", "lock", *flags]
        for command in ([str(nix.program), *update], ["git", "commit", "-qam", "flake.lock: Update"]):
            run(command, cwd=str(folder))


def _inputs(folder: Path) -> str:
    return (folder / "flake.nix").read_text()


def timed(shape: str, locker: str, jobs: int, rounds: int) -> tuple[float, float]:
    """Return the best seconds of sync and of the loop, each on a fresh workspace in turn."""
    ours: list[float] = []
    theirs: list[float] = []
    build = nixspace.chain if shape == "chain" else nixspace.fan
    for _ in range(rounds):
        for times, ours_turn in ((ours, True), (theirs, False)):
            with tempfile.TemporaryDirectory() as folder:
                space = build(Path(folder) / "space", COUNT)
                manifest = space.manifest()
                os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
                run([str(Nix.find().program), "flake", "metadata", str(space.path("nixpkgs"))])  # the store exists
                begin = time.perf_counter()
                if ours_turn:
                    run(python("-m", "flakesync", "sync", "-w", str(manifest), "--locker", locker, "--jobs", str(jobs)))
                else:
                    loop(space)
                times.append(time.perf_counter() - begin)
    return min(ours), min(theirs)


def main() -> None:
    """Print both ratios."""
    if shutil.which("nix") is None:
        raise SystemExit("this benchmark needs nix")
    os.environ["NIX_CONFIG"] = "experimental-features = nix-command flakes"
    rows: list[tuple[str, str, str]] = []
    cases = [("chain", "nix", 1, "≥ 1"), ("chain", "nix", 2, "≥ 1"), ("fan", "nix", 2, "≥ 1.5")]
    for shape, locker, jobs, wanted in (*cases, ("chain", "auto", 1, "–"), ("fan", "auto", 2, "–")):
        ours, theirs = timed(shape, locker, jobs, 5)
        figures = f"{ours / COUNT * 1000:.0f} ms a repo against {theirs / COUNT * 1000:.0f} ms"
        what = f"serial loop / sync, {COUNT}-repo {shape}, --locker {locker} --jobs {jobs}"
        rows.append((what, f"{theirs / ours:.2f} ({figures})", wanted))
    show(rows)


if __name__ == "__main__":
    main()
