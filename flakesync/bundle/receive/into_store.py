"""Sources from a cache into the Nix store of this machine, which a user needs no trust for: their paths are proven."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from flakesync.bundle.receive.nix_settings import cache_url
from flakesync.errors import FlakesyncError, NixError
from flakesync.nix.program.command import Nix
from flakesync.nix.program.process import Ended, run
from flakesync.secrets import secrets_of, without_secrets

_TIMEOUT_S = 3600.0
_AT_ONCE = 500
"""Paths on one command line."""


def copy_into_store(nix: Nix, cache: Path, paths: Sequence[str]) -> None:
    """Copy sources into the store (`nix copy --from`). paths: of the store. Raises: NixError(`into-store`)."""
    for some in _parts(paths):
        argv = [str(nix.program), "--extra-experimental-features", "nix-command", "copy", "--from", cache_url(cache)]
        ended = run([*argv, *some], nix.environ, timeout_s=_TIMEOUT_S)
        _require_done(nix, ended, f"nix copy --from {cache_url(cache)}")


def keep_in_store(nix: Nix, cache: Path, paths: Sequence[str], roots: Path) -> None:
    """Make links to sources in the folder `roots`, so that garbage collection leaves them.

    Raises: NixError(`into-store`), FlakesyncError: the folder cannot be made.
    """
    try:
        roots.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FlakesyncError("no-folder", f"{roots}: {error.strerror}", hint="--roots names a folder") from None
    program = _nix_store(nix)
    for path in paths:
        # `--indirect` is how versions before 2.18 write links outside of /nix/var; later ones do so anyway.
        argv = [str(program), "--realise", path, "--add-root", str(roots.absolute() / Path(path).name), "--indirect"]
        ended = run([*argv, "--option", "substituters", cache_url(cache)], nix.environ, timeout_s=_TIMEOUT_S)
        _require_done(nix, ended, f"nix-store --realise {path}")


def _nix_store(nix: Nix) -> Path:
    """Return the program `nix-store` of the same Nix; `nix` may be a link to where that is."""
    beside = nix.program.with_name("nix-store")
    return beside if beside.exists() else nix.program.resolve().with_name("nix-store")


def _parts(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(paths), _AT_ONCE):
        yield paths[start : start + _AT_ONCE]


def _require_done(nix: Nix, ended: Ended, what: str) -> None:
    if ended.status == 0:
        return
    said = [line.strip() for line in ended.err.splitlines() if "error:" in line] or ended.err.strip().splitlines()[-1:]
    words = without_secrets(said[-1] if said else f"status {ended.status}", secrets_of(nix.environ))
    raise NixError("into-store", f"{what}: {words.removeprefix('error: ')[:500]}", hint="can this user use the store?")
