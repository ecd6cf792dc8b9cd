"""Completion in real shells, at a terminal: somebody types, presses Tab and Enter, and the shell says what it got."""

import os
import pty
import re
import select
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import environment, spawn
from tests.support.tools import tool

SHELLS = ("bash", "zsh", "fish")
STARTS = {
    "bash": ("--norc", "--noprofile", "-i"),
    "zsh": ("-f", "-i"),
    "fish": ("--no-config", "-i"),
}
PREPARES = {
    "bash": "PS1=; set +o history; source '{script}'; flakesync() {{ printf 'GOT<%s>\\n' \"$*\"; }}",
    "zsh": "PROMPT=; unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -u -D; source '{script}'; "
    'flakesync() {{ print -r -- "GOT<$*>" }}',
    "fish": "function fish_prompt; end; source '{script}'; function flakesync; echo \"GOT<$argv>\"; end",
}
WAIT_S = 120.0


class Terminal:
    """A shell at a pseudo-terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._heard = ""

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the first match in what the shell has written since the last one."""
        end = time.monotonic() + WAIT_S
        while (found := re.search(pattern, self._heard)) is None:
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"no {pattern} in {self._heard!r}"
            self._heard += os.read(self._descriptor, 65536).decode(errors="replace")
        self._heard = self._heard[found.end() :]
        return found


@contextmanager
def at(shell: str, place: Path) -> Iterator[Terminal]:
    """Run a shell in the folder of a workspace, with the completion that it is shipped with."""
    script = place / f"completion.{shell}"
    made = spawn(cwd=place, _FLAKESYNC_COMPLETE=f"source_{shell}")
    assert made.returncode == 0
    script.write_text(made.stdout)
    (place / "home").mkdir(exist_ok=True)
    main, other = pty.openpty()
    programs = f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"
    process = subprocess.Popen(
        [tool(shell), *STARTS[shell]], cwd=place, preexec_fn=lambda: os.login_tty(other),
        env=environment(PATH=programs, HOME=str(place / "home"), TERM="xterm", COLUMNS="200", FLAKESYNC_DEBUG=""),
    )  # fmt: skip
    os.close(other)
    terminal = Terminal(main)
    try:
        # Not until it has run a line does it read keys as it should: what is typed before may be lost.
        terminal.type(PREPARES[shell].format(script=script) + "; echo REA''DY\r")
        terminal.wait_for("READY")
        yield terminal
    finally:
        process.kill()
        process.wait()
        os.close(main)


@pytest.mark.packaging
@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes_what_flakesync_knows(acme: Path, shell: str) -> None:
    with at(shell, acme) as terminal:
        for typed, wanted in (
            ("dr", "drift"),
            ("drift --repo do", "drift --repo docs"),
            ("drift --group co", "drift --group core"),
            ("drift --exclude ap", "drift --exclude app"),
            ("drift --kind dup", "drift --kind duplicate"),
            ("drift --at up", "drift --at update"),
            ("audit mut", "audit mutable-archive"),
            ("seen nix", "seen nixpkgs"),
            ("why app li", "why app lib"),
            ("hold app ni", "hold app nixpkgs"),
            ("bisect app --input ni", "bisect app --input nixpkgs"),
            ("schema dr", "schema drift"),
            ("sync --dry", "sync --dry-run"),
        ):
            terminal.type(f"flakesync {typed}\t")
            time.sleep(0.05)  # a shell that reads Tab and Enter at once may take them for pasted text
            terminal.type("\r")
            assert terminal.wait_for('GOT<([^$"%>]*)>')[1].strip() == wanted


@pytest.mark.packaging
@pytest.mark.parametrize("shell", SHELLS)
def test_a_broken_manifest_offers_nothing_and_says_nothing(acme: Path, shell: str) -> None:
    (acme / "workspace.toml").write_text("[workspace\n")
    with at(shell, acme) as terminal:
        terminal.type("flakesync why zz\t")
        time.sleep(0.05)
        terminal.type("\r")
        assert terminal.wait_for('GOT<([^$"%>]*)>')[1].strip() == "why zz"
        assert "error" not in terminal._heard


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("why app ", ["lib", "nixpkgs"]),
        ("why nobody ", []),
        ("why docs ", []),
        ("hold app n", ["nixpkgs"]),
        ("why ", ["app", "docs", "lib"]),
        ("-w elsewhere.toml why ", []),
    ],
)
def test_inputs_and_repos_are_offered_as_the_manifest_has_them(acme: Path, words: str, wanted: list[str]) -> None:
    typed = f"flakesync {words}"
    ran = spawn(
        cwd=acme, _FLAKESYNC_COMPLETE="complete_bash", COMP_WORDS=typed, COMP_CWORD=str(len(typed.split(" ")) - 1)
    )
    assert (ran.returncode, ran.stdout.split()) == (0, wanted)
    assert ran.stderr == ""


def test_what_is_offered_from_the_manifest_costs_no_graph_and_no_repository(acme: Path) -> None:
    ran = spawn(
        cwd=acme, _FLAKESYNC_COMPLETE="complete_bash", COMP_WORDS="flakesync why a", COMP_CWORD="2",
        PYTHONPROFILEIMPORTTIME="1",
    )  # fmt: skip
    assert ran.stdout.split() == ["app"]
    imported = {line.rsplit("|", 1)[-1].strip() for line in ran.stderr.splitlines()}
    assert imported.isdisjoint({"networkx", "pygit2", "git", "rich", "jinja2", "pydantic"})


@pytest.mark.packaging
@pytest.mark.parametrize("shell", SHELLS)
def test_install_completion_writes_into_the_home_of_the_user(tmp_path: Path, shell: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    program = f"{sysconfig.get_path('scripts')}/flakesync"
    # The shell in use is found by the processes above, so it has to stay while its child asks.
    line = f"'{program}' --install-completion; true"
    result = subprocess.run(
        [tool(shell), "-c", line], env=environment(HOME=str(home), SHELL=tool(shell)), capture_output=True, text=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert f"{shell} completion installed" in result.stdout, result
    assert any("_FLAKESYNC_COMPLETE" in file.read_text() for file in home.rglob("*") if file.is_file())
