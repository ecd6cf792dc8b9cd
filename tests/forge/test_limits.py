"""What a forge allows in so much time is kept: calls are spread over it, a note says when they will be done."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from flakesync.forge.client import Client, Endpoint
from flakesync.forge.github.adapter import GitHub
from flakesync.forge.limits.budget import Made
from flakesync.forge.limits.limits import NOTE_EVERY_S, Limits, Waits
from flakesync.forge.model import ForgeError, NewPull, Project
from tests.forge.scripted import Script
from tests.forge.test_github import shown

HOUR_S = 3600
MIDNIGHT = 1_800_057_600.0  # 2027-01-16 00:00:00 UTC
GITHUB = {60.0: 80, 3600.0: 500}


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times of day are told in the zone of whoever reads them."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@dataclass
class Bench:
    """A server with a limit, and a client that calls it; each call takes `call_s`.

    allows: calls in each window of `window_s`. headers: whether it says so. at: when each call was made. refused: how
    many calls it turned away. notes: what was said, and when.
    """

    allows: int
    window_s: float = HOUR_S
    call_s: float = 0.0
    prefix: str = "X-RateLimit-"
    used: int = 0
    now: float = MIDNIGHT + 3 * HOUR_S
    patience_s: float = 2 * HOUR_S
    at: list[float] = field(default_factory=list)
    refused: int = 0
    notes: list[tuple[float, str]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    stopped: bool = False
    _window: float = 0.0

    def __post_init__(self) -> None:
        self.limits = Limits(
            "github.com", self.sleep, lambda: self.now, Waits(lambda: self.patience_s, self.tell), lambda: self.stopped
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)

    def tell(self, text: str) -> None:
        self.notes.append((self.now, text))

    def call(self, *, makes: bool = False, resource: str = "core") -> None:
        """Make a call as a client does, until the server takes it."""
        self.limits.begin()
        while True:
            self.limits.wait(resource, makes=makes)
            began = self.now
            self.now += self.call_s
            window = self.now // self.window_s
            if window != self._window:
                self._window, self.used = window, 0
            taken = self.used < self.allows
            self.used += taken
            headers = {
                f"{self.prefix}limit": str(self.allows),
                f"{self.prefix}remaining": str(self.allows - self.used),
                f"{self.prefix}reset": str(int((window + 1) * self.window_s)),
            }
            headers = {name.lower(): value for name, value in headers.items()}
            if not self.limits.hit(resource, 200 if taken else 403, headers, b""):
                self.limits.count(began, makes=makes)
                self.at.append(self.now)
                return
            self.refused += 1

    def calls(self, count: int) -> None:
        self.limits.calls_left = count
        for _ in range(count):
            self.call()


def gaps(times: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(times)]


def test_where_all_are_allowed_nothing_is_waited_for() -> None:
    bench = Bench(5000)
    bench.calls(5000)
    assert (bench.slept, bench.notes, bench.refused) == ([], [], 0)


def test_what_is_allowed_is_spread_evenly_and_the_rest_follows_at_once() -> None:
    bench = Bench(5000)
    bench.call()
    bench.used = 3900  # by others with the same token
    bench.calls(3200)
    assert bench.refused == 0
    first = [at for at in bench.at[2:] if at < MIDNIGHT + 4 * HOUR_S]
    assert len(first) in range(1090, 1102)
    assert max(gaps(first)) < 1.1 * HOUR_S / 1100
    assert min(gaps(first)) > 0.9 * HOUR_S / 1100
    assert bench.now == MIDNIGHT + 4 * HOUR_S  # the other 2,100 take no time here
    assert len(bench.notes) == 2
    assert bench.notes[1][0] - bench.notes[0][0] >= NOTE_EVERY_S


def test_over_many_hours_each_hour_is_used_up_and_no_call_is_turned_away() -> None:
    bench = Bench(50)
    bench.calls(225)
    assert bench.refused == 0
    hours = Counter(at // HOUR_S for at in bench.at)
    assert [*hours.values()] == [50, 50, 50, 50, 25]
    told = [at for at, _ in bench.notes]
    assert all(gap >= NOTE_EVERY_S for gap in gaps(told))
    assert len(told) < 12
    assert "225 calls" not in bench.notes[0][1]  # the first told how many are allowed, and had to be made for that
    assert bench.notes[0][1] == (
        "github.com: 224 calls left to do, 49 allowed until 04:00: this will be done at about 07:00"
    )


def test_a_note_says_what_is_left_what_is_allowed_and_when_it_will_be_done() -> None:
    bench = Bench(5000, call_s=0.5, now=MIDNIGHT + 3 * HOUR_S + 40 * 60 - 0.5)
    bench.used, bench._window = 3899, bench.now // HOUR_S
    bench.call()
    bench.limits.calls_left = 3200
    bench.call()
    assert [text for _, text in bench.notes] == [
        "github.com: 3,200 calls left to do, 1,100 allowed until 04:00: this will be done at about 04:17"
    ]


def test_gitlabs_headers_are_of_a_minute() -> None:
    bench = Bench(10, window_s=60, prefix="RateLimit-")
    bench.calls(35)
    assert bench.refused == 0
    assert 180 <= bench.now - bench.at[0] <= 181
    assert len(bench.notes) == 1


def test_a_short_wait_is_not_worth_a_note() -> None:
    bench = Bench(10, window_s=10, prefix="RateLimit-")
    bench.calls(18)
    assert bench.refused == 0
    assert bench.slept
    assert bench.notes == []


def test_the_server_s_own_wish_is_told_too() -> None:
    bench = Bench(5000)
    bench.limits.calls_left = 12
    assert bench.limits.hit("core", 403, {"retry-after": "600"}, b"secondary rate limit")
    bench.call()
    assert bench.slept == [600]
    assert [text for _, text in bench.notes] == [
        "github.com: 12 calls left to do, none allowed until 03:10: this will be done at about 03:10"
    ]


def test_who_has_not_said_how_much_is_to_come_waits_for_the_last_one_alone() -> None:
    bench = Bench(10)
    for _ in range(11):
        bench.call()
    assert bench.refused == 0
    assert bench.slept == [1800, 1800]  # in pieces, so that a note can be given again
    assert [text for _, text in bench.notes] == ["github.com: none allowed until 04:00"] * 2


def test_a_wait_beyond_patience_is_an_error_and_nothing_is_slept() -> None:
    bench = Bench(10, patience_s=600)
    for _ in range(10):
        bench.call()
    with pytest.raises(ForgeError) as caught:
        bench.call()
    assert caught.value.code == "forge-rate-limit"
    assert (bench.slept, bench.notes) == ([], [])


def test_who_is_stopped_sleeps_no_further() -> None:
    bench = Bench(10)
    for _ in range(10):
        bench.call()

    def woken(_seconds: float) -> None:
        bench.sleep(1)
        bench.stopped = True

    bench.limits.sleep = woken
    bench.limits.wait("core")
    assert bench.slept == [1]


def test_what_graphql_has_used_up_keeps_rest_from_nothing() -> None:
    bench = Bench(3)
    for _ in range(3):
        bench.call(resource="graphql")
    bench.used = 0
    bench.call()
    assert bench.slept == []


@pytest.mark.parametrize("call_s", [0.0, 0.3, 2.0])
def test_no_more_is_made_in_a_minute_or_an_hour_than_github_allows(call_s: float) -> None:
    bench = Bench(50_000, call_s=call_s)
    bench.limits.made = Made(GITHUB)
    bench.limits.calls_left = bench.limits.made_left = 1300
    for _ in range(1300):
        bench.call(makes=True)
    times = bench.at
    for seconds, most in GITHUB.items():
        assert all(times[n + most] - times[n] >= seconds for n in range(len(times) - most))
    assert bench.now - times[0] < 2 * HOUR_S + 1300 * call_s + 600
    first = bench.notes[0][1]
    assert first.startswith("github.com: 1,220 pull requests left to open or merge, 80 a minute allowed: ") or call_s
    assert "500 an hour allowed: this will be done at about 05:" in bench.notes[-1][1]


def test_what_only_reads_does_not_wait_for_what_is_made() -> None:
    bench = Bench(50_000)
    bench.limits.made = Made({60.0: 2})
    for _ in range(2):
        bench.call(makes=True)
    bench.call()
    assert bench.slept == []
    bench.call(makes=True)
    assert bench.slept == [60]


@pytest.mark.parametrize(("host", "limited"), [("github.com", True), ("acme.ghe.com", True), ("git.acme.dev", False)])
def test_github_s_limits_on_content_are_kept_where_they_hold(host: str, limited: bool) -> None:
    script = Script("https://api.github.com", None)
    forge = GitHub(script.client(GitHub.headers("s3cret"), host))
    new = NewPull("flakesync/update", "main", "Update", "Body")
    for _ in range(80):
        script.then(201, shown())
        forge.create(Project(host, "acme/lib"), new)
    assert script.pauses == []
    script.then(201, shown())
    forge.create(Project(host, "acme/lib"), new)
    assert script.pauses == ([60.0] if limited else [])


def test_ctrl_c_ends_a_wait_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script("https://api.github.com", None).then(403, {}, Retry_After="3000")
    transport = script.client({})._web  # its answers come from the script
    client = Client(Endpoint("github.com", script.api, "s3cret"), {}, clock=lambda: 1000.0)
    monkeypatch.setattr(client, "_web", transport)
    told: list[str] = []
    client.limits.waits = Waits(lambda: 7200.0, told.append)
    failed: list[ForgeError] = []

    def call() -> None:
        try:
            client.tell("GET", "/x")
        except ForgeError as error:
            failed.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    while not told:
        time.sleep(0.01)
    client.stop()
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert [error.code for error in failed] == ["interrupted"]
    assert len(script.told) == 1
