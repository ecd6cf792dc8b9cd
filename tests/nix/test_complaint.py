"""What nix wrote on stderr, as recorded from 2.8 and 2.26, becomes an error of a few lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.nix.program.errors import explain
from flakesync.secrets import secrets_of, without_secrets

DNS_2_8 = """\
warning: error: unable to download 'https://api.github.com/repos/a/b/commits/HEAD': Couldn't resolve host name (6); retrying in 293 ms
error: unable to download 'https://api.github.com/repos/a/b/commits/HEAD': Couldn't resolve host name (6)

       … while fetching the input 'github:a/b'

       … while updating the flake input 'lib'

       … while updating the lock file of flake 'path:/scratch?lastModified=1&narHash=sha256-G4zdvh4z'
"""  # noqa: E501
SSH_2_26 = """\
ssh: connect to host git.example.com port 22: Connection refused
fatal: Could not read from remote repository.

Please make sure you have the correct access rights
and the repository exists.
warning: could not update mtime for file '"/cache/nix/gitv3/1a60/refs/heads/main"': No such file or directory
error:
       … while updating the lock file of flake 'path:/scratch?lastModified=1&narHash=sha256-G4zdvh4z'

       … while updating the flake input 'lib'

       … while updating the flake input 'lib/nixpkgs'

       … while fetching the input 'git+ssh://git@git.example.com/x?ref=main'

       error: resolving Git reference 'main': revspec 'main' not found
"""
KEY_2_8 = """\
git@git.example.com: Permission denied (publickey).
fatal: Could not read from remote repository.
error: program 'git' failed with exit code 128
(use '--show-trace' to show detailed location information)
"""
RATE_2_26 = """\
error:
       … while updating the flake input 'lib'

       error: unable to download 'https://api.github.com/repos/a/b/commits/HEAD': HTTP error 403

       response body:

       {"message":"API rate limit exceeded for 192.0.2.1."}
"""


def test_a_name_that_does_not_resolve_is_offline_and_retries_are_left_out() -> None:
    error = explain(DNS_2_8)
    assert error.code == "nix-offline"
    assert error.message == (
        "nix cannot lock the input lib: unable to download 'https://api.github.com/repos/a/b/commits/HEAD': "
        "Couldn't resolve host name (6)"
    )


def test_git_s_words_stand_beside_nix_s_own() -> None:
    error = explain(SSH_2_26)
    assert error.code == "nix-offline"
    assert error.message.splitlines() == [
        "nix cannot lock the input lib/nixpkgs: resolving Git reference 'main': revspec 'main' not found",
        "  ssh: connect to host git.example.com port 22: Connection refused",
        "  fatal: Could not read from remote repository.",
    ]


@pytest.mark.parametrize(
    ("stderr", "hint"),
    [
        (KEY_2_8, "ssh"),
        (RATE_2_26, "access-tokens"),
        (
            "fatal: could not read Username for 'https://h': terminal prompts disabled\nerror: program 'git'",
            "credential",
        ),
        ("error: cannot run ssh: No such file or directory\nfatal: unable to fork\nerror: program 'git'", "openssh"),
    ],
)
def test_a_known_cause_comes_with_what_to_do(stderr: str, hint: str) -> None:
    error = explain(stderr)
    assert error.code == "nix-failed"
    assert hint in str(error.hint)


@pytest.mark.parametrize(
    "stderr",
    [
        "error: writing to file: No space left on device",
        "error: creating directory '/nix/store/x': Read-only file system",
        "error: executing SQLite statement 'insert': database or disk is full (in '/nix/var/nix/db/db.sqlite')",
    ],
)
def test_a_full_disk_has_a_code_of_its_own(stderr: str) -> None:
    error = explain(stderr)
    assert error.code == "disk-full"
    assert error.hint is not None


def test_the_body_of_a_refused_request_is_kept() -> None:
    assert "API rate limit exceeded" in explain(RATE_2_26).message


@given(st.text())
def test_whatever_nix_writes_the_error_is_short_and_has_text(stderr: str) -> None:
    error = explain(stderr)
    assert error.message.strip()
    assert len(error.message.split("\n")) <= 15


@given(st.lists(st.sampled_from(["error: e", "  … while x", "fatal: f", "", "text", "       at /x:1:2:"]), max_size=60))
def test_long_complaints_are_cut(lines: list[str]) -> None:
    assert len(explain("\n".join(lines)).message.split("\n")) <= 15


def test_secrets_are_found_by_name_and_in_nix_config() -> None:
    environ = {
        "NIX_CONFIG": "extra-access-tokens = github.com=ghp_0123456789\naccess-tokens = gl.x=PAT:glpat-abcdefgh",
        "CI_JOB_TOKEN": "job-token-1",
        "SOME_API_KEY": "1",
        "PATH": "/usr/bin",
    }
    assert secrets_of(environ) == {"ghp_0123456789", "PAT:glpat-abcdefgh", "glpat-abcdefgh", "job-token-1"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:pw@h/x", "https://***@h/x"),
        ("https://tok@h/x", "https://***@h/x"),
        ("ssh://git@h/x", "ssh://git@h/x"),
        ("git+https://u:p@h/x?access_token=abc&ref=main", "git+https://***@h/x?access_token=***&ref=main"),
        ("https://h/x?ref=a@b", "https://h/x?ref=a@b"),
    ],
)
def test_passwords_in_urls_are_blotted_out(text: str, shown: str) -> None:
    assert without_secrets(text, frozenset()) == shown


ASSERTION_2_34 = """\


terminating due to unexpected unrecoverable internal error: Assertion '!attrs.contains("__final")' failed in \
nix::flake::LockedNode::LockedNode(const nlohmann::json&) at ../src/libflake/lockfile.cc:90
Nix crashed. This is a bug. Please report this at https://github.com/NixOS/nix/issues with the following information:

std::terminate() called without exception
Stack trace:
 0# 0x00000000002B1302 in nix
 2# std::unexpected() in /usr/lib/libstdc++.so.6
18# __libc_start_main in /usr/lib/libc.so.6
19# 0x000000000026EB51 in nix

"""
EXCEPTION_2_30 = """\
Nix crashed. This is a bug. Please report this at https://github.com/NixOS/nix/issues with the following information:

Exception: nlohmann::json::type_error: type must be string, but is null
Stack trace:
 0# nix::(anonymous namespace)::onTerminate() in /nix/store/x-nix/bin/nix
 1# 0x00007F2B5B6B1BAB in /nix/store/x-gcc/lib/libstdc++.so.6
"""
TERMINATE_2_8 = """\
terminate called after throwing an instance of 'nix::BadURL'
  what():  error: 'x' is not a valid URL
"""
GLIBC = "nix: src/libflake/lockfile.cc:41: void nix::f(): Assertion `node' failed.\n"
BOOST = """\
 0# nix::onTerminate() at src/libmain/shared.cc:1
 1# 0x00007F00 in /lib/libc.so.6
/usr/include/c++/13/bits/stl_vector.h:1125: Assertion '__n < this->size()' failed.
"""


@pytest.mark.parametrize(
    ("stderr", "status", "said"),
    [
        (ASSERTION_2_34, -6, "Assertion '!attrs.contains(\"__final\")' failed in nix::flake::LockedNode"),
        (ASSERTION_2_34, 134, "/lockfile.cc:90"),
        (EXCEPTION_2_30, -6, "type_error: type must be string, but is null"),
        (TERMINATE_2_8, -6, "error: 'x' is not a valid URL"),
        (GLIBC, -6, "src/libflake/lockfile.cc:41: void nix::f(): Assertion `node' failed."),
        (GLIBC, None, "Assertion `node' failed."),
        (BOOST, 134, "stl_vector.h:1125: Assertion '__n < this->size()' failed."),
        ("free(): invalid pointer\n", -6, "free(): invalid pointer"),
        (
            "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n",
            -6,
            "bad_alloc",
        ),
        ("", -11, "(SIGSEGV)"),
        ("warning: x\nSegmentation fault (core dumped)\n", 139, "(SIGSEGV)"),
    ],
)
def test_a_crash_is_told_by_its_reason_and_not_by_its_stack(stderr: str, status: int | None, said: str) -> None:
    error = explain(stderr, status=status)
    assert error.code == "nix-crashed"
    assert error.message.startswith("nix crashed")
    assert said in error.message
    assert "0x" not in error.message
    assert "libc.so" not in error.message


def test_a_crash_names_the_input_that_was_locked() -> None:
    error = explain("error:\n       … while updating the flake input 'lib'\n\n" + GLIBC, status=-6)
    assert error.message.startswith("nix crashed (SIGABRT) while it locked the input lib: ")


def test_a_crash_for_want_of_memory_asks_for_memory() -> None:
    crashed = explain("terminate called after throwing an instance of 'std::bad_alloc'\n", status=-6)
    failed = explain("error: out of memory\n", status=1)
    killed = explain("", status=-9)
    assert [error.code for error in (crashed, failed, killed)] == ["nix-crashed", "no-memory", "nix-killed"]
    assert all("memory" in (error.hint or "") for error in (crashed, failed, killed))
    assert crashed.hint == failed.hint


def test_memory_that_is_damaged_is_a_bug_of_nix_and_no_want_of_memory() -> None:
    assert "bug of Nix" in str(explain("malloc(): memory corruption\n", status=-6).hint)


@pytest.mark.parametrize(
    ("stderr", "code"),
    [
        ("error: unable to fork: Resource temporarily unavailable", "no-threads"),
        ("error: opening directory '/nix/store/x': Too many open files", "too-many-files"),
    ],
)
def test_what_the_machine_refuses_to_nix_has_the_code_that_it_has_elsewhere(stderr: str, code: str) -> None:
    error = explain(stderr)
    assert error.code == code
    assert error.hint is not None


@pytest.mark.parametrize(
    "stderr",
    [
        "error: assertion '(1 == 2)' failed\n\n       at /x/flake.nix:1:1:\n",
        "error: unexpected exception; this is a bug\n",
        "error: program 'git' failed with exit code 134\n",
    ],
)
def test_what_nix_says_itself_is_no_crash(stderr: str) -> None:
    error = explain(stderr, status=1)
    assert error.code == "nix-failed"
    assert error.message.partition(": ")[2].partition("\n")[0] == stderr.partition(": ")[2].partition("\n")[0]
