"""Run `nix`: the one place that knows what its versions, Lix and Determinate Nix do differently.

Nix 2.4 to 2.18 move single inputs with `nix flake lock --update-input`, later ones and Lix with `nix flake update`.
Each call works on a scratch folder (`path:`, the cheapest: no git, no index) and never asks anything.
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote

from flakesync.errors import NixError, plain
from flakesync.net.wall import is_offline
from flakesync.nix.lock.file import LockFile
from flakesync.nix.program.errors import explain
from flakesync.nix.program.offline import OPTIONS, walled
from flakesync.nix.program.process import Ended, no_filters, quiet, run
from flakesync.nix.reference.url import file_url
from flakesync.patterns import pattern
from flakesync.secrets import secrets_of, without_secrets
from flakesync.terms import InputPath, show_path

Flavour = Literal["nix", "lix", "determinate"]

LOCK_TIMEOUT_S = 900.0
"""How long one lock may take by default: a first nixpkgs over a slow line takes minutes."""

_FIRST_WITH_FLAKES = (2, 4)
_FIRST_DECODING_SUBGROUPS = (2, 18)
_FIRST_WITH_UPDATE_BY_NAME = (2, 19)
_FIRST_KEEPING_ORIGINALS = (2, 10)
_FIRST_WITH_TRACE = (2, 20)
_FIRST_DECODING_PATHS = (2, 26)
_FIRST_WITH_CONNECT_TIMEOUT = (2, 34)

_VERSION = pattern(r"\((?P<name>[^()]*)\)\s+(?P<number>(?P<major>\d+)\.(?P<minor>\d+)\S*)\s*$")
_INPUT_NAME = pattern(r"[a-zA-Z][a-zA-Z0-9_-]*")
_PLAIN_PATH = pattern(r"[A-Za-z0-9/._~+=,:@-]+")
_INSTALL_HINT = "install Nix (on Debian: apt-get install nix-bin), or name it in FLAKESYNC_NIX"
_NO_REGISTRY = "registry lookups are not allowed"
_OUTPUT_TAIL_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Override:
    """One input to move.

    path: its input path (not one that follows another).
    ref: the flake reference to lock it to, with a full rev; None: whatever its own reference leads to now.
    """

    path: InputPath
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class CheckRun:
    """How a repo's check ended.

    status: exit status (127: there is no such program, negative: the signal that ended it), None: it took too long.
    output: the end of what it wrote on stdout and stderr, as it may be shown.
    """

    status: int | None
    output: str


@dataclass(frozen=True, slots=True)
class Nix:
    """A nix program; safe to use from several threads.

    version: the first two numbers of the Nix (or Lix) version; for Determinate Nix, of the Nix that it is built on.
    version_text: the version in full, `2.26.3`. environ: what it runs in, and the checks of repos. fetching: variables
    that it alone gets besides.
    """

    program: Path
    version: tuple[int, int]
    version_text: str
    flavour: Flavour = "nix"
    product: str = ""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    fetching: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def find(cls, env: Mapping[str, str] | None = None) -> Self:
        """Return the nix that FLAKESYNC_NIX names, else the one on PATH, after asking for its version.

        env: the environment to look in and to run it with; None: this process's own.

        Raises:
            NixError: `no-nix`, or `nix-too-old` for one without flakes.
        """
        environ = dict(os.environ if env is None else env)
        wanted = environ.get("FLAKESYNC_NIX") or "nix"
        found = shutil.which(wanted, path=environ.get("PATH"))
        if found is None:
            raise NixError("no-nix", f"there is no program {wanted} on PATH", hint=_INSTALL_HINT)
        environ = quiet(environ)
        try:
            ended = run([found, "--version"], environ, timeout_s=60)
        except NixError as error:
            raise NixError("no-nix", f"{found} does not run: {error.message}", hint=_INSTALL_HINT) from None
        if ended.status != 0:
            hint = f"`{found} --version` has to work by hand; FLAKESYNC_NIX names another nix"
            raise NixError("no-nix", f"{found} --version failed: {ended.err.strip()[:500]}", hint=hint)
        return cls._recognised(Path(found), ended.out.decode("utf-8", "replace"), environ)

    @classmethod
    def _recognised(cls, program: Path, answer: str, environ: Mapping[str, str]) -> Self:
        said = next((match for line in answer.splitlines() if (match := _VERSION.search(line))), None)
        if said is None or not ("Nix" in said["name"] or "Lix" in said["name"]):
            raise NixError("no-nix", f"{program} --version says {answer.strip()[:200]!r}", hint=_INSTALL_HINT)
        name, number = said["name"], said["number"]
        flavour: Flavour = "lix" if "Lix" in name else "determinate" if "Determinate" in name else "nix"
        version = int(said["major"]), int(said["minor"])
        if version < _FIRST_WITH_FLAKES:
            raise NixError(
                "nix-too-old",
                f"{program} is nix {number}, which has no flakes",
                hint="flakesync needs Nix 2.4 or later",
            )
        return cls(program, version, number, flavour, name, environ, no_filters(environ))

    def describe(self) -> str:
        """Return the name a person knows it by: `nix 2.26.3`, `Lix 2.93.0`, `Determinate Nix 3.22.2 (nix 2.35.2)`."""
        match self.flavour:
            case "lix":
                return f"Lix {self.version_text}"
            case "determinate":
                return f"{plain(self.product)} (nix {self.version_text})"
            case "nix":
                return f"nix {self.version_text}"

    def lock(
        self,
        flake_dir: Path,
        overrides: Sequence[Override],
        *,
        git_root: Path | None = None,
        timeout_s: float = LOCK_TIMEOUT_S,
    ) -> bytes:
        """Move exactly the inputs in `overrides` and return the new flake.lock, which also lies in `flake_dir`.

        A moved input brings the nested inputs of its own flake.lock; all others stay, and inputs that flake.nix has and
        the lock has not are added, as `nix flake lock` does. Nothing to move is plain `nix flake lock`. Exit status 0
        proves little (an unknown input is a warning, an override of a follows is ignored): compare before and after.

        flake_dir: a scratch folder of its own with flake.nix and, where there is one, flake.lock; all of it is copied
        into the store. git_root: for a flake that needs the tree around it (relative inputs), the git worktree
        that flake_dir lies in. The result is empty if the flake has no inputs and no lock.

        Raises:
            NixError: `nix-failed`, `nix-offline` (a server is out of reach, or not asked behind the wall of
                `--offline`), `nix-timeout`, `nix-interrupted`.
        """
        lock_file = flake_dir / "flake.lock"
        before = _read(lock_file)
        command = self._lock_command(self._flake_url(flake_dir, git_root), overrides)
        # Registries are this machine's own affair and may name local paths: they are asked only if there is no other
        # way, for an indirect reference (`nixpkgs`) that no lock has resolved yet.
        ended = self._attempt(command, timeout_s, registry=False)
        if ended.status != 0 and _NO_REGISTRY in ended.err:
            ended = self._attempt(command, timeout_s, registry=True)
        if ended.status != 0:
            raise explain(ended.err, status=ended.status, secrets=secrets_of(self.environ), offline=is_offline())
        return self._keep_originals(before, _read(lock_file), overrides, lock_file)

    def check_lock(self, flake_dir: Path, *, git_root: Path | None = None, timeout_s: float = LOCK_TIMEOUT_S) -> bool:
        """Return whether Nix takes the flake.lock in `flake_dir` as it is (`nix flake lock --no-update-lock-file`).

        Nothing is fetched for inputs that are locked already. The folders are those of `lock`.

        Raises:
            NixError: for any other failure, as `lock`.
        """
        ended = self._attempt(
            ["flake", "lock", self._flake_url(flake_dir, git_root), "--no-update-lock-file"], timeout_s, registry=False
        )
        # Without a registry an indirect input that is not locked yet is an error, and so a lock that would change.
        if ended.status != 0 and ("requires lock file changes" in ended.err or _NO_REGISTRY in ended.err):
            return False
        if ended.status != 0:
            raise explain(ended.err, status=ended.status, secrets=secrets_of(self.environ), offline=is_offline())
        return True

    def run_check(
        self,
        argv: Sequence[str],
        folder: Path,
        *,
        timeout_s: float | None = None,
        give_up: Callable[[], bool] | None = None,
    ) -> CheckRun:
        """Run a repo's check (any program, no shell) in `folder` and return how it ended; failing is no exception.

        give_up: asked now and then whether its answer is not needed any more; None: it is.

        Raises:
            NixError: `nix-interrupted`: everything was stopped, or `give_up` said so.
        """
        known = shutil.which(argv[0], path=self.environ.get("PATH")) or (folder / argv[0]).exists()
        if not known:
            return CheckRun(127, plain(f"{argv[0]}: there is no such program"))
        # `nix flake check` is what most checks are; it should work where flakes are not enabled in nix.conf too.
        settings = f"{self.environ.get('NIX_CONFIG', '')}\nextra-experimental-features = nix-command flakes"
        environ = {**self.environ, "NIX_CONFIG": settings}
        try:
            ended = run(argv, environ, timeout_s=timeout_s, folder=folder, merged=True, give_up=give_up)
        except NixError as error:
            if error.code == "nix-interrupted":
                raise
            return CheckRun(None if error.code == "nix-timeout" else 126, error.message)
        said = ended.out[-_OUTPUT_TAIL_BYTES:].decode("utf-8", "replace")
        return CheckRun(ended.status, plain(without_secrets(said, secrets_of(self.environ))))

    def _lock_command(self, flake: str, overrides: Sequence[Override]) -> list[str]:
        """Return the arguments; moving and overriding in one call makes every version use the input's own lock."""
        names = [_checked_name(each.path) for each in overrides]
        to = [
            part
            for each in overrides
            if each.ref
            for part in ("--override-input", show_path(each.path), self._spelled(each.ref))
        ]
        if not names:
            return ["flake", "lock", flake]
        if self.flavour == "lix" or self.version >= _FIRST_WITH_UPDATE_BY_NAME:
            return ["flake", "update", *names, "--flake", flake, *to]
        return ["flake", "lock", flake, *(part for name in names for part in ("--update-input", name)), *to]

    def _spelled(self, ref: str) -> str:
        """Return the reference as this version reads it: the slash of a GitLab subgroup was once encoded once."""
        if self.version < _FIRST_DECODING_SUBGROUPS and ref.startswith("gitlab:"):
            return ref.replace("%252F", "%2F")
        return ref

    def _flake_url(self, flake_dir: Path, git_root: Path | None) -> str:
        paths = [str(flake_dir.absolute()), *([str(git_root.absolute())] if git_root else [])]
        if self.version < _FIRST_DECODING_PATHS and not all(map(_PLAIN_PATH.fullmatch, paths)):
            raise NixError(
                "nix-path",
                f"{self.describe()} cannot use a flake in {flake_dir}",
                hint="set TMPDIR and XDG_CACHE_HOME to folders without spaces or special characters",
            )
        if git_root is None:
            return f"path:{quote(os.fsencode(paths[0]))}"
        inside = flake_dir.absolute().relative_to(git_root.absolute()).as_posix()
        return f"git+{file_url(paths[1])}" + (f"?dir={quote(os.fsencode(inside))}" if inside != "." else "")

    def _attempt(self, command: Sequence[str], timeout_s: float, *, registry: bool) -> Ended:
        options = ["--extra-experimental-features", "nix-command flakes", "--option", "accept-flake-config", "false"]
        options += ["--option", "warn-dirty", "false"]
        if not registry:
            options += ["--option", "use-registries", "false"]
        if self.flavour == "lix" or self.version < _FIRST_WITH_TRACE:
            options.append("--show-trace")  # names the input; later versions do that unasked
        if self.version < _FIRST_WITH_CONNECT_TIMEOUT:
            options += ["--option", "connect-timeout", "15"]
        environ = {**self.environ, **self.fetching}
        # Options go first: `--override-input` reads its reference at once, and flakes have to be enabled by then.
        if not is_offline():
            return run([str(self.program), *options, *command], environ, timeout_s=timeout_s)
        with walled(environ) as behind:
            return run([str(self.program), *options, *OPTIONS, *command], behind, timeout_s=timeout_s)

    def _keep_originals(self, before: bytes, after: bytes, overrides: Sequence[Override], file: Path) -> bytes:
        """Undo what Nix ≤ 2.9 does to an overridden `flake = false` input: it makes the override its `original`."""
        if self.flavour == "lix" or self.version >= _FIRST_KEEPING_ORIGINALS or not (before and after):
            return after
        old, new = LockFile.parse(before, file=str(file)), LockFile.parse(after, file=str(file))
        lock = new
        for path in (each.path for each in overrides if each.ref):
            was, now = old.node(path), lock.node(path)
            if was and now and not now.flake and was.original and was.original != now.original:
                lock = lock.replace(path, original=was.original)
        if lock is new:
            return after
        file.write_bytes(mended := lock.to_bytes())
        return mended


def _checked_name(path: InputPath) -> str:
    if not path or not all(map(_INPUT_NAME.fullmatch, path)):
        raise NixError("nix-input-name", f"nix has no way to name the input {show_path(path)!r}")
    return show_path(path)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""
