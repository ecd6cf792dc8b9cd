"""Whether the sources of pins are there: a run moves nothing of a pin whose server does not say where its branch is."""

from concurrent.futures import ThreadPoolExecutor

from flakesync.doctor.place import DoctorPlace
from flakesync.doctor.rows import DoctorRows, Rows
from flakesync.documents.doctor import DoctorRow
from flakesync.errors import INTERRUPTED, FlakesyncError
from flakesync.git.remotes.remote import ls_remote
from flakesync.workspace.hosts import Hosts
from flakesync.workspace.model import Pin

_ROW = DoctorRows("pins")
_ASKED_AT_ONCE = 4
_TIMEOUT_S = 20.0


def pin_rows(place: DoctorPlace) -> Rows:
    """Give a row for each pin with the target `latest` that a run cannot move, and one for all others."""
    if place.workspace is None or place.hosts is None:
        return
    hosts = place.hosts
    asked = [pin for pin in place.workspace.pins if pin.target == "latest"]
    if place.offline:
        if asked:
            yield _ROW.unseen("sources", f"{_names(asked)}: not asked with --offline")
        return
    with ThreadPoolExecutor(max_workers=_ASKED_AT_ONCE) as pool:
        found = [*zip(asked, pool.map(lambda pin: _look(hosts, pin), asked), strict=True)]
    yield from (row for _, row in found if row is not None)
    good = [pin for pin, row in found if row is None]
    if good:
        yield _ROW.ok("sources", f"{_names(good)}: each branch is there")


def _look(hosts: Hosts, pin: Pin) -> DoctorRow | None:
    """Return what is wrong with a pin's source; None: nothing."""
    url = pin.source.git_url()
    if url is None:
        return _ROW.unseen(f"source of {pin.name}", f"{pin.source} is no git repository: a run asks for it")
    try:
        ls_remote(hosts.remote(url), pin.source.ref, timeout_s=_TIMEOUT_S)
    except FlakesyncError as error:
        if error.code in INTERRUPTED:
            raise
        hint = hosts.clean(error.hint) if error.hint is not None else None
        return _ROW.fails(f"source of {pin.name}", hosts.clean(error.message), hint=hint)
    return None


def _names(pins: list[Pin]) -> str:
    names = [pin.name for pin in pins]
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:4])} and {len(names) - 4} more"
