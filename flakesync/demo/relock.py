"""Write the locks in `examples/`: `python -m flakesync.demo.relock`, after a flake.nix there has changed.

The example repositories are built in a scratch folder, and git is told to look there for what the flakes name as
https://git.acme.example, which does not exist. The locks that Nix then writes are the same with every version of it.
"""

import os
import sys

from flakesync.demo.build import FORGE, build_workspace, examples, found_in
from flakesync.demo.timeline import steps
from flakesync.errors import EXIT_CANNOT_RUN, EXIT_OK, FlakesyncError
from flakesync.nix.program.command import Nix
from flakesync.processes.folders import temporary_folder


def example_locks() -> dict[str, bytes]:
    """Return what the locks in `examples/` should be, by their path there (`core/dev/flake.lock`).

    Raises:
        FlakesyncError: git or Nix is missing, or failed.
    """
    with temporary_folder("relock") as scratch:
        directory = scratch.resolve() / "acme"
        nix = Nix.find({**os.environ, **found_in(directory, [FORGE])})
        build_workspace(directory, lambda name: f"{FORGE}/{name}", nix=nix)
        paths = {f"{step.repo}/{flake}/flake.lock".replace("/./", "/") for step in steps() for flake in step.locked}
        return {path: (directory / path).read_bytes() for path in sorted(paths)}


def main() -> int:
    """Write every lock that is not as it should be; return the exit status."""
    try:
        locks = example_locks()
    except FlakesyncError as error:
        print(f"error[{error.code}]: {error.message}", file=sys.stderr)
        return EXIT_CANNOT_RUN
    for path, content in locks.items():
        file = examples() / path
        if not file.exists() or file.read_bytes() != content:
            file.write_bytes(content)
            print(f"wrote {file}")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
