"""Documents of made-up workspaces of any size, for the report page: its tests, its pictures and its figures."""

import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from flakesync.documents.audit import AuditFinding, AuditReport, Counts, Unchecked
from flakesync.documents.cooldown.choice import ConditionsDocument, TipDocument, WaitDocument
from flakesync.documents.drift import DriftReport, Finding, FindingKind, Locked, PinDrift
from flakesync.documents.graph import EdgeDocument, GraphDocument, RepoDocument
from flakesync.documents.history import HistoryLine, PinHistory, PullHistory, SyncHistory
from flakesync.documents.pulls.status import PullStanding, RepoStatus, Stage, StatusDocument
from flakesync.documents.sync import ErrorDocument, Outcome, SyncDocument
from flakesync.report.html.given import PageDocuments
from flakesync.terms import EdgeKind

NOW = datetime(2026, 11, 28, 3, 17, tzinfo=UTC)
_DAY_S = 86400
_PINS = ("nixpkgs", "nixpkgs-unstable")
_WORDS = tuple(
    word
    for line in (
        "api auth billing build cache cli cloud config core crypto data deploy docs edge events export feed fleet gate",
        "geo graph hub images import index infra jobs kit lib logs mail maps media metrics model net notes ops parser",
        "pay pipe portal proto queue render reports rules runner schema search shell site stats store style sync tests",
        "tools trace users vault video web worker",
    )
    for word in line.split()
)


def page_documents(repos: int, *, nights: int = 366, seed: int = 1) -> PageDocuments:
    """Return what the page of a workspace of so many repos is made of; the same arguments give the same documents.

    A few hubs that many take, about two edges a repo, five to nine waves; most repos are out of step. nights: lines of
    history, the last one of NOW.
    """
    chance = random.Random(seed)
    names = _names(repos)
    waves = _waves(names, chance)
    edges = _edges(waves, chance)
    graph = GraphDocument(repos=[_repo(name) for name in names], edges=edges, waves=waves, cycles=[])
    drift = _drift(names, edges, chance)
    behind = {finding.repo for finding in drift.findings}
    status = _status(waves, edges, behind, chance)
    return PageDocuments(
        workspace="acme",
        at=_at(NOW),
        run=_rev(f"run {repos} {seed}")[:12],
        graph=graph,
        drift=drift,
        status=status,
        sync=_sync(status, chance),
        audit=_audit(names, chance),
        groups=_groups(names),
        history=_history(drift, len(names), len(behind), nights, chance),
    )


def _names(repos: int) -> list[str]:
    """Return names of two words, then with numbers, sorted."""
    names = list(_WORDS[:repos])
    for number in range(repos - len(names)):
        first, second = _WORDS[number % len(_WORDS)], _WORDS[number // len(_WORDS) % len(_WORDS)]
        turn = number // len(_WORDS) ** 2
        names.append(f"{second}-{first}-{turn}" if turn or first == second else f"{second}-{first}")
    taken: Counter[str] = Counter()
    for place, name in enumerate(names):
        taken[name] += 1
        names[place] = name if taken[name] == 1 else f"{name}-{taken[name]}"
    return sorted(names)


def _waves(names: Sequence[str], chance: random.Random) -> list[list[str]]:
    """Deal the names to waves: few in the first, most in the middle."""
    count = min(len(names), 5 if len(names) < 100 else 7 if len(names) < 500 else 9)
    mixed = chance.sample(list(names), len(names))
    waves: list[list[str]] = [[mixed.pop()] for _ in range(count)]
    weights = [min(number + 1, 4, count - number + 1) for number in range(count)]
    for name in mixed:
        waves[chance.choices(range(count), weights)[0]].append(name)
    return [sorted(wave) for wave in waves]


def _edges(waves: Sequence[Sequence[str]], chance: random.Random) -> list[EdgeDocument]:
    """Return about two inputs a repo: one of the wave before it, the others mostly hubs."""
    hubs = [name for wave in waves[:3] for name in wave[: max(1, len(wave) // 20)]]
    edges: list[EdgeDocument] = []
    for number, wave in enumerate(waves[1:], start=1):
        earlier = [name for before in waves[:number] for name in before]
        near = sorted(set(hubs) & set(earlier))
        for dependent in wave:
            taken = {chance.choice(waves[number - 1])}
            for _ in range(chance.choices((0, 1, 2, 3), (25, 45, 20, 10))[0]):
                taken.add(chance.choice(near if chance.random() < 0.6 else earlier))
            edges += [_edge(upstream, dependent, chance) for upstream in sorted(taken)]
    return sorted(edges, key=lambda edge: (edge.dependent, edge.input))


def _edge(upstream: str, dependent: str, chance: random.Random) -> EdgeDocument:
    kind: EdgeKind = "source" if chance.random() < 0.05 else "flake"
    rev = _rev(f"{upstream} {chance.randrange(3)}")
    return EdgeDocument(upstream=upstream, dependent=dependent, flake=".", input=upstream, locked_rev=rev, kind=kind)


def _repo(name: str) -> RepoDocument:
    return RepoDocument(name=name, url=f"github:acme/{name}", base="main", rev=_rev(f"{name} 0"), flakes=["."])


def _drift(names: Sequence[str], edges: Sequence[EdgeDocument], chance: random.Random) -> DriftReport:
    pins, findings = [], []
    for pin in _PINS:
        takes = [name for name in names if pin == "nixpkgs" or chance.random() < 0.2]
        pins.append(_pin(pin, takes, chance))
        findings += _pin_findings(pins[-1])
    for edge in edges:
        tip = _rev(f"{edge.upstream} 0")
        if edge.locked_rev != tip and chance.random() < 0.6:
            count = chance.randrange(1, 30)
            detail = f"{count} commit{'s' if count > 1 else ''} behind {edge.upstream} (main)"
            findings.append(_finding("upstream", edge.dependent, edge.input, edge.locked_rev, tip, detail))
    for name in names:
        if chance.random() < 0.05:
            detail = f'a second copy of nixpkgs; to remove it: inputs.{name}-dev.inputs.nixpkgs.follows = "nixpkgs"'
            findings.append(_finding("duplicate", name, f"{name}-dev/nixpkgs", _pin_rev("nixpkgs", 30), None, detail))
        if chance.random() < 0.004:
            detail = f"https://github.com/acme/{name}.git cannot be read: HTTP 503"
            findings.append(_finding("unreachable", name, None, None, None, detail))
    findings.sort(key=lambda found: (found.repo, found.flake or "", found.input or ""))
    return DriftReport(pins=pins, findings=findings)


def _pin(name: str, takes: Sequence[str], chance: random.Random) -> PinDrift:
    """Return a pin whose newest commit is not old enough yet, and the older ones that repos are at."""
    ages: dict[int, list[str]] = {}
    for repo in takes:
        ages.setdefault(chance.choice((0, 0, 0, 3, 6, 14, 23, 41, 49, 77)), []).append(repo)
    at = int(NOW.timestamp()) - 4 * _DAY_S
    tip = TipDocument(rev=_rev(f"{name} tip"), first_seen=at + 3 * _DAY_S, dated_by="forge")
    until = (NOW + timedelta(days=2)).date().isoformat()
    wait = WaitDocument(rev=tip.rev, why="age", until=until, detail="seen 1 day ago, asked for: 3")
    return PinDrift(
        name=name,
        source=f"github:NixOS/nixpkgs/{'nixos-25.11' if name == 'nixpkgs' else 'nixos-unstable'}",
        target_rev=_pin_rev(name, 0),
        target_last_modified=at,
        target_note=None,
        locked=[
            Locked(rev=_pin_rev(name, age), last_modified=at - age * _DAY_S, repos=at_it)
            for age, at_it in sorted(ages.items())
        ],
        tip=tip,
        waits=[wait],
        conditions=ConditionsDocument(days=3, tips=True, checks=False, dated_by="forge"),
    )


def _pin_findings(pin: PinDrift) -> list[Finding]:
    found = []
    for locked in pin.locked:
        days = ((pin.target_last_modified or 0) - (locked.last_modified or 0)) // _DAY_S
        detail = f"not at pin {pin.name}, {days} days behind"
        if locked.rev != pin.target_rev:
            found += [_finding("pin", name, pin.name, locked.rev, pin.target_rev, detail) for name in locked.repos]
    return found


def _finding(
    kind: FindingKind, repo: str, input: str | None, locked: str | None, wanted: str | None, detail: str
) -> Finding:
    flake = "." if input else None
    return Finding(kind=kind, repo=repo, flake=flake, input=input, locked_rev=locked, wanted_rev=wanted, detail=detail)


def _status(
    waves: Sequence[Sequence[str]], edges: Sequence[EdgeDocument], behind: set[str], chance: random.Random
) -> StatusDocument:
    upstreams: dict[str, set[str]] = {}
    for edge in edges:
        upstreams.setdefault(edge.dependent, set()).add(edge.upstream)
    open_now: set[str] = set()
    repos = []
    for name in (name for wave in waves for name in wave):
        stages: Sequence[Stage] = ("open", "local", "pushed", "landed", "failed")
        stage = chance.choices(stages, (60, 10, 5, 20, 5))[0] if name in behind else "none"
        waits = sorted(upstreams.get(name, set()) & open_now)
        if stage not in ("none", "landed"):
            open_now.add(name)
        repos.append(_repo_status(name, stage, waits if stage != "landed" else [], chance))
    return StatusDocument(branch="flakesync/update", repos=repos)


def _repo_status(name: str, stage: Stage, waits: list[str], chance: random.Random) -> RepoStatus:
    if stage == "none":
        return RepoStatus(repo=name, stage=stage, base="main", branch="flakesync/update")
    commit = _rev(f"{name} update")
    number = chance.randrange(1, 900)
    pull = PullStanding(
        url=f"https://github.com/acme/{name}/pull/{number}",
        number=number,
        state="merged" if stage == "landed" else "open",
        draft=False,
        checks=chance.choice(("pending", "passed", "failed")) if stage == "open" else None,
        reviews=chance.choice(("none", "approved")) if stage == "open" else None,
        mergeable=True if stage == "open" else None,
    )
    error = ErrorDocument(code="forge-refused", message="HTTP 503 for the pull requests", hint="Try again later.")
    return RepoStatus(
        repo=name,
        stage=stage,
        base="main",
        branch="flakesync/update",
        local=commit,
        remote=commit if stage != "local" else None,
        commit=commit,
        pull=pull if stage in ("open", "landed") else None,
        landed=stage == "landed",
        waits_for=waits,
        error=error if stage == "failed" else None,
    )


def _sync(status: StatusDocument, chance: random.Random) -> SyncDocument:
    error = ErrorDocument(code="check-failed", message="nix flake check failed", hint=None)
    outcomes = []
    for repo in status.repos:
        if repo.stage == "none":
            outcomes.append(Outcome(repo=repo.repo, status="unchanged"))
        elif chance.random() < 0.03:
            outcomes.append(Outcome(repo=repo.repo, status="failed", error=error))
        else:
            outcomes.append(Outcome(repo=repo.repo, status="updated", branch=repo.branch, commit=repo.commit))
    return SyncDocument(run="2026-11-28", locker="native", dry_run=False, repos=outcomes)


def _audit(names: Sequence[str], chance: random.Random) -> AuditReport:
    findings = []
    for name in names:
        if chance.random() < 0.08:
            message = "github:acme-mirror/lib is one letter away from github:acme/lib"
            findings.append(_audit_finding("look-alike", "medium", name, message))
        if chance.random() < 0.01:
            findings.append(_audit_finding("no-nar-hash", "high", name, "the lock has no narHash"))
    tally = Counter(finding.severity for finding in findings)
    return AuditReport(
        level="offline",
        at="base",
        repos=list(names),
        findings=findings,
        unchecked=[Unchecked(rule="dates", repo=names[0], flake=".", input="lib", reason="its server did not answer")],
        counts=Counts(high=tally["high"], medium=tally["medium"], low=0, info=0, ignored=0),
        sources=len(names) + 2,
    )


def _audit_finding(rule: str, severity: str, repo: str, message: str) -> AuditFinding:
    import msgspec

    values = {
        "rule": rule,
        "severity": severity,
        "repo": repo,
        "flake": ".",
        "input": "lib",
        "line": 17,
        "source": "github:acme-mirror/lib",
        "locked_rev": _rev(f"{repo} {rule}"),
        "message": message,
        "fingerprint": _rev(f"{rule} {repo}")[:16],
    }
    return msgspec.convert(values, AuditFinding)


def _groups(names: Sequence[str]) -> dict[str, list[str]]:
    """Return ten groups; a repo in twenty is in none."""
    groups: dict[str, list[str]] = {}
    for place, name in enumerate(names):
        if place % 20:
            groups.setdefault(f"team-{_WORDS[place % 10]}", []).append(name)
    return dict(sorted(groups.items()))


def _history(drift: DriftReport, repos: int, behind: int, nights: int, chance: random.Random) -> list[HistoryLine]:
    """Return a line a night; the last one agrees with the drift, those before go up and down from it."""
    now: Counter[FindingKind] = Counter(finding.kind for finding in drift.findings)
    lines = []
    for night in range(nights):
        ago = nights - 1 - night
        factor = 1.0 if ago == 0 else max(0.05, 1 + 0.6 * ((ago * 7) % 31 - 15) / 15 + chance.uniform(-0.1, 0.1))
        counts = {kind: round(count * factor) for kind, count in sorted(now.items()) if round(count * factor)}
        late = min(repos, round(behind * factor))
        lines.append(
            HistoryLine(
                at=_at(NOW - timedelta(days=ago)),
                run=_rev(f"night {ago}")[:12],
                repos=repos,
                in_step=repos - late,
                findings=counts,
                pins={pin.name: _pin_history(pin, repos, factor, ago) for pin in drift.pins},
                pulls=PullHistory(open=late // 2, merged=chance.randrange(late // 4 + 1), failed=late // 50),
                sync=SyncHistory(updated=late, failed=late // 40, skipped=late // 60),
                seconds=round(repos * 0.02 * chance.uniform(0.8, 1.5), 3),
            )
        )
    return lines


def _pin_history(pin: PinDrift, repos: int, factor: float, ago: int) -> PinHistory:
    locked = pin.locked or [Locked(rev=None, last_modified=None, repos=[])]
    oldest = ((pin.target_last_modified or 0) - (locked[-1].last_modified or 0)) // _DAY_S
    return PinHistory(
        target=_pin_rev(pin.name, 0) if ago == 0 else _rev(f"{pin.name} {ago // 3}"),
        revs=len(locked),
        at_target=min(repos, round(len(locked[0].repos) / factor)),
        oldest_d=round(oldest * factor),
        median_d=round(oldest * factor / 3),
    )


def _pin_rev(pin: str, age: int) -> str:
    return _rev(f"{pin} {age} days behind")


def _rev(words: str) -> str:
    """Return a commit id that is made of the words alone."""
    return hashlib.sha1(words.encode(), usedforsecurity=False).hexdigest()


def _at(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
