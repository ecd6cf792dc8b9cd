"""Small documents for the report page, with each thing that it shows, and the page read back."""

import re
from collections import Counter
from collections.abc import Sequence
from html.parser import HTMLParser

from flakesync.documents.audit import AuditFinding, AuditReport, Counts, IgnoreReason, Unchecked
from flakesync.documents.cooldown.choice import ConditionsDocument, PinChoice, TipDocument, WaitDocument, WaiverDocument
from flakesync.documents.drift import DriftReport, Finding, Locked, PinDrift
from flakesync.documents.graph import EdgeDocument, GraphDocument, RepoDocument
from flakesync.documents.history import HistoryLine, PinHistory
from flakesync.documents.plan import InertDocument
from flakesync.documents.pulls.status import PullStanding, RepoStatus, StatusDocument
from flakesync.documents.sync import ErrorDocument, HeldDocument, Outcome, SyncDocument
from flakesync.report.html.given import PageDocuments

DAY_S = 86_400
TARGET_AT = 1_790_000_000
NEW, OLD, WEEK, GONE = (each * 40 for each in "abcd")
_VOID = frozenset({"meta", "link", "input", "br"})
_APART = frozenset({"td", "th", "p", "li", "pre", "br", "dt", "dd", "h2", "h3", "text", "title"})
_OPTIONAL_END = frozenset({"option", "td"})


def repo(name: str, url: str | None = None) -> RepoDocument:
    return RepoDocument(name=name, url=url, base="main", rev=NEW, flakes=["."])


def edge(upstream: str, dependent: str, kind: str = "flake") -> EdgeDocument:
    assert kind in ("flake", "source")
    kinds = {"flake": "flake", "source": "source"}
    return EdgeDocument(
        upstream=upstream,
        dependent=dependent,
        flake=".",
        input=upstream,
        locked_rev=OLD,
        kind=kinds[kind],  # type: ignore[arg-type]
    )


def graph(waves: Sequence[Sequence[str]], edges: Sequence[EdgeDocument] = ()) -> GraphDocument:
    names = sorted(name for wave in waves for name in wave)
    return GraphDocument(
        repos=[repo(name) for name in names], edges=list(edges), waves=[list(wave) for wave in waves], cycles=[]
    )


def pin(name: str, locked: Sequence[tuple[str | None, int | None, Sequence[str]]]) -> PinDrift:
    """Return a pin at NEW. locked: (rev, days behind, repos)."""
    return PinDrift(
        name=name,
        source=f"github:NixOS/{name}",
        target_rev=NEW,
        target_last_modified=TARGET_AT,
        target_note=None,
        locked=[
            Locked(rev=rev, last_modified=None if days is None else TARGET_AT - days * DAY_S, repos=list(repos))
            for rev, days, repos in locked
        ],
    )


def behind(name: str, kind: str = "pin", input: str | None = "nixpkgs", held: str | None = None) -> Finding:
    import msgspec

    values = {"kind": kind, "repo": name, "flake": ".", "input": input, "locked_rev": OLD, "wanted_rev": NEW}
    return msgspec.convert(values | {"detail": f"not at the target of {name}", "held": held}, Finding)


def plain_page(waves: Sequence[Sequence[str]] = (("lib",), ("app",))) -> PageDocuments:
    """Return a page of repos that are in step."""
    return PageDocuments(
        workspace="acme",
        at="2026-11-28T03:17:00Z",
        run="0123456789ab",
        graph=graph(waves, [edge(waves[0][0], waves[1][0])] if len(waves) > 1 else []),
        drift=DriftReport(pins=[], findings=[]),
    )


def full_page() -> PageDocuments:
    """Return a page with something in each part of it."""
    repos = [repo("one-app", "github:acme/one-app"), repo("two-lib"), repo("tri-web"), repo("for-ops", "path:/ops")]
    edges = [edge("two-lib", "one-app"), edge("two-lib", "tri-web", "source"), edge("one-app", "two-lib")]
    drawn = GraphDocument(
        repos=repos,
        edges=edges,
        waves=[["two-lib", "for-ops"], ["one-app", "tri-web"]],
        cycles=[["one-app", "two-lib"]],
    )
    return PageDocuments(
        workspace="acme",
        at="2026-11-28T03:17:00Z",
        run="0123456789ab",
        graph=drawn,
        drift=_drift(),
        status=_status(),
        sync=_sync(),
        audit=_audit(),
        groups={"team-x": ["one-app"], "team-y": ["two-lib", "tri-web"]},
        history=[history_line(day, 3 + day) for day in range(1, 5)],
    )


def _drift() -> DriftReport:
    tip = TipDocument(rev=GONE, first_seen=TARGET_AT, dated_by="forge")
    wait = WaitDocument(rev=GONE, why="age", until="2026-11-30", detail="seen a day ago")
    asked = ConditionsDocument(days=3, tips=True, checks=True, dated_by="seen")
    nixpkgs = pin("nixpkgs", [(NEW, 0, ["for-ops"]), (WEEK, 7, ["one-app"]), (OLD, 49, ["two-lib"])])
    waiting = PinDrift(
        name="unstable",
        source="github:NixOS/nixpkgs/nixos-unstable",
        target_rev=None,
        target_last_modified=None,
        target_note=None,
        locked=[Locked(rev=OLD, last_modified=None, repos=["tri-web"])],
        tip=tip,
        waits=[wait],
        conditions=asked,
        stays="no commit may be taken yet",
    )
    external = PinChoice(
        name="github:acme/tools",
        target_rev=GONE,
        tip=tip,
        waits=[],
        waived=WaiverDocument(reason="CVE"),
        conditions=asked,
    )
    findings = [
        behind("one-app"),
        behind("one-app", "upstream", "two-lib"),
        behind("two-lib", held="hold: waits for a fix"),
        behind("tri-web", "unknown-rev", "two-lib"),
        behind("two-lib", "unreachable", None),
    ]
    inert = InertDocument(
        repo="for-ops",
        flake="dev",
        input="two-lib",
        upstream="two-lib",
        locked_rev=OLD,
        tip_rev=NEW,
        behind=2,
        moved=["nixpkgs"],
        rule="content",
    )
    return DriftReport(pins=[nixpkgs, waiting], findings=findings, external=[external], inert=[inert])


def _status() -> StatusDocument:
    error = ErrorDocument(code="forge-refused", message="no answer", hint="try later", because="two-lib")
    pull = PullStanding(
        url="https://github.com/acme/one-app/pull/7",
        number=7,
        state="open",
        draft=True,
        checks="failed",
        reviews="approved",
        mergeable=False,
    )
    return StatusDocument(
        branch="flakesync/update",
        repos=[
            RepoStatus(repo="two-lib", stage="failed", error=error),
            RepoStatus(repo="one-app", stage="open", commit=NEW, branch="up", pull=pull, waits_for=["two-lib"]),
            RepoStatus(repo="tri-web", stage="landed", commit=NEW, landed=True),
            RepoStatus(repo="for-ops", stage="none"),
        ],
    )


def _sync() -> SyncDocument:
    failed = ErrorDocument(code="check-failed", message="the check failed", hint="read its output")
    skipped = ErrorDocument(code="skipped", message="its upstream failed", because="two-lib")
    held = HeldDocument(
        flake=".",
        input="nixpkgs",
        rev=NEW,
        reason="checks fail",
        since="2026-11-27",
        check="nix flake check",
        first_bad=GONE,
        output="assertion failed",
    )
    return SyncDocument(
        run="0123456789ab",
        locker="native",
        dry_run=False,
        repos=[
            Outcome(repo="two-lib", status="failed", error=failed),
            Outcome(repo="one-app", status="updated", held=[held], failed_upstreams=["two-lib"]),
            Outcome(repo="tri-web", status="skipped", error=skipped),
        ],
        undecided=[ErrorDocument(code="unreachable", message="nobody answered")],
    )


def _audit() -> AuditReport:
    findings = [
        _found("look-alike", "high", "one-app", None),
        _found("look-alike", "high", "tri-web", None),
        _found("old", "low", "two-lib", IgnoreReason(reason="frozen", until="2027-01-01")),
    ]
    unchecked = [Unchecked(rule="dates", repo="tri-web", flake=".", input="lib", reason="no answer")]
    return AuditReport(
        level="mirror",
        at="base",
        repos=["one-app", "two-lib", "tri-web"],
        unread=["for-ops"],
        findings=findings,
        unchecked=unchecked,
        counts=Counts(high=2, medium=0, low=0, info=0, ignored=1),
        sources=5,
    )


def _found(rule: str, severity: str, name: str, ignored: IgnoreReason | None) -> AuditFinding:
    import msgspec

    values = {"rule": rule, "severity": severity, "repo": name, "flake": "dev", "input": "lib", "line": 3}
    values |= {"source": "github:acme/lib", "locked_rev": OLD, "message": f"{rule} is wrong", "fingerprint": name}
    return msgspec.structs.replace(msgspec.convert(values, AuditFinding), ignored=ignored)


def history_line(day: int, pins: int) -> HistoryLine:
    return HistoryLine(
        at=f"2026-11-{day:02}T03:17:00Z",
        run=f"{day:012x}",
        repos=4,
        in_step=1,
        findings={"pin": pins, "upstream": 2},
        pins={"nixpkgs": PinHistory(target=NEW, revs=2, at_target=1, oldest_d=40 + day)},
    )


class ReadPage(HTMLParser):
    """A page as a browser takes it apart. shape: tags and the names of their attributes, in order."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.shape: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape.append((tag, tuple(name for name, _ in attrs)))
        self.texts += [" "] if tag in _APART else []
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        self.shape.append((f"/{tag}", ()))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.texts))

    @property
    def ids(self) -> list[str]:
        return [value for _, name, value in self.attributes if name == "id"]

    @property
    def links(self) -> list[str]:
        return [value for _, name, value in self.attributes if name == "href"]

    def unbalanced(self) -> dict[str, int]:
        """Return the elements that are not ended as often as they begin."""
        found = Counter(tag for tag, _ in self.shape if not tag.startswith("/") and tag not in _VOID | _OPTIONAL_END)
        found.subtract(tag[1:] for tag, _ in self.shape if tag.startswith("/"))
        return {tag: number for tag, number in found.items() if number and tag not in ("td", "tr", "option")}
