"""The hashes that Nix writes are those of what was committed, whatever the user has set up git to convert."""

from pathlib import Path

import pytest

from flakesync.errors import GitError
from flakesync.nix.lock.file import LockFile
from flakesync.nix.program.command import Nix, Override
from tests.support import gitusers, repos
from tests.support.nix import RealNix
from tests.support.nixspace import commit_info


def locked_hash(nix: Nix, root: Path, more: repos.Files) -> tuple[object, object]:
    """Return the narHash of a git input with `gitusers.FILES` as Nix locks it, and as it is."""
    # Another commit each time: Nix remembers what it has hashed of a commit.
    rev = repos.make_repo(root / "lib", {**gitusers.FILES, "where": str(root), **more}, checkout=False)
    (root / "app").mkdir()
    source = f'{{ url = "git+file://{root}/lib?ref=main"; flake = false; }}'
    (root / "app/flake.nix").write_text(f"{{ inputs.lib = {source}; outputs = _: {{ }}; }}\n")
    node = LockFile.parse(nix.lock(root / "app", [Override(("lib",))])).node(("lib",))
    assert node is not None
    assert node.locked is not None
    assert node.locked["rev"] == rev
    return node.locked["narHash"], commit_info(root / "lib", rev)["narHash"]


@pytest.mark.slow_between
@pytest.mark.parametrize("user", gitusers.CONVERSIONS)
def test_a_hash_does_not_depend_on_what_the_user_converts(
    nix: RealNix, tmp_path: Path, hermetic: Path, user: str
) -> None:
    gitusers.become(hermetic, user)
    found, right = locked_hash(Nix.find(nix.env()), tmp_path, {})
    assert found == right


@pytest.mark.parametrize("driver", ["shout", "lfs", "a.B"])
def test_a_filter_of_the_user_does_not_get_into_a_hash(
    nix: RealNix, tmp_path: Path, hermetic: Path, driver: str
) -> None:
    repos.run_git("config", "--global", f"filter.{driver}.smudge", "tr a-z A-Z", cwd=tmp_path)
    repos.run_git("config", "--global", f"filter.{driver}.required", "true", cwd=tmp_path)
    found, right = locked_hash(Nix.find(nix.env()), tmp_path, {".gitattributes": f"*.txt filter={driver}\n"})
    assert found == right


def test_settings_of_the_user_s_environment_stay_and_ours_win(
    nix: RealNix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.autocrlf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    monkeypatch.setenv("GIT_CONFIG_KEY_1", f"url.file://{tmp_path}/lib.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_1", "file:///elsewhere")
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.eol'='crlf' 'core.autocrlf=true'")
    found = Nix.find(nix.env())
    assert found.run_check(["git", "config", "core.autocrlf"], tmp_path).output == "false\n"
    assert found.run_check(["sh", "-c", "echo $GIT_ATTR_NOSYSTEM"], tmp_path).output == "1\n"
    assert found.run_check(["git", "config", f"url.file://{tmp_path}/lib.insteadOf"], tmp_path).status == 0
    hash, right = locked_hash(found, tmp_path, {".gitattributes": "* text=auto\n"})
    assert hash == right


def test_a_count_that_git_refuses_is_an_error_of_the_user(nix: RealNix, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "many")
    with pytest.raises(GitError, match="GIT_CONFIG_COUNT"):
        Nix.find(nix.env())
