"""A folder that Nix takes sources from before it asks any server for them."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from flakesync.nix.program.command import Nix
from flakesync.nix.program.settings import read_settings

USUAL = "https://cache.nixos.org"


def with_substituter(nix: Nix, folder: Path, *, without_usual: bool) -> Nix:
    """Return a Nix that takes sources from the binary cache in a folder, then from those that it is told of otherwise.

    without_usual: cache.nixos.org, which Nix asks by default, is left out: where it cannot be reached, each process
    would lose seconds. Nothing but the environment of the processes changes.

    Raises: NixError.
    """
    told = read_settings(nix).get("substituters", "").split()
    caches = " ".join(with_cache(told, folder, without_usual=without_usual))
    # `substitute`: with no address but loopback, Nix before 2.34 switches it off unless it is said here.
    settings = f"{nix.environ.get('NIX_CONFIG', '')}\nsubstituters = {caches}\nsubstitute = true".lstrip()
    return replace(nix, environ={**nix.environ, "NIX_CONFIG": settings})


def with_cache(told: Iterable[str], folder: Path, *, without_usual: bool) -> list[str]:
    """Return the binary caches that such a Nix asks, in its order. told: those that it is told of otherwise."""
    kept = [each for each in told if not (without_usual and each.rstrip("/") == USUAL)]
    return [*dict.fromkeys([f"file://{folder}", *kept])]
