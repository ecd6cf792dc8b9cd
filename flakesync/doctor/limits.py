"""What the system lets one process, and one user, have at once."""

import resource

from flakesync.doctor.place import DoctorPlace
from flakesync.doctor.rows import DoctorRows, Rows

_ROW = DoctorRows("machine")
_FILES, _FILES_A_JOB = 128, 16
_PROCESSES, _PROCESSES_A_JOB = 64, 16


def limit_rows(place: DoctorPlace) -> Rows:
    """Give the rows about open files and processes."""
    files = _FILES + _FILES_A_JOB * place.jobs
    yield from _row("open files", resource.RLIMIT_NOFILE, files, f"`ulimit -n {files}`, or LimitNOFILE of systemd")
    if hasattr(resource, "RLIMIT_NPROC"):
        processes = _PROCESSES + _PROCESSES_A_JOB * place.jobs
        hint = f"`ulimit -u {processes}`, or TasksMax of systemd"
        yield from _row("processes", resource.RLIMIT_NPROC, processes, hint)


def _row(what: str, limit: int, wanted: int, hint: str) -> Rows:
    soft, _ = resource.getrlimit(limit)
    if soft == resource.RLIM_INFINITY:
        yield _ROW.ok(what, "no limit")
    elif soft < wanted:
        yield _ROW.warning(what, f"{soft} at most, and a run with so many jobs may need {wanted}", hint=hint)
    else:
        yield _ROW.ok(what, f"{soft} at most")
