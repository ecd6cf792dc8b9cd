"""Folders of the repo that a flake takes as inputs (`path:./sub`): Nix reads them again whenever the lock changes."""

import posixpath
from collections.abc import Mapping
from typing import TYPE_CHECKING

from flakesync.nix.expression.stale import differs
from flakesync.nix.lock.file import LockFile
from flakesync.terms import FlakeDir, InputPath, NodeLabel, show_path
from flakesync.workspace.clones.flake_nix import read_flake_nix
from flakesync.workspace.inputs import own_folders
from flakesync.workspace.snapshot import FlakeState, RepoState

if TYPE_CHECKING:
    from flakesync.nix.expression.inputs import InputSpec


def behind_folder(state: RepoState, flake: FlakeState, lock: LockFile) -> str | None:
    """Return where a lock has not what the flake.nix of a folder says by now, as a phrase; None: it has.

    Any change of the lock would bring that along.
    """
    from flakesync.nix.expression.inputs import NotStatic, read_inputs

    dirs: dict[InputPath, FlakeDir] = {(): flake.dir}
    for path, label in own_folders(lock):
        if not path:
            continue
        place = str((lock.nodes[label].original or {}).get("path", "."))
        dirs[path] = FlakeDir(posixpath.normpath(posixpath.join(dirs[path[:-1]], place)))
        if not lock.nodes[label].flake:
            continue
        file = read_flake_nix(state, dirs[path])
        if file is None:
            return f"the folder of {show_path(path)} has no flake.nix"
        read = read_inputs(file.data)
        if isinstance(read, NotStatic):
            return f"only Nix can tell the inputs of {show_path(path)}: {read.reason}"
        if not _agree(flake, lock, (path, label), read.inputs):
            return f"{file.file}, which {show_path(path)} is, has other inputs than the lock"
    return None


def _agree(
    flake: FlakeState, lock: LockFile, folder: tuple[InputPath, NodeLabel], inputs: Mapping[str, "InputSpec"]
) -> bool:
    path, label = folder
    entries = lock.nodes[label].inputs
    if entries.keys() != inputs.keys():
        return False
    for name, spec in inputs.items():
        target = entries[name]
        if (*path, name) in flake.overrides:
            continue
        if isinstance(target, tuple) or spec.follows is not None:
            if target != (*path, *(spec.follows or ())):
                return False
        elif spec.ref is not None and differs(spec, spec.ref, lock.nodes[target], override=False):
            return False
    return True
