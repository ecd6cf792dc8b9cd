"""`nix` as it really is: versions told apart, inputs moved, failures named."""

import json
import os
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flakesync.errors import NixError
from flakesync.nix.lock.file import LockFile
from flakesync.nix.program.command import CheckRun, Nix, Override
from flakesync.processes.stop import stopping
from tests.support.nix import RealNix

FLAKE = "{ outputs = _: { }; }"


def git(repo: Path, *argv: str) -> str:
    done = subprocess.run(["git", "-C", repo, *argv], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(repo: Path, **files: str | bytes) -> str:
    """Commit `files` (`flake_nix` is flake.nix) in `repo`, made if it is not there, and return the rev."""
    if not repo.exists():
        repo.mkdir(parents=True)
        git(repo, "init", "-q")
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (repo / name.replace("_", ".")).write_bytes(data)
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "--allow-empty", "-m", "change")
    return git(repo, "rev-parse", "HEAD")


def ref(repo: Path, rev: str) -> str:
    return f"git+file://{repo}?ref=main&rev={rev}"


def revs(lock: bytes) -> dict[str, str]:
    parsed = LockFile.parse(lock)
    return {"/".join(path): str((parsed.nodes[label].locked or {})["rev"]) for path, label in parsed.walk()}


class World:
    """nixpkgs ← lib (takes nixpkgs and a plain source) ← app (takes all three); app is locked at the first revs."""

    def __init__(self, root: Path, nix: Nix) -> None:
        self.root, self.nix = root, nix
        self.nixpkgs, self.source, self.lib, self.app = (root / n for n in ("nixpkgs", "source", "lib", "app"))
        inputs = f"""
            inputs.nixpkgs.url = "git+file://{self.nixpkgs}?ref=main";
            inputs.source = {{ url = "git+file://{self.source}?ref=main"; flake = false; }};
        """
        self.first = {"nixpkgs": commit(self.nixpkgs, flake_nix=FLAKE), "source": commit(self.source, text="1")}
        self.lib.mkdir()
        (self.lib / "flake.nix").write_text(f"{{ {inputs} outputs = _: {{ }}; }}")
        nix.lock(self.lib, [])
        git(self.lib, "init", "-q")
        self.first["lib"] = commit(self.lib)
        self.app.mkdir()
        lib = f'inputs.lib.url = "git+file://{self.lib}?ref=main";'
        (self.app / "flake.nix").write_text(f"{{ {inputs} {lib} outputs = _: {{ }}; }}")
        self.locked = nix.lock(self.app, [])

    def relock_lib(self) -> str:
        """Move lib's own inputs to what is newest now and return its new rev."""
        self.nix.lock(self.lib, [Override(("nixpkgs",)), Override(("source",))])
        return commit(self.lib)


@pytest.fixture
def found(nix: RealNix) -> Nix:
    """Find a nix whose user has not enabled flakes."""
    return Nix.find({**nix.env(), "NIX_CONFIG": "experimental-features ="})


@pytest.fixture
def world(found: Nix, tmp_path: Path) -> World:
    return World(tmp_path, found)


@pytest.fixture
def fake(tmp_path: Path) -> Callable[[str], Nix]:
    """Make `nix` a shell script; the result finds it."""

    def make(script: str) -> Nix:
        folder = tmp_path / "fake-bin"
        folder.mkdir(exist_ok=True)
        program = folder / "nix"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return Nix.find({**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"})

    return make


def version_script(answer: str, more: str = "") -> str:
    return f"[ \"$1\" = --version ] && {{ echo '{answer}'; exit; }}\n{more}"


# Which nix it is


def test_the_real_version_is_recognised(nix: RealNix, found: Nix) -> None:
    assert found.version == nix.version
    assert found.describe() == f"nix {nix.full_version}"


@pytest.mark.parametrize(
    ("answer", "flavour", "version", "shown"),
    [
        ("nix (Nix) 2.8.0", "nix", (2, 8), "nix 2.8.0"),
        ("nix (Nix) 2.19.0pre20231010_ab12cd3", "nix", (2, 19), "nix 2.19.0pre20231010_ab12cd3"),
        ("nix (Lix, like Nix) 2.93.0", "lix", (2, 93), "Lix 2.93.0"),
        ("nix (Lix, like Nix) 2.94.0-dev-pre20250704-1a2b3c4", "lix", (2, 94), "Lix 2.94.0-dev-pre20250704-1a2b3c4"),
        ("nix (Determinate Nix 3.22.2) 2.35.2", "determinate", (2, 35), "Determinate Nix 3.22.2 (nix 2.35.2)"),
    ],
)
def test_every_flavour_is_recognised_from_its_version_line(
    fake: Callable[[str], Nix], answer: str, flavour: str, version: tuple[int, int], shown: str
) -> None:
    nix = fake(version_script(answer))
    assert (nix.flavour, nix.version, nix.describe()) == (flavour, version, shown)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (version_script("nix (Nix) 2.3.7"), "nix-too-old"),
        (version_script("something else"), "no-nix"),
        ("echo broken >&2; exit 127", "no-nix"),
    ],
)
def test_what_is_no_nix_with_flakes_is_refused(fake: Callable[[str], Nix], script: str, code: str) -> None:
    with pytest.raises(NixError) as refused:
        fake(script)
    assert refused.value.code == code
    assert refused.value.hint


def test_without_a_nix_the_error_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(NixError) as refused:
        Nix.find({"PATH": str(tmp_path)})
    assert refused.value.code == "no-nix"
    assert "nix-bin" in str(refused.value.hint)


def test_flakesync_nix_names_the_program(fake: Callable[[str], Nix]) -> None:
    program = fake(version_script("nix (Nix) 2.31.0")).program
    assert Nix.find({"PATH": os.environ["PATH"], "FLAKESYNC_NIX": str(program)}).version_text == "2.31.0"


_ECHO = 'for arg; do printf "%s\\n" "$arg"; done >"$OUT"'


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("nix (Nix) 2.18.9", "flake lock path:{0} --update-input a --update-input b/c --override-input a X"),
        ("nix (Nix) 2.19.0", "flake update a b/c --flake path:{0} --override-input a X"),
        ("nix (Lix, like Nix) 2.93.0", "flake update a b/c --flake path:{0} --override-input a X"),
        ("nix (Determinate Nix 3.22.2) 2.35.2", "flake update a b/c --flake path:{0} --override-input a X"),
    ],
)
def test_each_flavour_is_told_in_its_own_dialect(
    fake: Callable[[str], Nix], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, expected: str
) -> None:
    monkeypatch.setenv("OUT", str(tmp_path / "argv"))
    fake(version_script(answer, _ECHO)).lock(tmp_path, [Override(("a",), "X"), Override(("b", "c"))])
    assert " ".join((tmp_path / "argv").read_text().split()).endswith(" " + expected.format(tmp_path))


# Locking


def test_a_moved_input_brings_the_inputs_of_its_own_lock(world: World) -> None:
    nixpkgs_2, source_2 = commit(world.nixpkgs), commit(world.source, text="2")
    lib_2 = world.relock_lib()
    commit(world.nixpkgs)
    commit(world.source, text="3")
    lock = world.nix.lock(world.app, [Override(("lib",), ref(world.lib, lib_2))])
    assert revs(lock) == {
        "lib": lib_2,
        "lib/nixpkgs": nixpkgs_2,
        "lib/source": source_2,
        "nixpkgs": world.first["nixpkgs"],
        "source": world.first["source"],
    }
    assert (world.app / "flake.lock").read_bytes() == lock


def test_several_inputs_of_every_kind_move_at_once(world: World) -> None:
    nixpkgs_2, source_2 = commit(world.nixpkgs), commit(world.source, text="2")
    lib_2 = world.relock_lib()
    nixpkgs_3 = commit(world.nixpkgs)
    moves = [
        Override(("lib",), ref(world.lib, lib_2)),
        Override(("lib", "nixpkgs"), ref(world.nixpkgs, nixpkgs_3)),
        Override(("nixpkgs",), ref(world.nixpkgs, nixpkgs_2)),
        Override(("source",), ref(world.source, source_2)),
    ]
    lock = world.nix.lock(world.app, moves)
    expected = {
        "lib": lib_2, "lib/nixpkgs": nixpkgs_3, "lib/source": source_2, "nixpkgs": nixpkgs_2, "source": source_2
    }  # fmt: skip
    assert revs(lock) == expected
    assert world.nix.lock(world.app, moves) == lock


def test_only_originals_of_flake_nix_are_written(world: World) -> None:
    source_2 = commit(world.source, text="2")
    moves = [
        Override(("source",), ref(world.source, source_2)),
        Override(("lib", "source"), ref(world.source, source_2)),
    ]
    before, after = LockFile.parse(world.locked), LockFile.parse(world.nix.lock(world.app, moves))
    for path, _ in after.walk():
        old, new = before.node(path), after.node(path)
        assert old is not None
        assert new is not None
        assert new.original == old.original
    assert world.nix.lock(world.app, []) == after.to_bytes()


def test_a_nested_input_moves_alone(world: World) -> None:
    nixpkgs_2 = commit(world.nixpkgs)
    lock = world.nix.lock(world.app, [Override(("lib", "nixpkgs"), ref(world.nixpkgs, nixpkgs_2))])
    assert revs(lock) == revs(world.locked) | {"lib/nixpkgs": nixpkgs_2}


def test_an_input_without_a_target_is_refreshed(world: World) -> None:
    nixpkgs_2 = commit(world.nixpkgs)
    commit(world.source, text="2")
    assert revs(world.nix.lock(world.app, [Override(("nixpkgs",))])) == revs(world.locked) | {"nixpkgs": nixpkgs_2}


def test_nothing_to_move_leaves_the_lock_to_the_byte(world: World) -> None:
    commit(world.nixpkgs)
    assert world.nix.lock(world.app, []) == world.locked


def test_a_flake_without_inputs_has_no_lock(found: Nix, tmp_path: Path) -> None:
    (tmp_path / "flake.nix").write_text(FLAKE)
    assert found.lock(tmp_path, []) == b""


def test_the_lock_check_tells_a_complete_lock_from_one_that_would_change(world: World) -> None:
    assert world.nix.check_lock(world.app)
    text = (world.app / "flake.nix").read_text()
    (world.app / "flake.nix").write_text(
        text.replace("outputs", f'inputs.more.url = "git+file://{world.lib}"; outputs')
    )
    assert not world.nix.check_lock(world.app)
    assert (world.app / "flake.lock").read_bytes() == world.locked


def test_a_flake_in_a_folder_of_a_worktree_is_locked_in_its_tree(world: World) -> None:
    repo, tree = world.root / "repo", world.root / "tree"
    commit(repo, text="top")
    (repo / "dev").mkdir()
    for name in ("flake.nix", "flake.lock"):
        (repo / "dev" / name).write_bytes((world.app / name).read_bytes())
    commit(repo)
    git(repo, "worktree", "add", "-q", "--detach", str(tree))
    nixpkgs_2 = commit(world.nixpkgs)
    moves = [Override(("nixpkgs",), ref(world.nixpkgs, nixpkgs_2))]
    lock = world.nix.lock(tree / "dev", moves, git_root=tree)
    assert revs(lock)["nixpkgs"] == nixpkgs_2
    assert lock == world.nix.lock(world.app, moves)
    assert world.nix.check_lock(tree / "dev", git_root=tree)
    assert git(repo, "status", "--porcelain") == ""


def test_an_odd_path_works_or_is_refused_before_nix_sees_it(found: Nix, tmp_path: Path) -> None:
    folder = tmp_path / "a b#c?d%20é"
    folder.mkdir()
    (folder / "flake.nix").write_text(FLAKE)
    if found.version >= (2, 26):
        assert found.lock(folder, []) == b""
    else:
        with pytest.raises(NixError, match="cannot use a flake in") as refused:
            found.lock(folder, [])
        assert refused.value.code == "nix-path"


@pytest.mark.parametrize("path", [(), ("--help",), ("a", ""), ("a/b",), ("a b",)])
def test_what_cannot_be_an_input_path_never_reaches_nix(fake: Callable[[str], Nix], path: tuple[str, ...]) -> None:
    nix = fake(version_script("nix (Nix) 2.31.0", "touch /nonexistent/called"))
    with pytest.raises(NixError) as refused:
        nix.lock(Path.cwd(), [Override(path, "X")])
    assert refused.value.code == "nix-input-name"


# Failing


def test_a_failure_names_the_input_and_leaves_the_lock(world: World) -> None:
    with pytest.raises(NixError) as failed:
        world.nix.lock(world.app, [Override(("lib", "nixpkgs"), f"git+file://{world.nixpkgs}?ref=nope")])
    assert failed.value.code == "nix-failed"
    assert "input lib/nixpkgs" in failed.value.message
    assert "nope" in failed.value.message
    assert len(failed.value.message.splitlines()) <= 15
    assert (world.app / "flake.lock").read_bytes() == world.locked


def test_a_bad_flake_nix_is_shown_with_its_place(world: World) -> None:
    (world.app / "flake.nix").write_text("{ inputs.x.url = 1 +; }")
    with pytest.raises(NixError, match="syntax error, unexpected ';'") as failed:
        world.nix.lock(world.app, [])
    assert "flake.nix:1:21" in failed.value.message


def test_a_server_out_of_reach_is_offline_and_not_failed(world: World) -> None:
    with pytest.raises(NixError) as failed:
        world.nix.lock(world.app, [Override(("lib",), "git+http://127.0.0.1:1/lib?ref=main")])
    assert failed.value.code == "nix-offline"
    assert "Failed to connect" in failed.value.message


def test_an_unknown_indirect_input_is_looked_up_and_then_fails(world: World) -> None:
    with pytest.raises(NixError, match="cannot find flake 'flake:nowhere' in the flake registries"):
        world.nix.lock(world.app, [Override(("lib",), "nowhere")])


def test_an_indirect_input_that_no_lock_knows_is_resolved_by_the_registry(nix: RealNix, tmp_path: Path) -> None:
    env = nix.env(tmp_path / "state")
    rev = commit(tmp_path / "nixpkgs", flake_nix=FLAKE)
    entry = {"from": {"type": "indirect", "id": "np"}, "to": {"type": "git", "url": f"file://{tmp_path}/nixpkgs"}}
    registry = tmp_path / "state/conf/registry.json"
    registry.write_text(json.dumps({"version": 2, "flakes": [entry]}))
    app = tmp_path / "app"
    app.mkdir()
    (app / "flake.nix").write_text('{ inputs.np.url = "flake:np"; outputs = _: { }; }')
    found = Nix.find(env)
    assert not found.check_lock(app)
    assert revs(found.lock(app, [])) == {"np": rev}
    assert found.check_lock(app)


def test_tokens_are_never_shown(fake: Callable[[str], Nix], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIX_CONFIG", "access-tokens = github.com=ghp_0123456789 gitlab.com=PAT:glpat-abcdefgh")
    monkeypatch.setenv("FORGE_TOKEN", "forge-secret-1")
    nix = fake(
        version_script(
            "nix (Nix) 2.31.0",
            'echo "error: ghp_0123456789 glpat-abcdefgh $FORGE_TOKEN https://me:pass@h/x http://tok@h/y" >&2; exit 1',
        )
    )
    with pytest.raises(NixError) as failed:
        nix.lock(tmp_path, [])
    assert failed.value.message == "nix failed: *** *** *** https://***@h/x http://***@h/y"
    script = tmp_path / "check"
    script.write_text('#!/bin/sh\necho "$FORGE_TOKEN"')
    script.chmod(0o755)
    assert nix.run_check([str(script)], tmp_path) == CheckRun(0, "***\n")


def test_control_sequences_are_not_passed_on(fake: Callable[[str], Nix], tmp_path: Path) -> None:
    nix = fake(
        version_script("nix (Nix) 2.31.0", "printf '\\033[31;1merror:\\033[0m \\033]0;x\\007bad\\n' >&2; exit 1")
    )
    with pytest.raises(NixError, match=r"^nix failed: bad$"):
        nix.lock(tmp_path, [])


# Processes


def test_nix_inherits_no_repository_and_cannot_ask(fake: Callable[[str], Nix], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/somewhere")
    monkeypatch.setenv("GIT_SSL_CAINFO", "/ca.pem")
    monkeypatch.setenv("SSH_ASKPASS", "ask")
    subprocess.run(["git", "config", "--global", "core.sshCommand", "ssh -i key"], check=True)
    environ = fake(version_script("nix (Nix) 2.31.0")).environ
    assert "GIT_DIR" not in environ
    assert "SSH_ASKPASS" not in environ
    assert environ["GIT_SSL_CAINFO"] == "/ca.pem"
    assert environ["GIT_SSH_COMMAND"] == "ssh -i key -oBatchMode=yes"
    assert environ["GIT_TERMINAL_PROMPT"] == "0"


_HANG = 'sleep 600 & echo $! >"$PIDS"; wait'


def _gone(pid: int) -> bool:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            return True
        time.sleep(0.02)
    return False


def test_what_takes_too_long_is_ended_with_all_its_children(
    fake: Callable[[str], Nix], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = tmp_path / "pids"
    monkeypatch.setenv("PIDS", str(pids))
    nix = fake(version_script("nix (Nix) 2.31.0", _HANG))
    for timeout_s in (0.3, 3, 30):  # as long as it takes to begin on a busy machine
        pids.write_text("")
        with pytest.raises(NixError) as failed:
            nix.lock(tmp_path, [], timeout_s=timeout_s)
        assert failed.value.code == "nix-timeout"
        if pids.read_text():
            break
    assert _gone(int(pids.read_text()))


def test_an_interrupt_ends_what_other_threads_wait_for(
    fake: Callable[[str], Nix], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIDS", str(tmp_path / "pids"))
    nix = fake(version_script("nix (Nix) 2.31.0", f"trap 'exit 1' TERM; {_HANG}"))
    codes: list[str] = []

    def work() -> None:
        try:
            nix.lock(tmp_path, [])
        except NixError as error:
            codes.append(error.code)

    thread = threading.Thread(target=work)
    thread.start()
    while not (tmp_path / "pids").exists() or not (tmp_path / "pids").read_text():
        time.sleep(0.01)
    with stopping():
        thread.join(60)
    assert codes == ["nix-interrupted"]
    assert _gone(int((tmp_path / "pids").read_text()))


def test_a_check_s_status_and_output_come_back(fake: Callable[[str], Nix], tmp_path: Path) -> None:
    nix = fake(version_script("nix (Nix) 2.31.0"))
    assert nix.run_check(["sh", "-c", "pwd; echo bad >&2; exit 3"], tmp_path) == CheckRun(3, f"{tmp_path}\nbad\n")
    assert nix.run_check(["no-such-program"], tmp_path).status == 127
    assert nix.run_check(["sleep", "60"], tmp_path, timeout_s=0.1).status is None
