"""From a manifest to a Survey: real repositories, real servers on this machine."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import tomli
import tomli_w

from flakesync.analysis.drift import find_drift
from flakesync.analysis.moves import ToRev, ToUpdate
from flakesync.analysis.plan import make_plan
from flakesync.cache.layout import cache_dir
from flakesync.errors import FlakesyncError
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.survey.read import ask_servers, read_graph, read_survey
from flakesync.survey.survey import Survey
from flakesync.terms import PinName, RepoName, Rev
from flakesync.workspace.manifest import load_workspace
from flakesync.workspace.snapshot import RepoAtCommit, UnreadableRepo
from tests.support import locks, repos
from tests.support.locks import Input
from tests.support.workspaces import UPDATE_BRANCH, commit_id, everything, flake_nix, make_ground, takes


@pytest.fixture
def nixpkgs(tmp_path: Path) -> tuple[str, Rev, Rev]:
    """The URL of a nixpkgs of our own with two commits on the branch `stable`, the older first."""
    path = tmp_path / "nixpkgs.git"
    old = repos.make_bare(path, {"x": "1"}, branch="stable")
    return f"file://{path}", old, repos.commit(path, {"x": "2"})


def pkgs(url: str, rev: Rev, **values: object) -> Input:
    return locks.git(url, rev=rev, ref="stable", **values)  # type: ignore[arg-type]


def kinds(survey: Survey) -> list[tuple[str, str, str | None]]:
    report = find_drift(survey, everything(survey))
    return [(found.kind, found.repo, found.wanted_rev) for found in report.findings]


def test_a_pin_goes_to_what_its_server_says_and_dependents_follow(
    tmp_path: Path, nixpkgs: tuple[str, Rev, Rev]
) -> None:
    url, old, new = nixpkgs
    flakes = {"lib": {"nixpkgs": pkgs(url, old)}, "app": {"lib": takes("lib"), "nixpkgs": pkgs(url, new)}}
    ground = make_ground(tmp_path, flakes, pins={"nixpkgs": {"source": f"git+{url}?ref=stable"}}, mirrored=["lib"])
    survey = read_survey(load_workspace(ground.manifest))
    assert survey.targets[PinName("nixpkgs")].rev == new
    assert kinds(survey) == [("pin", "lib", new)]
    plan = make_plan(survey, everything(survey))
    assert [[(name, change.to) for name, (change,) in wave] for wave in plan.waves] == [
        [("lib", ToRev(new, branch="stable"))],
        [("app", ToUpdate(RepoName("lib")))],
    ]


def test_offline_no_server_is_asked_and_that_is_noted(tmp_path: Path, nixpkgs: tuple[str, Rev, Rev]) -> None:
    _, old, _ = nixpkgs
    gone = f"file://{tmp_path}/gone"
    flakes = {
        "app": {"nixpkgs": pkgs(gone, old, last_modified=5)},
        "lib": {"n": pkgs(gone, commit_id("n"), last_modified=9)},
    }
    ground = make_ground(tmp_path, flakes, pins={"nixpkgs": {"source": f"git+{gone}?ref=stable"}})
    notes: list[str] = []
    survey = read_survey(load_workspace(ground.manifest), offline=True, note=notes.append)
    assert survey.targets[PinName("nixpkgs")].rev == commit_id("n")
    assert notes == ["offline: the target of a pin is the newest rev that any lock of the workspace holds"]
    with pytest.raises(FlakesyncError) as caught:
        read_survey(load_workspace(ground.manifest))
    assert caught.value.hint is not None


def test_offline_no_mirror_is_made(tmp_path: Path) -> None:
    ground = make_ground(tmp_path, {"lib": {}, "app": {"lib": takes("lib")}}, mirrored=["lib"])
    states = read_survey(load_workspace(ground.manifest), offline=True).snapshot.states
    lib = states[RepoName("lib")]
    assert isinstance(lib, UnreadableRepo)
    assert lib.error.code == "offline"
    states = read_survey(load_workspace(ground.manifest)).snapshot.states
    assert isinstance(states[RepoName("lib")], RepoAtCommit)


def test_without_a_pin_to_ask_for_offline_is_nothing_to_note(tmp_path: Path) -> None:
    ground = make_ground(
        tmp_path, {"app": {}}, pins={"n": {"source": "github:NixOS/nixpkgs", "target": "newest-locked"}}
    )
    notes: list[str] = []
    read_survey(load_workspace(ground.manifest), note=notes.append)
    read_survey(load_workspace(ground.manifest), offline=True, note=notes.append)
    assert notes == []


def test_a_commit_ahead_of_its_upstream_shows_in_drift(tmp_path: Path) -> None:
    ground = make_ground(tmp_path, {"lib": {}, "app": {"lib": takes("lib")}})
    assert kinds(read_survey(load_workspace(ground.manifest))) == []
    tip = repos.commit(ground.repos["lib"], {"x": "y"})
    assert kinds(read_survey(load_workspace(ground.manifest))) == [("upstream", "app", tip)]


def test_at_update_reads_update_branches(tmp_path: Path) -> None:
    ground = make_ground(tmp_path, {"lib": {}, "app": {"lib": takes("lib")}})
    tip = repos.commit(ground.repos["lib"], {"x": "y"}, branch=UPDATE_BRANCH, parents=[ground.tips["lib"]])
    assert kinds(read_survey(load_workspace(ground.manifest))) == []
    assert kinds(read_survey(load_workspace(ground.manifest), at="update")) == [("upstream", "app", tip)]


def test_at_update_an_edge_that_opens_a_cycle_may_stay_at_the_base(tmp_path: Path) -> None:
    ground = make_ground(tmp_path, {"a": {}, "b": {"a": takes("a")}})
    with_b = {"b": locks.git(f"file://{ground.repos['b']}", rev=ground.tips["b"])}
    files = {"flake.nix": flake_nix(with_b), "flake.lock": locks.to_bytes(locks.lock(with_b)).decode()}
    repos.commit(ground.repos["a"], files)
    repos.commit(ground.repos["b"], {"x": "y"}, branch=UPDATE_BRANCH, parents=[ground.tips["b"]])
    survey = read_survey(load_workspace(ground.manifest), at="update")
    assert [edge.upstream for edge in survey.graph.edges if survey.graph.is_back_edge(edge)] == ["b"]
    assert [(kind, repo) for kind, repo, _ in kinds(survey)] == [("upstream", "b")]


def test_external_sources_are_asked_once_each(tmp_path: Path, nixpkgs: tuple[str, Rev, Rev]) -> None:
    url, old, new = nixpkgs
    flakes = {"app": {"x": pkgs(url, old)}, "lib": {"y": pkgs(url, old)}}
    ground = make_ground(tmp_path, flakes, settings={"external": "latest"})
    survey = read_survey(load_workspace(ground.manifest))
    assert [target.rev for target in survey.external.values()] == [new]
    moved = [change.to for _, changes in make_plan(survey, everything(survey)).changes() for change in changes]
    assert moved == [ToRev(new, branch="stable")] * 2


def test_external_newest_locked_asks_nobody(tmp_path: Path) -> None:
    gone = f"file://{tmp_path}/gone"
    flakes = {
        "app": {"x": pkgs(gone, commit_id(1), last_modified=1)},
        "lib": {"x": pkgs(gone, commit_id(2), last_modified=2)},
    }
    ground = make_ground(tmp_path, flakes, settings={"external": "newest-locked"})
    survey = read_survey(load_workspace(ground.manifest))
    assert [target.rev for target in survey.external.values()] == [commit_id(2)]


def test_the_graph_alone_asks_no_server(tmp_path: Path) -> None:
    pins = {"n": {"source": f"git+file://{tmp_path}/gone"}}
    ground = make_ground(tmp_path, {"lib": {}, "app": {"lib": takes("lib")}}, pins=pins)
    assert read_graph(load_workspace(ground.manifest)).waves == (("lib",), ("app",))


@pytest.fixture
def web() -> Iterator[tuple[str, list[str]]]:
    """A server whose every path has an immutable link to commit X, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            link = f"http://127.0.0.1:{server.server_port}/pinned.tar.gz?rev={commit_id('X')}&lastModified=7"
            self.send_header("Link", f'<{link}>; rel="immutable"')
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_a_server_is_asked_once_for_one_reference(web: tuple[str, list[str]], nixpkgs: tuple[str, Rev, Rev]) -> None:
    git = FlakeRef.parse(f"git+{nixpkgs[0]}?ref=stable")
    wanted = {"a": FlakeRef.parse(f"{web[0]}/x.tar.gz"), "b": FlakeRef.parse(f"{web[0]}/x.tar.gz"), "c": git}
    found, errors = ask_servers(wanted, 4)
    assert errors == {}
    assert {key: latest.rev for key, latest in found.items()} == {
        "a": commit_id("X"),
        "b": commit_id("X"),
        "c": nixpkgs[2],
    }
    assert found["a"].last_modified == 7
    assert found["a"].locked is not None
    assert found["c"].locked is None
    assert web[1] == ["/x.tar.gz"]


def test_every_server_is_tried_and_each_error_is_known_by_what_was_asked_for(
    web: tuple[str, list[str]], tmp_path: Path
) -> None:
    gone = [FlakeRef.parse(f"git+file://{tmp_path}/gone{number}") for number in range(2)]
    found, errors = ask_servers({"a": gone[0], "b": FlakeRef.parse(f"{web[0]}/x.tar.gz"), "c": gone[1]}, 2)
    assert (list(found), list(errors)) == (["b"], ["a", "c"])
    assert "gone1" in errors["c"].message
    assert web[1] == ["/x.tar.gz"]


def two_pins(tmp_path: Path, nixpkgs: tuple[str, Rev, Rev], *, needs_dead: tuple[str, ...]) -> Path:
    """A workspace of `one`, `two` and `three`; some take a source that is not there, the others one that is."""
    dead = f"file://{tmp_path}/gone"
    flakes = {
        name: {"n": locks.git(dead if name in needs_dead else nixpkgs[0], rev=nixpkgs[1], ref="stable")}
        for name in ("one", "two", "three")
    }
    pins = {
        name: {"source": f"git+{url}?ref=stable", "target": "latest"}
        for name, url in {"dead": dead, "alive": nixpkgs[0]}.items()
    }
    return make_ground(tmp_path, flakes, pins=pins).manifest


def test_a_pin_whose_server_is_dead_fails_the_repos_that_need_it_and_no_other(
    tmp_path: Path, nixpkgs: tuple[str, Rev, Rev]
) -> None:
    manifest = two_pins(tmp_path, nixpkgs, needs_dead=("one",))
    survey = read_survey(load_workspace(manifest))
    unreadable = {name: state for name, state in survey.snapshot.states.items() if isinstance(state, UnreadableRepo)}
    assert list(unreadable) == ["one"]
    assert unreadable[RepoName("one")].error.code == "unreachable"
    assert unreadable[RepoName("one")].error.message.startswith("the target of pin dead is not known: ")
    found = find_drift(survey, frozenset(survey.snapshot.states)).findings
    assert {(finding.repo, finding.kind) for finding in found} == {
        ("one", "unreachable"),
        ("two", "pin"),
        ("three", "pin"),
    }


def test_a_dead_pin_that_every_repo_needs_is_one_error(tmp_path: Path, nixpkgs: tuple[str, Rev, Rev]) -> None:
    manifest = two_pins(tmp_path, nixpkgs, needs_dead=("one", "two", "three"))
    with pytest.raises(FlakesyncError, match="gone") as caught:
        read_survey(load_workspace(manifest))
    assert caught.value.code == "unreachable"


def test_a_dead_pin_that_governs_nothing_is_an_error_as_no_repo_would_say_it(
    tmp_path: Path, nixpkgs: tuple[str, Rev, Rev]
) -> None:
    with pytest.raises(FlakesyncError, match="gone"):
        read_survey(load_workspace(two_pins(tmp_path, nixpkgs, needs_dead=())))


def test_a_host_that_has_a_repo_and_the_pin_that_it_needs_takes_no_other_repo_with_it(
    tmp_path: Path, nixpkgs: tuple[str, Rev, Rev]
) -> None:
    manifest = two_pins(tmp_path, nixpkgs, needs_dead=("one",))
    document = tomli.loads(manifest.read_text())
    document["repos"]["one"] = {"url": f"git+file://{tmp_path}/gone-too"}
    manifest.write_text(tomli_w.dumps(document))
    survey = read_survey(load_workspace(manifest))
    assert [name for name, state in survey.snapshot.states.items() if isinstance(state, UnreadableRepo)] == ["one"]


def test_an_external_source_whose_server_is_dead_fails_the_repos_that_have_it(
    tmp_path: Path, nixpkgs: tuple[str, Rev, Rev]
) -> None:
    flakes = {
        "one": {"n": locks.git(f"file://{tmp_path}/gone", rev=nixpkgs[1], ref="stable")},
        "two": {"n": locks.git(nixpkgs[0], rev=nixpkgs[1], ref="stable")},
    }
    survey = read_survey(load_workspace(make_ground(tmp_path, flakes, settings={"external": "latest"}).manifest))
    assert isinstance(survey.snapshot.states[RepoName("one")], UnreadableRepo)
    assert not isinstance(survey.snapshot.states[RepoName("two")], UnreadableRepo)


def test_what_is_the_same_of_several_is_said_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nixpkgs: tuple[str, Rev, Rev]
) -> None:
    def down(_reference: FlakeRef, _hosts: object) -> object:
        raise FlakesyncError("unreachable", "github.com cannot be reached")

    monkeypatch.setattr("flakesync.survey.read._newest", down)
    with pytest.raises(FlakesyncError, match=r"^github\.com cannot be reached$"):
        read_survey(load_workspace(two_pins(tmp_path, nixpkgs, needs_dead=("one",))))


def test_nothing_to_ask_is_nothing_asked() -> None:
    assert ask_servers({}, 0) == ({}, {})


@pytest.mark.parametrize(
    ("own", "xdg", "expected"),
    [("/own", "/xdg", "/own"), ("", "/xdg", "/xdg/flakesync"), ("", "", "/home/x/.cache/flakesync")],
)
def test_the_cache_lies_where_the_user_says(monkeypatch: pytest.MonkeyPatch, own: str, xdg: str, expected: str) -> None:
    monkeypatch.setenv("FLAKESYNC_CACHE", own)
    monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    monkeypatch.setenv("HOME", "/home/x")
    assert cache_dir() == Path(expected)


def test_the_cache_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/x")
    monkeypatch.setenv("XDG_CACHE_HOME", "caches")
    assert cache_dir() == Path("/home/x/.cache/flakesync")
    monkeypatch.setenv("FLAKESYNC_CACHE", "own")
    assert cache_dir() == tmp_path / "own"
