"""The manifest: whether a run can read it, and every problem of it."""

from flakesync.doctor.place import DoctorPlace
from flakesync.doctor.rows import DoctorRows, Rows
from flakesync.workspace.table import InvalidManifest

_ROW = DoctorRows("manifest")


def manifest_rows(place: DoctorPlace) -> Rows:
    """Give a row for the manifest, or one for each of its problems."""
    match place.problem:
        case InvalidManifest() as invalid:
            for where, message, hint in invalid.problems:
                yield _ROW.fails("workspace.toml", f"{where}: {message}" if where else message, hint=hint)
        case None if place.workspace is not None:
            workspace = place.workspace
            chosen = len(place.repos)
            repos = f"{chosen} of {len(workspace.repos)}" if chosen < len(workspace.repos) else f"{chosen}"
            yield _ROW.ok("workspace.toml", f"{workspace.file}; repos: {repos}, pins: {len(workspace.pins)}")
        case None:
            hint = "`flakesync init` writes one; `-w FILE` names one that lies elsewhere"
            yield _ROW.unseen("workspace.toml", "there is none here: only the machine is looked at", hint=hint)
        case problem:
            yield _ROW.error("workspace.toml", problem)
