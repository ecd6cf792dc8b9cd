"""Why git does not run at all: it is missing, may not be run, or cannot read what the user has set up for it."""

import os
import re
from pathlib import Path

from flakesync.errors import GitError
from flakesync.system import cause_in, cause_of

_PROGRAM = "git"
_CONFIG = re.compile(
    r"bad config (?:line|variable|file|value)|bad (?:numeric|boolean) config value"
    r"|(?:missing|bogus|too many) .*GIT_CONFIG_|unable to parse command-line config|key does not contain a section"
    r"|error occurred while reading the configuration|unable to access '[^']*config': "
)
_TOLD = re.compile(r"stderr: '(.*)'", re.DOTALL)  # as GitPython has it
_FILE = re.compile(r"in file (.+)$|unable to access '([^']*)'", re.MULTILINE)


def no_git() -> GitError:
    """Return the error for a PATH on which there is no git to run."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    there = [place for folder in folders if (place := Path(folder, _PROGRAM)).is_file()]
    if there:
        return GitError("no-git", f"{there[0]} may not be run", hint=f"`chmod +x {there[0]}`, or another PATH")
    return GitError("no-git", "there is no git program on PATH", hint="install git")


def no_env(names: list[str]) -> GitError:
    """Return the error for a PATH without the program that takes inherited variables away. names: of these."""
    hint = f"put `env` (coreutils) on PATH, or unset {', '.join(names)}"
    return GitError("no-env", f"there is no env program on PATH, and git must not see {names[0]}", hint=hint)


def not_started(error: BaseException) -> GitError:
    """Return the error for a git that is there and does not start.

    error: of Popen, or of importing GitPython, which asks git for its version then.
    """
    if isinstance(error, ImportError) and error.__cause__ is not None:
        return not_started(error.__cause__)
    told = _TOLD.search(str(getattr(error, "stderr", "")))
    if told is not None and (of_here := of_machine("version", told[1], "")) is not None:
        return of_here
    cause = cause_of(error)
    if cause is None or cause.code == "system":
        said = told[1] if told is not None else str(error).partition("\n")[0]
        return GitError("no-git", f"git does not start: {said}", hint="does `git --version` run here?")
    return GitError(cause.code, f"git does not start: {cause.message}", hint=cause.hint)


def refused(what: str, error: OSError) -> GitError:
    """Return the error for work on files of a repository that the system does not do. what: that could not be done."""
    cause = cause_of(error)
    known = cause is not None and cause.code not in ("system", "no-permission")
    said = error.strerror or str(error)
    return GitError(
        cause.code if cause is not None and known else "git",
        f"{what}: {said}",
        hint=cause.hint if cause is not None else None,
    )


def of_machine(command: str, err: str, folder: str) -> GitError | None:
    """Return the error for a git command that failed for want of room, of settings or the like; None: for none of it.

    err: its standard error. folder: the repository that it worked in; empty: none. Code `git-settings`: what the user
    has set up for all repositories; it fails each of them alike.
    """
    err = "\n".join(line for line in err.splitlines() if not line.startswith("remote:"))
    cause = cause_in(err, folder or None)
    if cause is not None:
        return GitError(cause.code, f"git {command}: {cause.message}", hint=cause.hint)
    if _CONFIG.search(err) is None:
        return None
    told = "; ".join(re.sub(r"^(?:fatal|error|warning): ", "", line) for line in err.splitlines() if line.strip())
    if "GIT_CONFIG_" in err or "command-line config" in err:
        return GitError("git-settings", f"git cannot run: {told}", hint="mend or unset the variables GIT_CONFIG_*")
    named = _FILE.search(err)
    file = (named[1] or named[2]) if named is not None else ""
    if folder and (not file.startswith("/") or Path(file).is_relative_to(folder)):
        return GitError(
            "bad-config", f"{folder}: {told}", hint="`git config --list` there says the same: mend the file"
        )
    return GitError("git-settings", f"git cannot run: {told}", hint="mend that file; GIT_CONFIG_GLOBAL names another")
