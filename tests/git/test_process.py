"""How git is run: without state from outside, without questions, and so that it can be ended."""

import os
import stat
import threading
import time
from pathlib import Path

import pytest

from flakesync.cache.lock import exclusive
from flakesync.errors import GitError
from flakesync.git import process
from flakesync.processes.stop import stopping
from tests.support.repos import make_repo, run_git


@pytest.fixture
def fake_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a `git` first on PATH that the test can fill; it shows what it was started with."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/git"
    program.touch(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    process.git(["--version"])  # GitPython asks for the version when it is imported
    return program


def test_state_of_another_git_is_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_repo(tmp_path / "r", {"x": "y"})
    process.git(["--version"])  # GitPython asks for the version when it is imported
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_TRACE", "GIT_PREFIX"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "From the environment")
    answer = process.git(["config", "--get-regexp", "."], cwd=tmp_path / "r", config=[("a.b", "secret")])
    assert "user.name From the environment\n" in answer.text
    assert "a.b secret\n" in answer.text
    assert process.git(["rev-parse", "--git-dir"], cwd=tmp_path / "r").text == ".git\n"
    assert not (tmp_path / "nowhere").exists()


STRANGE = (
    "$HOME",
    "$FOO",
    "${FOO}",
    "~",
    "~x",
    "~root",
    "a b",
    "it's",
    '"',
    "%41",
    "#",
    "?",
    "-C",
    "a\nb",
    "*",
    "\udcff",
)


@pytest.mark.parametrize("name", STRANGE)
def test_git_runs_in_the_folder_of_that_very_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("FOO", "other")
    for folder in (name, "other"):
        (tmp_path / folder).mkdir()
        run_git("init", "-q", cwd=tmp_path / folder)
    process.git(["config", "a.b", "here"], cwd=tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert process.git(["config", "--local", "a.b"], cwd=f"./{name}").text == "here\n"
    assert b"".join(process.stream(["config", "--local", "a.b"], cwd=tmp_path / name)) == b"here\n"
    assert "here" not in (tmp_path / "other/.git/config").read_text()


def test_git_runs_nowhere_else_if_a_folder_cannot_be_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_repo(tmp_path / "r", {"x": "y"})
    monkeypatch.chdir(tmp_path / "r")
    with pytest.raises(GitError, match="gone"):
        process.git(["update-ref", "refs/heads/x", "HEAD"], cwd=tmp_path / "gone")
    assert not (tmp_path / "r/.git/refs/heads/x").exists()


def test_the_environment_forbids_questions(fake_git: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", "my-ssh")
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "https:ext")
    monkeypatch.setenv("SSH_ASKPASS", "/bin/x")
    fake_git.write_text("#!/bin/sh\nenv; readlink /proc/$$/fd/0; ps -o pgid= -p $$\n")
    lines = process.git(["x"]).text.splitlines()
    assert {"GIT_TERMINAL_PROMPT=0", "GIT_SSH_COMMAND=my-ssh", "GIT_ALLOW_PROTOCOL=https", "SSH_ASKPASS="} <= set(lines)
    assert "/dev/null" in lines
    assert os.getpgid(0) != int(lines[-1])


def test_a_failure_tells_gits_own_words_without_secrets_or_escapes(fake_git: Path) -> None:
    fake_git.write_text(
        "#!/bin/sh\necho 'hint: no' >&2\n"
        "printf 'fatal: \\033[31mbad https://me:pass@h/x?private_token=t1\\n' >&2; exit 128\n"
    )
    with pytest.raises(GitError) as caught:
        process.git(["fetch", "x"])
    assert caught.value.code == "git"
    assert str(caught.value) == "git fetch: bad https://h/x?private_token=…"


def test_no_git_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError) as caught:
        process.git(["--version"])
    assert caught.value.code == "no-git"


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pid: int) -> bool:
    end = time.monotonic() + 60
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not is_running(pid)


def test_a_timeout_ends_git_and_its_children(fake_git: Path, tmp_path: Path) -> None:
    child = tmp_path / "child"
    fake_git.write_text(f"#!/bin/sh\ncd '{tmp_path}'; sleep 600 &\necho $! > new; mv new child\nwait\n")
    for timeout_s in (0.3, 3, 30):  # as long as it takes to begin on a busy machine
        with pytest.raises(GitError) as caught:
            process.git(["ls-remote"], timeout_s=timeout_s)
        assert caught.value.code == "git-timeout"
        if child.exists():
            break
    assert wait_until_gone(int(child.read_text()))


def test_an_interrupt_can_end_all_that_runs(fake_git: Path, tmp_path: Path) -> None:
    fake_git.write_text(f"#!/bin/sh\ncd '{tmp_path}'; sleep 60 &\necho $! > new; mv new child\nwait\n")
    codes: list[str] = []

    def work() -> None:
        with pytest.raises(GitError) as caught:
            process.git(["x"], check=False)
        codes.append(caught.value.code)

    thread = threading.Thread(target=work)
    thread.start()
    while not (tmp_path / "child").exists():
        time.sleep(0.01)
    with stopping():
        thread.join(60)
    assert codes == ["git-interrupted"]
    assert wait_until_gone(int((tmp_path / "child").read_text()))


def test_a_lock_is_held_by_one_and_given_back_however_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "a/b/lock"
    with exclusive(path, wait=False):
        with pytest.raises(GitError) as caught, exclusive(path, wait=False):
            pass
        assert caught.value.code == "busy"
    with pytest.raises(ZeroDivisionError), exclusive(path, wait=True):
        raise ZeroDivisionError
    with exclusive(path, wait=False):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(GitError) as caught, exclusive(tmp_path / "file/lock", wait=True):
        pass
    assert caught.value.code == "cache"


def test_hooks_from_configuration_do_not_run(tmp_path: Path) -> None:
    make_repo(tmp_path / "r", {"x": "y"})
    (tmp_path / "hooks").mkdir()
    hook = tmp_path / "hooks/reference-transaction"
    hook.write_text(f"#!/bin/sh\ntouch '{tmp_path}/trace'\n")
    hook.chmod(0o755)
    run_git("config", "core.hooksPath", str(tmp_path / "hooks"), cwd=tmp_path / "r")
    process.git(["update-ref", "refs/heads/x", "HEAD"], cwd=tmp_path / "r")
    assert not (tmp_path / "trace").exists()
