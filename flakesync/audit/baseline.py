"""The first day: what is there now becomes `[[audit.ignore]]` tables at the end of the manifest, for 90 days."""

import os
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

import msgspec
import tomli
import tomli_w

from flakesync.audit.ignores import covers
from flakesync.documents.audit import AuditFinding
from flakesync.errors import FlakeRefError, ManifestError
from flakesync.files import replacing
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.system import cause_of
from flakesync.workspace.audit import OF_IGNORES, RuleId
from flakesync.workspace.manifest import parse_workspace
from flakesync.workspace.settings.array_tables import with_tables
from flakesync.workspace.values import glob

DAYS = 90

_NEVER: frozenset[RuleId] = OF_IGNORES | {"unreachable", "bad-lock"}
"""What is not known of a lock that nobody could read cannot be left for 90 days."""
_SPECIAL = frozenset("*?[")


class Baseline(msgspec.Struct, frozen=True):
    """What was written. tables: how many ignores. left: the findings that got none, and are not ignored."""

    tables: int
    left: tuple[AuditFinding, ...]


def write_baseline(manifest: Path, findings: Iterable[AuditFinding], today: date) -> Baseline:
    """Append an ignore for each finding that is not ignored yet. today: the day on which they were found, in UTC.

    What is in the file stays as it is, to the byte. Findings of repos or locks that could not be read get none, nor
    does an input whose path is too long for a glob, or has an empty name. The file is replaced in one step, once its
    new content has been read as what the manifest would then say.

    Raises:
        ManifestError: `baseline`: the manifest cannot be appended to, or not be written. What reading it raises, where
            it is no longer what it was when the findings were made. Then it is as it was.
    """
    open_ = [each for each in findings if each.ignored is None]
    wanted = [each for each in open_ if each.rule not in _NEVER and _fits(each)]
    left = tuple(each for each in open_ if each not in wanted)
    tables = list(dict.fromkeys(_table(each, today) for each in wanted))
    if not tables:
        return Baseline(0, left)
    # A link stays one: what it leads to is written.
    place = Path(os.path.realpath(manifest))
    try:
        data = place.read_bytes()
        new = _appended(manifest, data, tables)
        _require_covered(manifest, new, wanted)
        _replace(place, new)
    except OSError as error:
        cause = cause_of(error, where=str(place))
        message = cause.message if cause is not None else f"{place}: {error.strerror or error}"
        raise _refused(f"the manifest is as it was: {message}", cause.hint if cause is not None else None) from None
    return Baseline(len(tables), left)


def _fits(finding: AuditFinding) -> bool:
    try:
        return finding.input is None or bool(glob(_escaped(finding.input)))
    except ManifestError:
        return False


def _table(finding: AuditFinding, today: date) -> str:
    """Return an ignore as TOML, without a line feed before it."""
    values: dict[str, object] = {"rule": finding.rule, "repo": _escaped(finding.repo)}
    if finding.flake is not None:
        values["flake"] = finding.flake
    if finding.input is not None:
        values["input"] = _escaped(finding.input)
    if finding.source is not None and _is_reference(finding.source):
        values["locked"] = finding.source
    values["reason"] = f"baseline {today.isoformat()}"
    values["until"] = today + timedelta(days=DAYS)
    return f"[[audit.ignore]]\n{tomli_w.dumps(values)}"


def _is_reference(source: str) -> bool:
    try:
        return FlakeRef.parse(source).rev is None and source.isprintable()
    except FlakeRefError:
        return False


def _escaped(name: str) -> str:
    """Return the glob that matches a name and nothing else, but that `?` stands for what no manifest may hold."""
    return "".join(f"[{char}]" if char in _SPECIAL else char if _may_be_written(char) else "?" for char in name)


def _may_be_written(char: str) -> bool:
    return char.isprintable() and not char.isspace()


def _appended(manifest: Path, data: bytes, tables: Sequence[str]) -> bytes:
    """Return a manifest with tables at its end. Raises: ManifestError(`baseline`)."""
    try:
        new = with_tables(data.decode(), tables)
        tomli.loads(new)
    except ValueError:
        hint = "write `[audit]` as a table of its own, and each ignore as `[[audit.ignore]]`"
        raise _refused(f"{manifest}: `[[audit.ignore]]` cannot be appended to it as it is written", hint) from None
    return new.encode()


def _require_covered(manifest: Path, data: bytes, findings: Iterable[AuditFinding]) -> None:
    """Refuse a manifest that would not leave all of these findings. Raises: ManifestError."""
    ignores = parse_workspace(manifest, data).audit.ignore
    for each in findings:
        if not any(covers(ignore, each) for ignore in ignores):
            raise _refused(f"{manifest}: the ignore of {each.rule} in {each.repo} would not cover it", None)


def _replace(place: Path, data: bytes) -> None:
    """Put a manifest in the place of the old one, with its permissions. Raises: OSError."""
    mode = place.stat().st_mode & 0o7777
    if not os.access(place, os.W_OK):
        raise PermissionError(13, os.strerror(13), str(place))
    with replacing(place, data, mode):
        pass


def _refused(message: str, hint: str | None) -> ManifestError:
    return ManifestError("baseline", message, hint=hint)
