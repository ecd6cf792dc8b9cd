"""Sixty repos on a server that says "not so fast", or loses its answers: sixty pull requests, none twice.

Time passes here only while the client sleeps, for both sides: the pauses that servers ask for take none of the test's.
"""

import os
import threading
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from flakesync.demo.forge.model import Kind
from flakesync.demo.forge.web.messages import Answer, Request
from flakesync.documents.pulls.publish import PublishDocument
from flakesync.forge import client as http
from flakesync.forge.client import Client
from flakesync.forge.hosts import Servers
from flakesync.publish.documents import publish_document
from flakesync.publish.publish import publish
from flakesync.publish.work import Published
from flakesync.survey.read import read_graph
from flakesync.sync.events import Event, Note
from flakesync.workspace.manifest import load_workspace, select
from tests.support.forge import Forge, faults
from tests.support.forge.client import HOSTS
from tests.support.forge.many import LABEL, Many, make_many

COUNT = 60
PULLS = r"/(pulls|merge_requests)($|\?)"
pytestmark = pytest.mark.slow
Kinds = pytest.mark.parametrize("kind", list(HOSTS))


class Clock:
    """Seconds since the epoch, which pass by sleeping."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Quiet:
    """Turns requests away that come too often, and counts those that come before they should. asked_s: the pause."""

    limit: faults.RateLimit
    asked_s: float
    early: int = 0
    _until: float = field(default=0.0)

    def __call__(self, request: Request, perform: faults.Perform) -> Answer | None:
        """Carry the request out, or turn it away."""
        now, refused = self.limit.clock(), self.limit.refused
        self.early += now < self._until
        answer = self.limit(request, perform)
        if self.limit.refused > refused:
            self._until = now + self.asked_s
        return answer


@dataclass
class Hour:
    """Lets so many requests through in each hour by the clock, and says so as GitHub and GitLab do."""

    clock: Clock
    requests: int
    refused: int = 0
    _hour: int = 0
    _used: int = 0

    def __call__(self, request: Request, perform: faults.Perform) -> Answer | None:
        """Carry a request out and say what is left, or turn it away."""
        hour = int(self.clock() // 3600)
        if hour != self._hour:
            self._hour, self._used = hour, 0
        taken = self._used < self.requests
        self._used += taken
        self.refused += not taken
        answer = perform() if taken else Answer(403, {"message": "API rate limit exceeded"})
        told = {"limit": self.requests, "remaining": self.requests - self._used, "reset": (hour + 1) * 3600}
        kept = tuple(header for header in answer.headers if "ratelimit" not in header[0].lower())
        mine = tuple((f"X-RateLimit-{name}", str(value)) for name, value in told.items())
        return Answer(answer.status, answer.body, (*kept, *mine), answer.content_type)


@dataclass
class Run:
    """Sixty repos on one forge, and the clock that it shares with its client. told: the notes of the last run."""

    many: Many
    clock: Clock
    kind: Kind
    told: list[str] = field(default_factory=list)

    def publish(self) -> PublishDocument:
        """Do what `flakesync publish` does."""
        workspace = load_workspace(self.many.manifest)
        connect = partial(Client, sleep=self.clock.sleep, clock=self.clock)
        with closing(Servers(workspace, os.environ, connect=connect)) as servers:
            graph = read_graph(workspace, at="update")
            results = publish(workspace, graph, select(workspace, (), (), ()), servers, listener=self._listen)
            return publish_document(results, workspace.branch)

    def _listen(self, event: Event[Published]) -> None:
        if isinstance(event, Note):
            self.told.append(event.text)

    def limit(
        self,
        requests: int,
        per_s: float,
        asked_s: float,
        action: faults.Action,
        *,
        method: str | None = None,
        path: str = "",
    ) -> Quiet:
        """Let the forge limit requests. asked_s: how long a pause `action` asks for."""
        quiet = Quiet(faults.RateLimit(requests, per_s, action, self.clock), asked_s)
        self.many.forge.faults.add(quiet, times=None, method=method, path=path)
        return quiet

    def assert_all_there_once(self) -> None:
        """Every repo has one pull request, with its update at the head, its label, and a link to its upstream's."""
        found = {name: self.many.project(name).pulls for name in self.many.names}
        assert {name: len(pulls) for name, pulls in found.items()} == dict.fromkeys(self.many.names, 1)
        opened = {name: pulls[0] for name, pulls in found.items()}
        assert {name: pull.head_rev for name, pull in opened.items()} == self.many.updates()
        assert all([label.name for label in pull.labels] == [LABEL] for pull in opened.values())
        assert [name for name, pull in opened.items() if "Depends-On: " not in pull.body] == ["r0"]


@pytest.fixture
def run(forge: Forge, kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    many = make_many(tmp_path / "many", forge, [HOSTS[kind]], COUNT, pushed=True)
    for name, value in {**many.environment(), **many.shortcut()}.items():
        monkeypatch.setenv(name, value)
    return Run(many, Clock(), kind)


@Kinds
def test_limits_are_kept_and_every_repo_gets_its_pull_request(run: Run) -> None:
    if run.kind == "github":
        # Two answers that nothing but their words explain; content that is made too fast; the requests of the hour.
        wordy = run.many.forge.faults.add(faults.secondary_limit(None), method="POST", path="/labels$", times=2, skip=9)
        limits = [
            run.limit(12, 60, 45, faults.secondary_limit(45), method="POST", path=PULLS),
            run.limit(25, 300, 300, faults.primary_limit(300, run.clock)),
        ]
    else:
        wordy = None
        limits = [
            run.limit(12, 60, 45, faults.too_many_requests(45), method="POST"),
            run.limit(25, 60, 30, faults.too_many_requests(30)),
        ]
    began = run.clock.now
    assert statuses(run.publish()) == {"opened": COUNT}
    run.assert_all_there_once()
    assert all(limit.limit.refused for limit in limits)
    assert wordy is None or wordy.hits == 2
    assert [limit.early for limit in limits] == [0] * len(limits)
    assert run.clock.now - began > 120
    run.many.forge.faults.clear()
    run.many.forge.forget_log()
    assert statuses(run.publish()) == {"unchanged": COUNT}
    assert len(run.many.forge.requests()) == (2 if run.kind == "github" else COUNT)


@Kinds
def test_calls_are_spread_over_what_the_forge_allows_and_none_is_turned_away(run: Run) -> None:
    hour = Hour(run.clock, 40)
    run.many.forge.faults.add(hour, times=None)
    run.publish()  # what the forge allows is known from its first answer on
    run.assert_all_there_once()
    assert hour.refused == 0
    assert len(run.told) in range(1, 12)
    assert run.told[0].startswith("localhost:")
    assert "calls left to do, " in run.told[0]
    assert ": this will be done at about " in run.told[0]


@Kinds
def test_what_was_done_although_its_answer_was_lost_is_not_done_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 2.0)  # an answer that nobody holds back comes sooner, whatever runs
    hung = threading.Event()
    faulty = run.many.forge.faults
    lost = [
        faulty.add(faults.act_and_hang(hung), method="POST", path=PULLS, every=15, times=3),
        faulty.add(faults.drop_after, method="POST", path=PULLS, every=4, times=None),
        faulty.add(faults.answer_after_acting(502), method="POST", path=PULLS, every=4, times=None),
        faulty.add(faults.drop_now_act_later(0.02), method="POST", path=PULLS, every=4, times=None),
        faulty.add(faults.drop_before, method="POST", path=PULLS, every=5, times=None),
        faulty.add(faults.drop_after, method="POST", path="/labels$", every=7, times=None),
        faulty.add(faults.drop_after, method="GET", every=11, times=None),
    ]
    first = run.publish()
    hung.set()
    # GitLab labels a merge request as it opens it.
    assert [fault.hits > 2 for fault in lost] == [True] * 5 + [run.kind != "gitlab", True]
    # Who was out of luck twice in a row is an error, and left to the next run.
    told = {outcome.error.code for outcome in first.repos if outcome.error is not None}
    assert told <= {"forge-unreachable"}
    assert statuses(first)["opened"] > COUNT / 2
    asked = {name: run.many.forge.requests(path=f"/{name}{PULLS}") for name in run.many.names}
    assert len(asked["r0"]) >= 2
    for exchanges in asked.values():
        methods = [exchange.request.method for exchange in exchanges]
        assert ("POST", "POST") not in pairwise(methods), "opened without a look"
    faulty.clear()
    again = statuses(run.publish())
    run.assert_all_there_once()
    assert again["failed"] == 0


def statuses(document: PublishDocument) -> Counter[str]:
    return Counter(outcome.status for outcome in document.repos)
