"""A workspace with a server (`file://`), and runners that do to a recipe's shell parts what the real ones do."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.nightly import recipes
from tests.support import forked
from tests.support.nixspace import UPDATE_BRANCH, Space, Take
from tests.support.repos import run_git

TOKEN = "token-0123456789abcdef"


@dataclass(frozen=True)
class Ran:
    """What a script did. summary: what stands on the job's page."""

    status: int
    out: str
    err: str
    summary: str = ""


@dataclass
class Place:
    """The repository with workspace.toml, cloned as a job has it. Its repos are known by url alone, so mirrored."""

    space: Space
    folder: Path
    bin: Path
    """First on PATH: `flakesync` is this checkout's, forked as `forked` does it."""

    env: dict[str, str] = field(default_factory=dict)

    def run(self, argv: list[str], **more: str) -> Ran:
        """Run a program as part of the job."""
        # What a runner has is all there is: nothing of how the tests are run, but the closed door to the network.
        env = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", **self.env, **more}
        ran = subprocess.run(
            argv, cwd=self.folder, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=240,
            check=False,
        )  # fmt: skip
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    def bash(self, script: str, **more: str) -> Ran:
        """Run a script as GitHub and GitLab do: with bash, up to the first command that fails."""
        return self.run(["bash", "-e", "-c", script], **more)

    def night(self, *options: str) -> Ran:
        """Run flakesync-nightly."""
        summary = self.folder.parent / "summary.md"
        summary.unlink(missing_ok=True)
        ran = self.run(["flakesync-nightly", *options, str(summary)])
        return Ran(ran.status, ran.out, ran.err, summary.read_text() if summary.exists() else "")

    def published(self) -> dict[str, str | None]:
        """Return what the server has as update branches."""
        return {name: self.space.ref(name) for name in self.space.names}

    def merge(self, name: str) -> None:
        """Merge an update branch, squashed, as a person does by pressing a button, and delete it."""
        repo = self.space.path(name)
        base = self.space.tip(name)
        argv = ("commit-tree", "-p", base, "-m", "Update (#1)", f"{UPDATE_BRANCH}^{{tree}}")
        merged = run_git(*argv, cwd=repo).strip()
        run_git("update-ref", "refs/heads/main", merged, base, cwd=repo)
        run_git("update-ref", "-d", f"refs/heads/{UPDATE_BRANCH}", cwd=repo)


def make_place(root: Path, *, checks: Mapping[str, list[str]] | None = None) -> Place:
    """Make the workspace: lib, app which takes it, and docs, all on an older nixpkgs. checks: of some repos.

    Each commit of a repo moves those that take it, so that a squash has something to make anew.
    """
    space = Space(root / "server")
    space.add("lib")
    space.add("app", {"nixpkgs": Take(), "lib": Take(follows={"nixpkgs": "nixpkgs"})})
    space.add("docs")
    tables = {name: {"checks": commands} for name, commands in (checks or {}).items()}
    manifest = space.manifest({"jobs": 2, "propagate": "always"}, tables=tables, mirrored=space.names)
    folder = root / "job"
    folder.mkdir()
    (folder / "workspace.toml").write_text(manifest.read_text())
    programs = root / "bin"
    programs.mkdir()
    place = Place(space, folder, programs)
    program(place, "flakesync", forked.script())
    shutil.copy(recipes.SCRIPT, programs / "flakesync-nightly")
    return place


def program(place: Place, name: str, text: str) -> None:
    """Put a program of our own first on PATH."""
    file = place.bin / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def files_with(text: str, *folders: Path) -> list[str]:
    """Return the files below `folders` that hold `text`."""
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [str(path) for path in found if text.encode() in path.read_bytes()]
