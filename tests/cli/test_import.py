"""`flakesync import` as a command: options, answers, exit statuses."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bundle.receive.made import Made, bundle_of_one_repo, nar_of
from tests.cli.conftest import Ran
from tests.support import repos

Flakesync = Callable[..., Ran]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return bundle_of_one_repo(tmp_path)


def test_an_import_says_what_is_new_and_what_nix_needs(flakesync: Flakesync, made: Made, tmp_path: Path) -> None:
    place = made.write(tmp_path / "b1")
    ran = flakesync("import", str(place), "--cache", str(tmp_path / "c"), "--repos", str(tmp_path / "git"))
    assert ran.status == 0
    assert "1 new source, 1 repo\n" in ran.out
    assert f"\nsubstituters = file://{tmp_path}/c\n" in ran.out
    document = json.loads(
        flakesync("import", str(place), "--cache", str(tmp_path / "c"), "--repos", str(tmp_path / "git"), "--json").out
    )
    assert document["sources"] == {"new": 0, "there": 1, "rebuilt": 0, "unproven": 0}
    assert document["receipt"] == str(tmp_path / "c/receipt.json")


def test_verify_only_reads_everything_and_writes_nothing(flakesync: Flakesync, made: Made, tmp_path: Path) -> None:
    place = made.write(tmp_path / "b1.tar")
    before = sorted(tmp_path.rglob("*"))
    ran = flakesync("import", str(place), "--verify-only")
    assert (ran.status, ran.out) == (0, "1 source whole\n")
    made.add(b"two", nar=nar_of(b"TWO"))
    ran = flakesync("import", str(made.write(tmp_path / "b2")), "--verify-only")
    assert ran.status == 1
    assert "error[bad-blob]: app:.#lib: " in ran.out
    assert "1 source whole, 1 failed\n" in ran.out
    assert [path for path in sorted(tmp_path.rglob("*")) if "b2" not in path.parts] == before


def test_verify_only_looks_through_a_cache(flakesync: Flakesync, made: Made, tmp_path: Path) -> None:
    flakesync("import", str(made.write(tmp_path / "b1")), "--cache", str(tmp_path / "c"))
    ran = flakesync("import", "--verify-only", "--cache", str(tmp_path / "c"))
    assert (ran.status, ran.out) == (0, "1 path read, 0 faults\n")
    (nar,) = (tmp_path / "c/nar").iterdir()
    nar.write_bytes(nar.read_bytes()[:-1] + b"x")
    ran = flakesync("import", "--verify-only", "--cache", str(tmp_path / "c"))
    assert ran.status == 1
    assert "error[bad-blob]" in ran.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "BUNDLE"),
        (("b1",), "--cache"),
        (("b1", "--cache", "c", "--repos", "r", "--push"), "--repos and --push"),
        (("b1", "--cache", "c", "--roots", "r"), "--into-store"),
        (("b1", "--verify-only", "--push"), "writes nothing"),
        (("--verify-only",), "BUNDLE"),
    ],
)
def test_options_that_do_not_go_together_are_a_usage_error(
    flakesync: Flakesync, arguments: tuple[str, ...], says: str
) -> None:
    ran = flakesync("import", *arguments)
    assert ran.status == 2
    assert "error[usage]" in ran.err
    assert says in ran.err


@pytest.mark.parametrize("name", ["nothing", "b1.tar"])
def test_a_place_without_a_bundle_is_an_error_and_nothing_is_made(
    flakesync: Flakesync, tmp_path: Path, name: str
) -> None:
    ran = flakesync("import", str(tmp_path / name), "--cache", str(tmp_path / "c"))
    assert ran.status == 2
    assert "error[no-bundle]" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_none_of_ours_is_no_unfinished_bundle(flakesync: Flakesync, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    ran = flakesync("import", str(tmp_path / "thesis"), "--cache", str(tmp_path / "c"))
    assert ran.status == 2
    assert "error[bad-bundle]" in ran.err


def test_nothing_is_written_into_the_bundle(flakesync: Flakesync, made: Made, tmp_path: Path) -> None:
    place = made.write(tmp_path / "b1")
    before = sorted(place.rglob("*"))
    for given in (("--cache", str(place)), ("--cache", str(tmp_path / "c"), "--repos", str(place / "git"))):
        ran = flakesync("import", str(place), *given)
        assert ran.status == 2
        assert "is in the bundle" in ran.err
    assert sorted(place.rglob("*")) == before


def test_an_unfinished_bundle_is_an_error(flakesync: Flakesync, made: Made, tmp_path: Path) -> None:
    (made.write(tmp_path / "b1") / "index.json").unlink()
    ran = flakesync("import", str(tmp_path / "b1"), "--cache", str(tmp_path / "c"))
    assert ran.status == 2
    assert "error[unfinished-bundle]" in ran.err
    assert not (tmp_path / "c").exists()


def test_with_a_manifest_only_its_repos_come(flakesync: Flakesync, made: Made, tmp_path: Path) -> None:
    clone = tmp_path / "clones" / "evil"
    repos.make_repo(clone, {"flake.nix": "{ }"})
    made.add_repo(clone)
    (tmp_path / "workspace.toml").write_text('[repos.app]\nurl = "git+https://git.example/acme/app"\n')
    place = str(made.write(tmp_path / "b1"))
    given = ("--cache", str(tmp_path / "c"), "--repos", str(tmp_path / "git"), "-w", str(tmp_path / "workspace.toml"))
    ran = flakesync("import", place, *given)
    assert ran.status == 1
    assert "error[unknown-repo]: repo evil: " in ran.out
    assert [path.name for path in (tmp_path / "git").iterdir()] == ["app.git"]


def test_branches_are_pushed_to_the_servers_of_the_manifest(flakesync: Flakesync, made: Made, tmp_path: Path) -> None:
    server = tmp_path / "server" / "app.git"
    old = repos.run_git("rev-parse", "main", cwd=tmp_path / "clones/app")
    repos.clone_bare(tmp_path / "clones/app", server)
    new = repos.commit(tmp_path / "clones/app", {"b": "more"})
    second = Made(sources=made.sources, blobs=made.blobs[:1])
    second.add_repo(tmp_path / "clones/app", without=old)
    (tmp_path / "workspace.toml").write_text(f'[repos.app]\nurl = "git+file://{server}"\n')
    place = str(second.write(tmp_path / "b2"))
    ran = flakesync("import", place, "--cache", str(tmp_path / "c"), "--push", "-w", str(tmp_path / "workspace.toml"))
    assert (ran.status, ran.err) == (0, "")
    assert repos.run_git("rev-parse", "main", cwd=server) == new
    assert "moved  " in ran.out


def test_a_push_goes_to_the_mirror_of_a_repo(flakesync: Flakesync, made: Made, tmp_path: Path) -> None:
    server = tmp_path / "server" / "app.git"
    repos.clone_bare(tmp_path / "clones/app", server)
    new = repos.commit(tmp_path / "clones/app", {"b": "more"})
    second = Made(sources=made.sources, blobs=made.blobs[:1])
    second.add_repo(tmp_path / "clones/app")
    (tmp_path / "workspace.toml").write_text(
        f'[mirrors]\n"git+https://git.example/acme/" = "git+file://{server.parent}/"\n'
        '[repos.app]\nurl = "git+https://git.example/acme/app.git"\n'
    )
    place = str(second.write(tmp_path / "b2"))
    ran = flakesync("import", place, "--cache", str(tmp_path / "c"), "--push", "-w", str(tmp_path / "workspace.toml"))
    assert (ran.status, ran.err) == (0, "")
    assert repos.run_git("rev-parse", "main", cwd=server) == new
    again = flakesync("import", place, "--cache", str(tmp_path / "c"), "--push", "-w", str(tmp_path / "workspace.toml"))
    assert again.status == 0
    assert "1 branch unchanged" in again.out


def test_a_push_never_takes_somebodys_commits_away(flakesync: Flakesync, made: Made, tmp_path: Path) -> None:
    server = tmp_path / "server" / "app.git"
    repos.clone_bare(tmp_path / "clones/app", server)
    own = repos.commit(server, {"own": "work"})
    repos.commit(tmp_path / "clones/app", {"b": "more"})
    second = Made(sources=made.sources, blobs=made.blobs[:1])
    second.add_repo(tmp_path / "clones/app")
    (tmp_path / "workspace.toml").write_text(f'[repos.app]\nurl = "git+file://{server}"\n')
    place = str(second.write(tmp_path / "b2"))
    ran = flakesync("import", place, "--cache", str(tmp_path / "c"), "--push", "-w", str(tmp_path / "workspace.toml"))
    assert ran.status == 1
    assert "error[not-forward]: repo app: " in ran.out
    assert repos.run_git("rev-parse", "main", cwd=server) == own


def test_a_server_that_cannot_be_asked_fails_its_repo_alone(flakesync: Flakesync, made: Made, tmp_path: Path) -> None:
    repos.make_repo(tmp_path / "clones/lib", {"flake.nix": "{ }"})
    made.add_repo(tmp_path / "clones/lib")
    repos.clone_bare(tmp_path / "clones/lib", tmp_path / "server/lib.git")
    (tmp_path / "workspace.toml").write_text(
        f'[repos.app]\nurl = "git+file://{tmp_path}/nowhere"\n[repos.lib]\nurl = "git+file://{tmp_path}/server/lib.git"\n'
    )
    place = str(made.write(tmp_path / "b1"))
    given = ("--cache", str(tmp_path / "c"), "--push", "-w", str(tmp_path / "workspace.toml"), "--json")
    ran = flakesync("import", place, *given)
    assert ran.status == 1
    document = json.loads(ran.out)
    assert [failed["what"] for failed in document["failed"]] == ["repo app"]
    assert "nowhere" in document["failed"][0]["message"]
    assert {(each["name"], each["status"]) for each in document["repos"]} == {("app", "failed"), ("lib", "unchanged")}
