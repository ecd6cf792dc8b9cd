"""Run nix and the checks of repos: nothing is asked, no repository is inherited, all that was started ends together."""

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flakesync.errors import FlakesyncError, NixError
from flakesync.gitenv import AS_COMMITTED, NO_SYSTEM_ATTRIBUTES, with_settings, without_filters
from flakesync.processes import child

# What of the caller's GIT_* is about the way to a server; the rest (GIT_DIR, GIT_INDEX_FILE, …) is about a repository.
_KEPT_GIT = re.compile(
    r"GIT_(SSH|SSH_VARIANT|SSH_COMMAND|ASKPASS|EXEC_PATH|ALLOW_PROTOCOL|SSL_\w+|HTTP_\w+|PROXY_\w+|CONFIG\w*)"
)
_DROPPED = {"CLICOLOR_FORCE", "FORCE_COLOR", "LANGUAGE"}


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that has ended. status: exit status, negative for the signal that ended it."""

    status: int
    out: bytes
    err: str


def run(
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    timeout_s: float | None,
    folder: Path | None = None,
    merged: bool = False,
    give_up: Callable[[], bool] | None = None,
) -> Ended:
    """Run a program to its end, stdin closed, and return how it ended; a status other than 0 is no exception.

    merged: stderr goes where stdout goes. timeout_s: None waits for as long as it takes. give_up: asked now
    and then whether its answer is not needed any more.

    Raises:
        NixError: `nix-start`, `nix-timeout`, `nix-interrupted` (everything was stopped, or `give_up` said so); in the
            last two cases, and for any exception such as KeyboardInterrupt, the program and all that it started have
            been ended.
    """
    stderr = child.STDOUT if merged else child.PIPE
    name = Path(argv[0]).name

    def begin() -> "child.Popen[bytes]":
        return child.Popen(
            argv, env=environ, cwd=folder, stdin=child.DEVNULL, stdout=child.PIPE, stderr=stderr,
            start_new_session=True,
        )  # fmt: skip

    try:
        ended = child.run(begin, timeout_s=timeout_s, give_up=give_up)
    except TimeoutError:
        raise NixError("nix-timeout", f"{name} did not end within {timeout_s:g} s") from None
    except OSError as error:
        raise NixError("nix-start", f"{argv[0]} could not be started: {error.strerror}") from None
    except (FlakesyncError, child.GaveUpError):
        raise NixError("nix-interrupted", f"{name} was interrupted") from None
    return Ended(ended.status, ended.out, ended.err.decode("utf-8", "replace"))


def quiet(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` made fit for nix and the git and ssh it starts: no repository, no colours, no questions.

    git writes files as they were committed, whatever line ends and attributes the user wants in working trees.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if name not in _DROPPED and (not name.startswith("GIT_") or _KEPT_GIT.fullmatch(name))
    }
    if "GIT_ASKPASS" not in kept:
        kept.pop("SSH_ASKPASS", None)  # git would open its window to ask for an https password
    kept |= {
        "GCM_INTERACTIVE": "never",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "SSH_ASKPASS_REQUIRE": "never",
    }
    if "GIT_SSH" not in kept:
        kept["GIT_SSH_COMMAND"] = f"{_ssh_command(kept)} -oBatchMode=yes"
    # Old Nix hashes what `git archive` writes: it must not depend on who runs it.
    kept |= NO_SYSTEM_ATTRIBUTES
    return kept | with_settings(kept, AS_COMMITTED)


def no_filters(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that switch off all filter drivers of the user, for what must be as committed."""
    listed = _git_config(environ, "--null", "--name-only", "--get-regexp", r"^filter\.").split("\0")
    return with_settings(environ, without_filters(listed))


def _ssh_command(environ: Mapping[str, str]) -> str:
    """Return the ssh that git would use: GIT_SSH_COMMAND hides the configured one, so it is asked for."""
    if environ.get("GIT_SSH_COMMAND"):
        return environ["GIT_SSH_COMMAND"]
    return _git_config(environ, "--get", "core.sshCommand").strip() or "ssh"


def _git_config(environ: Mapping[str, str], *argv: str) -> str:
    """Return what `git config` answers; nothing where there is no git."""
    git = shutil.which("git", path=environ.get("PATH"))
    answer = run([git, "config", *argv], environ, timeout_s=60).out if git else b""
    return answer.decode("utf-8", "surrogateescape")
