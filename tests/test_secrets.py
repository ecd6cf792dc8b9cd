"""Logins and tokens in addresses are not shown, whatever else is in the text, and however long it is."""

import time

import pytest

from flakesync.errors import BugError
from flakesync.secrets import hide_secrets, secret_parameters


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:pw@host/o/r", "https://host/o/r"),
        ("https://token@host/o/r", "https://host/o/r"),
        ("git+HTTP://token@host", "git+HTTP://host"),
        ("ssh://git@host/o/r", "ssh://git@host/o/r"),
        ("git+ssh://git:pw@host/o/r", "git+ssh://git@host/o/r"),
        ("https://user:p@ss@host/o/r", "https://host/o/r"),
        ("https://host/o@1/r", "https://host/o@1/r"),
        ("see https://host and mail a@host", "see https://host and mail a@host"),
        ("https://h/x?a=1&private_token=abc&b=2", "https://h/x?a=1&private_token=…&b=2"),
        ("https://h/x?api?KEY=abc", "https://h/x?api?KEY=…"),
        (
            "https://h/x?X-Amz-Signature=abc&X-Amz-Credential=d&X-Amz-Date=1",
            "https://h/x?X-Amz-Signature=…&X-Amz-Credential=…&X-Amz-Date=1",
        ),
        ("https://h/x?sv=1&sig=abc&author=me&design=x", "https://h/x?sv=1&sig=…&author=me&design=x"),
        ("https://h/x?private%5Ftoken=abc&auth=d", "https://h/x?private%5Ftoken=…&auth=…"),
        ("https://h/x?keytype=ed25519&publicKey=abc", "https://h/x?keytype=ed25519&publicKey=abc"),
    ],
)
def test_logins_and_tokens_are_taken_out_and_nothing_else(text: str, shown: str) -> None:
    assert hide_secrets(text) == shown


@pytest.mark.parametrize(
    "name",
    [
        *("token", "access_token", "private_token", "job_token", "rss_token", "oauth_token", "X-Amz-Security-Token"),
        *("signature", "X-Amz-Signature", "X-Goog-Signature", "sig", "x-ms-sig", "hmac", "sas", "AWSAccessKeyId"),
        *("auth", "x-auth", "basic_auth", "authToken", "Authorization", "oauth", "oauth_verifier", "jwt", "bearer"),
        *("password", "passwd", "pass", "pwd", "passphrase", "client_secret", "api_key", "code", "pat", "otp"),
        *("session", "sessionid", "sid", "amp;sig", "amp;jwt"),
    ],
)
def test_parameters_of_forges_and_of_presigned_addresses_are_secrets(name: str) -> None:
    address = f"https://h/x?a=1&{name}=abc&b=2"
    assert hide_secrets(address) == f"https://h/x?a=1&{name}=…&b=2"
    assert secret_parameters(address) == [name]


@pytest.mark.parametrize(
    "name",
    [
        *("rev", "ref", "narHash", "dir", "host", "branch", "submodules", "lfs", "shallow", "allRefs", "lastModified"),
        *("author", "authority", "co-author", "design", "assigned", "bypass", "path", "compass", "patch", "inside"),
        *("error_code", "X-Amz-Date", "X-Amz-Expires", "sv", "se", "sp"),
    ],
)
def test_other_parameters_are_shown(name: str) -> None:
    address = f"https://h/x?{name}=abc"
    assert hide_secrets(address) == address
    assert secret_parameters(address) == []


def test_a_login_is_blotted_out_where_its_place_is_to_be_seen() -> None:
    assert hide_secrets("https://a:b@h ssh://git@h ssh://git:pw@h", instead="***") == (
        "https://***@h ssh://git@h ssh://***@h"
    )


def test_what_is_blotted_out_stays_so() -> None:
    once = hide_secrets("https://a:b@h?token=x", instead="***")
    assert once == hide_secrets(once, instead="***") == "https://***@h?token=***"
    assert hide_secrets("https://***@h") == "https://***@h"


@pytest.mark.parametrize(
    "piece", ["http://", "?", "&", "?a", "&token", "token", "ssh://a", "git+", "a", "://a:", "a:", "@", "//", "?key="]
)
@pytest.mark.parametrize("before", ["", "?", "https://", "ssh://"])
def test_a_long_text_takes_no_longer_than_it_is_long(piece: str, before: str) -> None:
    text = before + piece * (200_000 // len(piece))
    began = time.thread_time()
    hide_secrets(text)
    hide_secrets(text, instead="***")
    # A pattern that begins at each letter and goes on to the end would take minutes.
    assert time.thread_time() - began < 5


def test_a_bug_that_one_repo_meets_tells_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITLAB_TOKEN", "glpat-0123456789")
    error = BugError(KeyError("Bearer glpat-0123456789", "https://bob:hunter2@h/x"))
    assert error.message == "this should not have happened: KeyError: ('Bearer ***', 'https://***@h/x')"
