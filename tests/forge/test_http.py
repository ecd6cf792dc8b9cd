import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest

from flakesync.demo.forge.web.certificates import Certificates, make_certificates
from flakesync.demo.forge.web.messages import Answer, Request
from flakesync.demo.forge.web.server import Server
from flakesync.forge import client as http
from flakesync.forge.client import Client, Endpoint
from flakesync.forge.model import ForgeError
from flakesync.forge.refusals import Refused, Unclear
from tests.forge.scripted import Script

API = "https://forge.test/api"
TOKEN = "s3cret+/="
NOW = 1000


class Thing(msgspec.Struct):
    name: str


@pytest.fixture
def script() -> Script:
    return Script(API, None)


@pytest.fixture
def client(script: Script) -> Client:
    return script.client({"Authorization": f"Bearer {TOKEN}"}, token=TOKEN)


def test_a_call_sends_json_and_reads_json(script: Script, client: Client) -> None:
    script.then(200, {"name": "x", "more": 1})
    assert client.call("POST", "/a%2Fb", Thing, query={"q": "a b&c"}, body={"k": ["ü"]}).name == "x"
    assert script.told == ["POST /a%2Fb?q=a+b%26c"]
    assert script.bodies == [{"k": ["ü"]}]
    assert script.headers[0]["content-type"] == "application/json"
    assert script.headers[0]["user-agent"].startswith("flakesync/")


def test_bytes_that_are_no_text_do_not_stop_a_call(script: Script, client: Client) -> None:
    script.then(200, {"name": "x"})
    client.tell("PUT", "/x", body={"body": b"caf\xe9".decode("utf-8", "surrogateescape")})
    assert script.bodies == [{"body": "caf?"}]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_what_may_be_repeated_is_repeated_with_longer_and_longer_pauses(
    script: Script, client: Client, method: str
) -> None:
    script.then(502, "x").breaks().then(503, "x").then(200, {"name": "x"})
    client.tell(method, "/x")
    assert script.pauses == [0.5, 1.0, 2.0]


def test_after_the_fourth_failure_it_gives_up(script: Script, client: Client) -> None:
    for _ in range(4):
        script.then(502, "<html>")
    with pytest.raises(Refused) as caught:
        client.tell("GET", "/x")
    assert (caught.value.code, caught.value.status) == ("forge-unreachable", 502)
    assert len(script.told) == 4


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (httpx2.ReadError("reset"), "forge-unreachable"),
        (httpx2.WriteError("reset"), "forge-unreachable"),
        (httpx2.RemoteProtocolError("no answer"), "forge-unreachable"),
        (httpx2.ReadTimeout("slow"), "forge-timeout"),
        (httpx2.WriteTimeout("slow"), "forge-timeout"),
        (None, "forge-unreachable"),
    ],
)
def test_a_post_is_sent_once_when_its_answer_is_lost(
    script: Script, client: Client, error: Exception | None, code: str
) -> None:
    if error is None:
        script.then(504, "x")
    else:
        script.breaks(error)
    with pytest.raises(Unclear) as caught:
        client.tell("POST", "/x", body={})
    assert caught.value.code == code
    assert len(script.told) == 1


def test_a_post_that_never_left_is_sent_again(script: Script, client: Client) -> None:
    script.breaks(httpx2.ConnectError("refused")).then(201, {"name": "x"})
    client.tell("POST", "/x", body={})
    assert len(script.told) == 2


def test_a_post_that_does_no_harm_twice_is_sent_again(script: Script, client: Client) -> None:
    script.breaks().then(201, {"name": "x"})
    client.tell("POST", "/x", body={}, again=True)
    assert len(script.told) == 2


@pytest.mark.parametrize(
    ("status", "headers", "body", "pauses"),
    [
        (429, {"Retry-After": "7"}, {}, [7.0]),
        (403, {"Retry-After": "7", "X-RateLimit-Remaining": "4990"}, {}, [7.0]),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(NOW + 30)}, {}, [30.0]),
        (429, {"RateLimit-Remaining": "0", "RateLimit-Reset": str(NOW + 30)}, {}, [30.0]),
        (429, {"Retry-After": "Thu, 01 Jan 1970 00:17:00 GMT"}, {}, [20.0]),
        (403, {}, {"message": "You have exceeded a secondary rate limit."}, [60.0]),
        (429, {}, {}, [60.0]),
        (429, {"Retry-After": "soon"}, {}, [60.0]),
    ],
)
def test_a_limit_is_waited_for_as_long_as_the_server_asks_a_post_too(
    script: Script, client: Client, status: int, headers: dict[str, str], body: object, pauses: list[float]
) -> None:
    script.then(status, body, **headers).then(201, {"name": "x"})
    client.tell("POST", "/x", body={})
    # The clock stands still here, so the time to wait for is never over: the first pause is the one that counts.
    assert script.pauses[:1] == pauses


def test_a_limit_beyond_patience_is_an_error_and_nothing_is_slept(script: Script, client: Client) -> None:
    script.then(403, {"message": "x"}, X_RateLimit_Remaining="0", X_RateLimit_Reset=str(NOW + 3000))
    with pytest.raises(ForgeError) as caught:
        client.tell("GET", "/x")
    assert caught.value.code == "forge-rate-limit"
    assert "3000 s" in caught.value.message
    assert script.pauses == []


def test_the_patience_of_a_call_has_an_end(script: Script, client: Client) -> None:
    for _ in range(100):
        script.then(429, {}, Retry_After="100")
    with pytest.raises(ForgeError) as caught:
        client.tell("GET", "/x")
    assert caught.value.code == "forge-rate-limit"
    assert sum(script.pauses) <= http.PATIENCE_S


def test_the_last_request_of_the_hour_makes_the_next_one_wait(script: Script, client: Client) -> None:
    script.then(200, {"name": "x"}, X_RateLimit_Remaining="0", X_RateLimit_Reset=str(NOW + 5))
    script.then(200, {"name": "x"}, X_RateLimit_Remaining="4999", X_RateLimit_Reset=str(NOW + 3600))
    client.tell("GET", "/x")
    assert script.pauses == []
    client.tell("GET", "/x")
    assert script.pauses == [5.0]


def test_a_403_that_is_no_limit_is_not_waited_for(script: Script, client: Client) -> None:
    script.then(403, {"message": "Resource not accessible by personal access token"}, X_RateLimit_Remaining="4000")
    with pytest.raises(Refused) as caught:
        client.tell("POST", "/x")
    assert (caught.value.code, script.pauses) == ("forge-rights", [])


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, {"message": "Bad credentials"}, "forge-token"),
        (403, {"message": "Repository was archived so is read-only."}, "forge-archived"),
        (404, {"message": "Not Found"}, "forge-not-found"),
        (404, "<html>", "forge-not-found"),
        (423, {"message": "x"}, "forge-archived"),
        (422, {"message": "x"}, "forge"),
    ],
)
def test_refusals_have_codes(script: Script, client: Client, status: int, body: object, code: str) -> None:
    script.then(status, body)
    with pytest.raises(Refused) as caught:
        client.tell("POST", "/x")
    assert (caught.value.code, caught.value.status) == (code, status)


def test_html_where_json_was_expected_is_one_clear_error(script: Script, client: Client) -> None:
    script.then(200, "<!DOCTYPE html><title>Sign in</title>", content_type="text/html; charset=utf-8")
    with pytest.raises(ForgeError) as caught:
        client.call("GET", "/x", Thing)
    assert caught.value.code == "forge-answer"
    assert "text/html where JSON was expected" in caught.value.message
    assert "Sign in" not in caught.value.message


def test_no_error_repeats_the_token_or_control_characters(script: Script, client: Client) -> None:
    words = f"token {TOKEN} and s3cret%2B%2F%3D \x1b[31mred\x1b[0m \u202eevil"
    script.then(422, {"message": words})
    with pytest.raises(Refused) as caught:
        client.tell("POST", "/x")
    told = f"{caught.value.message} {caught.value.words} {caught.value.hint} {caught.value!r}"
    assert "s3cret" not in told
    assert caught.value.words == "token … and … red evil"
    assert TOKEN not in repr(Endpoint("h", API, TOKEN))


def test_without_a_token_nothing_is_asked(script: Script) -> None:
    with pytest.raises(ForgeError) as caught:
        script.client({}, token=None).tell("GET", "/x")
    assert (caught.value.code, script.told) == ("forge-token", [])
    assert caught.value.hint == "put one into THE_TOKEN"


def test_a_redirect_on_the_same_server_is_followed(script: Script, client: Client) -> None:
    script.then(301, None, Location="/api/moved").then(200, {"name": "x"})
    assert client.call("GET", "/x", Thing).name == "x"
    script.then(307, None, Location="https://forge.test/api/moved").then(200, {"name": "x"})
    client.tell("POST", "/x", body={"a": 1})
    assert script.told[2:] == ["POST /x", "POST /moved"]
    assert script.bodies[3] == {"a": 1}


@pytest.mark.parametrize(
    "target",
    ["https://evil.test/api/x", "http://forge.test/api/x", "https://forge.test:8443/api/x", "//evil.test", "https://["],
)
def test_a_redirect_to_another_server_is_not_followed(script: Script, client: Client, target: str) -> None:
    script.then(302, None, Location=target)
    with pytest.raises(ForgeError) as caught:
        client.tell("GET", "/x")
    assert caught.value.code == "forge-answer"
    assert len(script.told) == 1


def test_a_redirect_that_would_turn_a_post_into_a_get_is_an_error(script: Script, client: Client) -> None:
    script.then(301, None, Location="/api/moved")
    with pytest.raises(ForgeError, match="redirects to"):
        client.tell("POST", "/x")


def test_redirects_in_a_circle_end(script: Script, client: Client) -> None:
    for number in range(10):
        script.then(302, None, Location=f"/api/{number}")
    with pytest.raises(ForgeError, match="in a circle"):
        client.tell("GET", "/x")


def test_pages_are_read_as_far_as_they_are_wanted(script: Script, client: Client) -> None:
    script.then(200, [{"name": "a"}], Link=f'<{API}/x?page=1>; rel="prev", <{API}/x?page=2>; rel="next"')
    script.then(200, [{"name": "b"}], Link=f'<{API}/x?page=1>; rel="first"')
    assert [thing.name for thing in client.each("/x", Thing)] == ["a", "b"]
    assert script.told == ["GET /x", "GET /x?page=2"]
    script.then(200, [{"name": "a"}], Link=f'<{API}/x?page=2>; rel="next"')
    assert next(client.each("/x", Thing)).name == "a"
    assert len(script.told) == 3


def test_a_list_that_tells_only_its_length_is_read_to_the_end(script: Script, client: Client) -> None:
    script.then(200, [{"name": "a"}, {"name": "b"}], X_Total_Count="3").then(200, [{"name": "c"}], X_Total_Count="3")
    assert [thing.name for thing in client.each("/x", Thing, query={"limit": 2})] == ["a", "b", "c"]
    assert script.told == ["GET /x?limit=2", "GET /x?limit=2&page=2"]
    # Some of them may be hidden.
    script.then(200, [{"name": "a"}], X_Total_Count="2").then(200, [], X_Total_Count="2")
    assert [thing.name for thing in client.each("/x", Thing)] == ["a"]
    script.then(200, [{"name": "a"}], X_Total_Count="2", Link=f'<{API}/x?page=1>; rel="first"')
    assert [thing.name for thing in client.each("/x", Thing)] == ["a"]


def test_a_next_page_on_another_server_is_refused(script: Script, client: Client) -> None:
    script.then(200, [], Link='<https://evil.test/x>; rel="next"')
    with pytest.raises(ForgeError, match="next page"):
        list(client.each("/x", Thing))
    assert len(script.told) == 1


def test_a_host_that_is_down_is_not_waited_for_again_and_again(script: Script, client: Client) -> None:
    for _ in range(2):
        script.breaks(httpx2.ReadTimeout("slow"))
    with pytest.raises(ForgeError, match="no answer within 30 s"):
        client.tell("GET", "/x")
    assert len(script.told) == 2
    with pytest.raises(ForgeError) as caught:
        client.tell("POST", "/y")
    assert caught.value.code == "forge-timeout"
    assert not isinstance(caught.value, Unclear)
    assert len(script.told) == 2


# --- over a real connection


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates") / "made", ["forge.test"])


Serve = Callable[[Request], Answer | None]
Start = Callable[[Serve], str]


@pytest.fixture
def start(certificates: Certificates) -> Iterator[Start]:
    servers = []

    def run(serve: Serve) -> str:
        servers.append(Server(serve, certificates))
        return f"https://127.0.0.1:{servers[-1].port}"

    yield run
    for server in servers:
        server.stop()


def real(api: str, ca_file: Path | None) -> Client:
    return Client(
        Endpoint("forge.test", api, TOKEN, ("THE_TOKEN",), ca_file), {"Authorization": TOKEN}, sleep=_no_sleep
    )


def _no_sleep(_seconds: float) -> None:
    """Lose no time."""


def test_the_named_authority_is_trusted(start: Start, certificates: Certificates) -> None:
    client = real(start(lambda _request: Answer(200, {"name": "x"})), certificates.ca)
    assert client.call("GET", "/x", Thing).name == "x"
    client.close()


def test_ssl_cert_file_is_trusted_where_no_authority_is_named(
    start: Start, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.ca))
    client = real(start(lambda _request: Answer(200, {"name": "x"})), None)
    assert client.call("GET", "/x", Thing).name == "x"
    client.close()


def test_another_authority_is_a_tls_error_without_another_try(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Request] = []
    api = start(lambda request: asked.append(request))
    monkeypatch.setenv("SSL_CERT_FILE", str(make_certificates(tmp_path / "other", []).ca))
    client = real(api, None)
    with pytest.raises(ForgeError) as caught:
        client.tell("POST", "/x")
    assert caught.value.code == "forge-tls"
    assert "certificate" in caught.value.message
    assert caught.value.hint is not None
    assert asked == []


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_is_none_is_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(ForgeError) as caught:
        real("https://127.0.0.1:9", tmp_path / "ca.pem").tell("GET", "/x")
    assert caught.value.code == "forge-tls"
    assert "ca.pem" in caught.value.message


def test_a_connection_that_is_dropped_after_a_post_is_unclear(start: Start, certificates: Certificates) -> None:
    asked: list[str] = []
    client = real(start(lambda request: asked.append(request.method)), certificates.ca)
    with pytest.raises(Unclear):
        client.tell("POST", "/x", body={})
    assert asked == ["POST"]
    with pytest.raises(ForgeError):
        client.tell("GET", "/x")
    assert asked == ["POST", *["GET"] * 4]
    client.close()


def test_nobody_listening_is_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(ForgeError) as caught:
        real(f"https://127.0.0.1:{port}", None).tell("POST", "/x")
    assert caught.value.code == "forge-unreachable"
    assert not isinstance(caught.value, Unclear)


def test_a_host_that_hangs_times_out(start: Start, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 0.2)
    done = threading.Event()

    def hang(_request: Request) -> None:
        done.wait(5)

    client = real(start(hang), certificates.ca)
    with pytest.raises(ForgeError) as caught:
        client.tell("GET", "/x")
    done.set()
    assert caught.value.code == "forge-timeout"
    client.close()


def test_calls_of_many_threads_go_one_after_the_other(start: Start, certificates: Certificates) -> None:
    inside, most, guard = [0], [0], threading.Lock()

    def serve(_request: Request) -> Answer:
        with guard:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        with guard:
            inside[0] -= 1
        return Answer(200, {"name": "x"})

    client = real(start(serve), certificates.ca)
    threads = [threading.Thread(target=client.tell, args=("GET", "/x")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    client.close()


def test_the_token_is_in_a_header_and_nowhere_else(start: Start, certificates: Certificates) -> None:
    asked: list[Request] = []

    def serve(request: Request) -> Answer:
        asked.append(request)
        return Answer(200, {"name": "x"})

    client = real(start(serve), certificates.ca)
    client.tell("GET", "/x", query={"a": "b"})
    assert asked[0].headers["authorization"] == TOKEN
    assert TOKEN not in asked[0].target
    client.close()


@pytest.mark.parametrize("retry", ["9" * 400, "Mon, 01 Jan 0001 00:00:00 -0000", "Fri, 31 Dec 9999 23:59:59 -2300"])
def test_a_limit_without_end_is_an_error_of_that_host(script: Script, client: Client, retry: str) -> None:
    for _ in range(20):
        script.then(429, None, Retry_After=retry)
    with pytest.raises(ForgeError) as caught:
        client.tell("GET", "/x")
    assert caught.value.code == "forge-rate-limit"


@pytest.mark.parametrize("status", [200, 404])
def test_an_answer_of_absurd_depth_is_an_error_of_that_host(script: Script, client: Client, status: int) -> None:
    script.then(status, '{"message": ' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(ForgeError) as caught:
        client.call("GET", "/x", Thing)
    assert caught.value.code == {200: "forge-answer", 404: "forge-not-found"}[status]


def test_after_stop_nothing_is_waited_for_and_nothing_called(script: Script) -> None:
    script.then(429, None, Retry_After="300")
    endpoint = Endpoint("forge.test", API, "s3cret", ("THE_TOKEN",))
    client = Client(endpoint, {}, transport=httpx2.MockTransport(script._answer))
    threading.Timer(0.2, client.stop).start()
    begin = time.monotonic()
    for _ in range(2):
        with pytest.raises(ForgeError) as caught:
            client.tell("GET", "/x")
        assert caught.value.code == "interrupted"
    assert time.monotonic() - begin < 10
    assert len(script.told) == 1
