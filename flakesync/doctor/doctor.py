"""Everything that is looked at, group by group; what cannot be looked at is a row too."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from flakesync.doctor.clones import clone_rows
from flakesync.doctor.disk import disk_rows
from flakesync.doctor.forges.rows import forge_rows
from flakesync.doctor.identity import identity_rows
from flakesync.doctor.limits import limit_rows
from flakesync.doctor.manifest import manifest_rows
from flakesync.doctor.nix_settings import nix_rows
from flakesync.doctor.pins import pin_rows
from flakesync.doctor.place import DoctorPlace
from flakesync.doctor.programs import program_rows
from flakesync.doctor.remotes import mirror_rows, remote_rows
from flakesync.doctor.rows import DoctorRows, Rows
from flakesync.doctor.runs import run_rows
from flakesync.documents.doctor import DoctorDocument, DoctorGroup, DoctorRow
from flakesync.errors import INTERRUPTED, ManifestError, as_error
from flakesync.workspace.manifest import find_manifest, load_workspace, select
from flakesync.workspace.model import Workspace

LOOKS: Sequence[tuple[DoctorGroup, Callable[[DoctorPlace], Rows]]] = (
    ("manifest", manifest_rows),
    ("programs", program_rows),
    ("nix", nix_rows),
    ("git", identity_rows),
    ("machine", disk_rows),
    ("machine", limit_rows),
    ("runs", run_rows),
    ("clones", clone_rows),
    ("forges", forge_rows),
    ("repos", remote_rows),
    ("repos", mirror_rows),
    ("pins", pin_rows),
)
"""The group of each function, in the order of the answer. A function writes nothing, and ends by itself."""


def find_place(
    given: Path | None,
    environ: Mapping[str, str],
    *,
    choose: Callable[[Workspace], Workspace] = lambda workspace: workspace,
    chosen: tuple[Sequence[str], Sequence[str], Sequence[str]] = ((), (), ()),
    offline: bool = False,
) -> DoctorPlace:
    """Return what is looked at: a manifest that cannot be read, or is not there, is no reason not to begin.

    given: the manifest as the user names it; None: the nearest one upward. choose: what options make of a workspace.
    chosen: repos, groups, and what is excluded, as for `select`.

    Raises: ManifestError: the file that is named is not there, or no such repo is.
    """
    try:
        file = given if given is not None else find_manifest(Path.cwd())
        workspace = choose(load_workspace(file))
    except ManifestError as error:
        if error.code == "no-manifest":
            if given is not None:
                raise
            return DoctorPlace(environ, offline=offline)
        return DoctorPlace(environ, file, problem=error, offline=offline)
    return DoctorPlace(environ, workspace.file, workspace, None, select(workspace, *chosen), offline)


def examine(
    place: DoctorPlace, looks: Sequence[tuple[DoctorGroup, Callable[[DoctorPlace], Rows]]] = LOOKS
) -> DoctorDocument:
    """Look at everything. Raises: FlakesyncError where the run is interrupted."""
    rows: list[DoctorRow] = []
    for group, look in looks:
        try:
            rows.extend(look(place))
        except Exception as exception:
            error = as_error(exception)
            if error.code in INTERRUPTED:
                raise
            rows.append(DoctorRows(group).error(group, error))
    return DoctorDocument(manifest=str(place.manifest) if place.manifest is not None else None, rows=rows)
