"""What Nix evaluates as the inputs of flake.nix files, many by one process."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.nix.meant import Json
from tests.support.nix import RealNix

OF = """
of = file: let
  flake = import file;
  asked = removeAttrs (builtins.functionArgs flake.outputs) [ "self" ];
in builtins.mapAttrs (_: _: { }) asked // (flake.inputs or { });
"""
"""As Nix does, with what the outputs ask for: nothing is said of such an input, so it is looked up by its name."""


def evaluated(nix: RealNix, folder: Path, sources: Sequence[bytes]) -> list[Json]:
    """Return the inputs of flake.nix files, one for each; `folder` is made for them."""
    folder.mkdir()
    for number, source in enumerate(sources):
        (folder / f"{number}.nix").write_bytes(source)
    files = " ".join(f"(of ./{number}.nix)" for number in range(len(sources)))
    (folder / "all.nix").write_text(f"let {OF} in [ {files} ]")
    argv = [str(nix.path), "eval", "--json", "--file", str(folder / "all.nix")]
    run = subprocess.run(argv, env=nix.env(), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert len(found) == len(sources)
    return list(found)
