"""What nix/package.nix does after the installation, run with the program of this checkout."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flakesync.cli.app import COMMANDS
from tests.packaging.evaluated import TOP
from tests.packaging.test_flake import outputs
from tests.support.nix import RealNix

pytestmark = pytest.mark.packaging
INSTALLERS = """
installShellCompletion() { test "$1 $2" = "--cmd flakesync" && shift 2 && printf '%s\\n' "$@" >"$out/completions"; }
installManPage() { cp "$@" "$out"; }
"""


def test_what_the_package_does_after_its_installation_works(any_nix: RealNix, tmp_path: Path) -> None:
    script = outputs(any_nix, "flake.packages.x86_64-linux.default.given.postInstall")
    out, build = tmp_path / "out", tmp_path / "build"
    (out / "bin").mkdir(parents=True)
    (out / "bin/flakesync").symlink_to(Path(sys.executable).with_name("flakesync"))
    shutil.copytree(TOP / "examples/nightly", build / "examples/nightly")
    # stdenv runs such text so: with errors ending it, in the folder of the sources.
    env = {**os.environ, "out": str(out), "HOME": "/nonexistent", "TMPDIR": str(build)}
    argv = ["bash", "-euo", "pipefail", "-c", INSTALLERS + script]
    ran = subprocess.run(argv, cwd=build, env=env, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    nightly = out / "libexec/flakesync-nightly"
    assert os.access(nightly, os.X_OK)
    assert nightly.read_text() == (TOP / "examples/nightly/nightly.sh").read_text()
    assert (out / "completions").read_text().split() == [
        "--bash", "flakesync.bash", "--zsh", "flakesync.zsh", "--fish", "flakesync.fish",
    ]  # fmt: skip
    for shell, word in (("bash", "COMPREPLY"), ("zsh", "#compdef flakesync"), ("fish", "complete --command flakesync")):
        assert word in (build / f"flakesync.{shell}").read_text()
    pages = {page.name for page in out.iterdir() if page.is_file()}
    assert {"completions", "flakesync.1", *(f"flakesync-{name}.1" for name in COMMANDS)} <= pages
    assert all(re.search(r"\.[1-9]$", name) for name in pages - {"completions"}), "a section is in each name"
