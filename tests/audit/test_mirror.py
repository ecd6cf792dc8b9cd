"""`audit --level mirror` against a server: over HTTP and TLS, with a login, under its real name."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec
import pytest
import tomli_w

from flakesync.documents.audit import AuditReport
from tests.audit.lies import LIES, Expected, Kind, Lie, LyingSpace, tell_everywhere
from tests.audit.served import TOKEN, Served, serve
from tests.cli.conftest import command, environment
from tests.support import forked, locks, nixspace, repos
from tests.support.nixspace import Take
from tests.support.slow_server import slow_server
from tests.support.workspaces import flake_nix

_GRAVE = ("high", "medium")
_AT_MIRROR = [lie for lie in LIES.values() if lie.level == "mirror"]
_HANGS_S = 100.0
"""Far more than anything takes here, and far less than git waits for a server."""
_KINDS: tuple[Kind, ...] = ("https", "github")


def _grave(report: AuditReport) -> Expected:
    return {(each.repo, each.flake, each.input, each.rule) for each in report.findings if each.severity in _GRAVE}


def _lies_of(kind: Kind) -> list[Lie]:
    return [lie for lie in _AT_MIRROR if kind != "github" or not lie.counted]


def _tell_in_turn(served: Served, lies: Iterable[Lie], place: str) -> Expected:
    """Tell one lie in each repo, on its branch `lied`; return where each has been told."""
    told = {}
    pool = list(lies)
    for number, (name, shape) in enumerate(served.shapes.items()):
        lie = pool[number % len(pool)]
        rev = served.space.lied(lie, name, shape.path(place), dir=shape.dir)
        repos.run_git("branch", "--force", "lied", rev, cwd=served.space.path(name))
        repos.run_git("branch", "-D", lie.id, cwd=served.space.path(name))
        told[name] = (name, shape.dir, shape.path(place), lie.rule)
    return set(told.values())


def _reasons(report: AuditReport) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for each in report.unchecked:
        found.setdefault(each.rule, set()).add(each.reason)
    return found


@pytest.mark.parametrize("kind", _KINDS)
def test_what_is_right_has_no_finding_and_all_of_it_is_checked(tmp_path: Path, kind: Kind) -> None:
    with serve(tmp_path, kind) as served:
        report = served.audit("--level", "mirror", "--strict", status=0)
        assert (report.findings, report.unchecked) == ([], [])


@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ("https", "lib"),
        ("github", "mid/lib"),
        pytest.param("https", "mid/lib", marks=pytest.mark.slow),
        pytest.param("github", "lib", marks=pytest.mark.slow),
    ],
)
def test_each_lie_is_found(tmp_path: Path, kind: Kind, place: str) -> None:
    with serve(tmp_path, kind) as served:
        expected = _tell_in_turn(served, _lies_of(kind), place)
        online = served.audit("--level", "mirror", "--at", "lied", status=1)
        assert _grave(online) == expected
        served.stop()
        assert _grave(served.audit("--level", "mirror", "--at", "lied", "--offline", status=1)) == expected


@pytest.mark.parametrize("kind", _KINDS)
def test_below_an_input_of_somebody_else_its_own_flake_nix_counts(tmp_path: Path, kind: Kind) -> None:
    with serve(tmp_path, kind) as served:
        expected = tell_everywhere(served.space, served.shapes, LIES["A10"], "mid/lib")
        assert _grave(served.audit("--at", "A10", status=0)) == set()
        assert _grave(served.audit("--level", "mirror", "--at", "A10", status=1)) == expected
        assert _grave(served.audit("--level", "mirror", "--at", "A10", "--offline", status=1)) == expected


@pytest.mark.slow
@pytest.mark.parametrize("kind", _KINDS)
def test_each_lie_is_found_in_each_repo(tmp_path: Path, kind: Kind) -> None:
    with serve(tmp_path, kind) as served:
        for lie in _lies_of(kind):
            for place in lie.places:
                expected = tell_everywhere(served.space, served.shapes, lie, place)
                assert _grave(served.audit("--level", "mirror", "--at", lie.id)) == expected
                for name in served.shapes:
                    repos.run_git("branch", "-D", lie.id, cwd=served.space.path(name))


@pytest.mark.parametrize("kind", _KINDS)
def test_a_server_that_is_down_leaves_checks_unmade_and_that_is_no_pass(tmp_path: Path, kind: Kind) -> None:
    with serve(tmp_path, kind) as served:
        served.stop()
        report = served.audit("--level", "mirror", status=0)
        assert report.findings == []
        reasons = _reasons(report)
        assert {"nar-hash", "not-in-history"} <= reasons.keys()
        assert all(served.host in reason for each in reasons.values() for reason in each), reasons
        served.audit("--level", "mirror", "--strict", status=1)


def test_a_repo_whose_own_server_is_down_is_unchecked_and_one_that_is_gone_is_a_finding(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound, and listening to nobody
        taken.bind(("127.0.0.1", 0))
        urls = {
            "down": f"git+http://127.0.0.1:{taken.getsockname()[1]}/down.git",
            "gone": f"git+file://{tmp_path}/gone",
        }
        (tmp_path / "workspace.toml").write_text(tomli_w.dumps({"repos": {name: {"url": urls[name]} for name in urls}}))
        found = {}
        for name in urls:
            argv = ("audit", "--level", "mirror", "--repo", name)
            done = forked.flakesync(*argv, "--json", cwd=tmp_path, env=os.environ)
            strict = forked.flakesync(*argv, "--strict", cwd=tmp_path, env=os.environ)
            report = msgspec.json.decode(done.stdout, type=AuditReport)
            found[name] = [each.rule for each in report.findings], [each.rule for each in report.unchecked]
            assert (done.returncode, strict.returncode) == (0 if name == "down" else 1, 1)
    assert found == {"down": ([], ["unreachable"]), "gone": (["unreachable"], [])}


@pytest.mark.parametrize("argv", [(), ("--offline",)])
def test_without_a_login_or_a_server_nothing_is_told_of_the_token(tmp_path: Path, argv: tuple[str, ...]) -> None:
    with serve(tmp_path, "https") as served:
        for token in ("wrong-token", "", TOKEN):
            done = served.run("audit", "--level", "mirror", *argv, token=token)
            said = done.stdout + done.stderr
            assert done.returncode == 0, said
            assert TOKEN not in said
            assert "wrong-token" not in said
            assert ("unchecked" in said) == (token != TOKEN or bool(argv))


@pytest.mark.parametrize("ids", [("A4b", "A4"), ("A4", "A4b"), ("A4", "A4")])
def test_a_second_wrong_hash_is_new_though_its_fingerprint_is_known(tmp_path: Path, ids: tuple[str, str]) -> None:
    space = LyingSpace(tmp_path / "acme")
    space.add("app", {"lib": Take()})
    space.manifest()
    first = space.lied(LIES[ids[0]], "app", "lib")
    space.commit("lib", {"NEWS": "more\n"})
    honest = space.lock("app", {".": {"lib": Take()}})
    lock = nixspace.read(space.path("app"), honest, "flake.lock")
    space.commit("app", {"flake.lock": lock}, branch=ids[1])
    second = space.lied(LIES[ids[1]], "app", "lib")
    found = {}
    for name, argv in {"first": (first,), "second": (second,), "new": (second, "--new-since", first)}.items():
        done = forked.flakesync(
            "audit", "--repo", "app", "--level", "mirror", "--json", "--at", *argv, cwd=space.root, env=os.environ
        )
        found[name] = msgspec.json.decode(done.stdout, type=AuditReport).findings
    assert [each.rule for each in found["new"]] == ["nar-hash"]
    assert len({each[0].fingerprint for each in found.values()}) == 1
    assert [each.locked_rev for each in found["first"]] != [each.locked_rev for each in found["second"]]


def test_an_interrupt_ends_the_wait_for_a_server(tmp_path: Path) -> None:
    with slow_server() as server:
        inputs = {"lib": locks.git(f"{server.url}/acme/lib.git", ref="main")}
        repos.make_repo(
            tmp_path / "app",
            {"flake.nix": flake_nix(inputs), "flake.lock": locks.to_bytes(locks.lock(inputs)).decode()},
        )
        (tmp_path / "workspace.toml").write_text(tomli_w.dumps({"repos": {"app": {"path": "app"}}}))
        process = subprocess.Popen(
            command("audit", "--level", "mirror"), cwd=tmp_path, env=environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert server.asked.wait(_HANGS_S)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=_HANGS_S)
        finally:
            process.kill()
            process.wait()
        assert (process.returncode, out, err) == (130, "", "interrupted\n")
