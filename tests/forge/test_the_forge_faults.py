"""What goes wrong at the tests' forge when it is told to, shown with nothing but urllib."""

import http.client
import time
import urllib.error
from pathlib import Path

import pytest

from flakesync.demo.forge.model import Kind
from tests.support.forge import Certificates, Forge, faults
from tests.support.forge.client import HOSTS, client_of

Kinds = pytest.mark.parametrize("kind", list(HOSTS))


@Kinds
def test_a_dropped_answer_leaves_the_pull_request_behind(forge: Forge, kind: Kind) -> None:
    client = client_of(forge, kind)
    forge.faults.add(faults.drop_before, method="POST", path=client.pulls)
    forge.faults.add(faults.drop_after, method="POST", path=client.pulls)
    opened = []
    for _ in range(2):
        with pytest.raises((http.client.HTTPException, OSError)):
            client.open()
        opened.append(len(client.project.pulls))
    assert opened == [0, 1]
    assert [exchange.status for exchange in forge.requests("POST")] == [None, None]


def test_an_error_may_come_before_or_after_it_was_done(forge: Forge) -> None:
    client = client_of(forge, "github")
    forge.faults.add(faults.answer(502), method="POST")
    assert client.open().status == 502
    assert client.project.pulls == []
    forge.faults.add(faults.answer_after_acting(504), method="POST")
    late = client.open()
    assert late.status == 504
    assert late.headers["content-type"].startswith("text/html")
    assert len(client.project.pulls) == 1


def test_a_web_page_may_come_instead_of_json(forge: Forge) -> None:
    client = client_of(forge, "gitlab")
    forge.faults.add(faults.html(), method="GET", times=2)
    pages = [client.get(1) for _ in range(2)]
    assert {page.status for page in pages} == {200}
    assert all(isinstance(page.data, bytes) and page.data.startswith(b"<!DOCTYPE html>") for page in pages)
    assert client.get(1).status == 404


def test_a_host_may_hang_until_it_is_stopped(forge: Forge) -> None:
    client = client_of(forge, "forgejo")
    forge.faults.add(faults.hang(forge.stopping), times=None)
    with pytest.raises((TimeoutError, urllib.error.URLError)) as caught:
        client.call("GET", "/pulls", timeout_s=0.2)
    # On a busy machine its time may be up before it has even connected.
    assert isinstance(getattr(caught.value, "reason", caught.value), TimeoutError)


def test_an_answer_may_take_its_time(forge: Forge) -> None:
    client = client_of(forge, "github")
    forge.faults.add(faults.delay(0.2))
    begin = time.monotonic()
    assert client.open().status == 201
    assert time.monotonic() - begin >= 0.2


def test_a_fault_strikes_as_often_as_it_was_told_to(forge: Forge) -> None:
    client = client_of(forge, "github")
    fault = forge.faults.add(faults.answer(503), path="/pulls", skip=1, every=2, times=2)
    statuses = [client.call("GET", "/pulls").status for _ in range(7)]
    assert statuses == [200, 503, 200, 503, 200, 200, 200]
    assert (fault.hits, fault.seen) == (2, 7)
    forge.faults.add(faults.answer(503), method="POST", host="example.org", times=None)
    assert client.open().status == 201
    forge.faults.add(faults.answer(503), times=None)
    assert client.call("GET", "/pulls").status == 503
    forge.faults.clear()
    assert client.call("GET", "/pulls").status == 200


def test_limits_are_told_as_each_forge_tells_them(forge: Forge) -> None:
    client = client_of(forge, "github")
    forge.faults.add(faults.secondary_limit(2), method="POST")
    limited = client.open()
    assert (limited.status, limited.headers["retry-after"]) == (403, "2")
    assert "secondary rate limit" in str(limited["message"])
    forge.faults.add(faults.primary_limit(3))
    before = int(time.time())
    limited = client.open()
    assert (limited.status, limited.headers["x-ratelimit-remaining"]) == (403, "0")
    assert before + 3 <= int(limited.headers["x-ratelimit-reset"]) <= time.time() + 3
    assert "retry-after" not in limited.headers
    forge.faults.add(faults.too_many_requests(1))
    limited = client_of(forge, "gitlab").open()
    assert (limited.status, limited.headers["retry-after"]) == (429, "1")
    assert client.project.pulls == []
    assert client.open().headers["x-ratelimit-limit"] == "5000"


def test_a_limit_refuses_those_who_do_not_wait(forge: Forge) -> None:
    client = client_of(forge, "forgejo")
    now = [0.0]
    limit = faults.RateLimit(requests=3, per_s=0.5, action=faults.too_many_requests(1), clock=lambda: now[0])
    forge.faults.limit(limit, path="/api/")
    assert [client.call("GET", "/pulls").status for _ in range(5)] == [200, 200, 200, 429, 429]
    assert limit.refused == 2
    now[0] = 0.6
    assert client.call("GET", "/pulls").status == 200


def test_a_bug_of_the_forge_is_no_secret(tmp_path: Path, certificates: Certificates) -> None:
    forge = Forge(tmp_path, [("a.test", "github")], certificates)
    client = client_of(forge, "github", host="a.test")
    forge.faults.add(lambda _request, _perform: 1 / 0)  # type: ignore[arg-type, return-value]
    assert client.call("GET", "/pulls").status == 500
    with pytest.raises(AssertionError, match="forge itself") as caught:
        forge.__exit__(None, None, None)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_every_request_is_in_the_log(forge: Forge) -> None:
    client = client_of(forge, "gitlab")
    client.open()
    client.get(7)
    assert list(map(str, forge.log)) == [
        "POST localhost/api/v4/projects/acme/lib/merge_requests 201",
        "GET localhost/api/v4/projects/acme/lib/merge_requests/7 404",
    ]
    assert [exchange.status for exchange in forge.requests("GET", "localhost", r"/\d+$")] == [404]
    assert forge.log[0].request.fields()["title"] == "Update"
    forge.forget_log()
    assert forge.log == []
