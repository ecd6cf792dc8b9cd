"""One rule, asked about a repo `app` that is made as values."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

import msgspec

from flakesync.audit.audit import make_context
from flakesync.audit.engine import Found, find_findings
from flakesync.audit.rule import Rule
from flakesync.workspace.audit import AuditSettings
from flakesync.workspace.manifest import Pin
from flakesync.workspace.snapshot import RepoState, Snapshot
from tests.support import locks
from tests.support.locks import Input, Inputs, Json
from tests.support.workspaces import NOW, Flakes, commit_id, repo, state_of, workspace


def ask(
    rule: Rule,
    content: Inputs | Flakes | RepoState,
    *,
    now: int = NOW,
    settings: AuditSettings | None = None,
    pins: Sequence[Pin] = (),
) -> Found:
    """Return what a rule says of a repo. content: its inputs, its flakes, or how it was read."""
    made = msgspec.structs.replace(workspace([repo("app")], pins), audit=settings or AuditSettings())
    state = state_of(repo("app"), content, commit_id("app")) if isinstance(content, Mapping) else content
    context = make_context(Snapshot(made, "base", {state.name: state}), now=now)
    return find_findings(context, [state], [rule])


def said(found: Found) -> list[tuple[str | None, str, str]]:
    """Return the input, severity and message of each finding."""
    return [(each.input, each.severity, each.message) for each in found.findings]


def locked(**attrs: object) -> Input:
    """Return an input with these attributes locked; what `original` has of them is what a flake.nix would."""
    usual: Json = {"type": "git", "url": "https://example.com/x", "narHash": locks.nar_hash_of("x")}
    everything = {key: value for key, value in {**usual, **attrs}.items() if value is not None}
    named = {key: value for key, value in everything.items() if key in ("type", "url", "id", "path", "owner", "repo")}
    return Input(everything, named)


def noon(day: str) -> int:
    """Return noon of a day (ISO 8601, UTC) as seconds since the epoch."""
    return midnight(day) + 12 * 3600


def midnight(day: str) -> int:
    """Return the first second of a day (ISO 8601, UTC)."""
    return int(datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC).timestamp())
