"""What nix/ comes to with the stand-ins of `stub/`: units as values, and as the files that systemd reads."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.nix import RealNix

TOP = Path(__file__).parents[2]
STUB = Path(__file__).parent / "stub"
NIXOS = TOP / "nix" / "nixos.nix"
HOME = TOP / "nix" / "home.nix"
LEAST = 'enable = true; workspace = "github:acme/workspace";'
"""The options that have to be set."""


def evaluate(nix: RealNix, expression: str) -> Any:
    """Return the value of an expression. Raises AssertionError with what Nix says."""
    argv = [str(nix.path), "eval", "--impure", "--json", "--expr", expression]
    ran = subprocess.run(argv, env=nix.env(), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@dataclass(frozen=True)
class Looked:
    """What a module makes of a configuration. refused: the messages of assertions that do not hold."""

    refused: list[str]
    services: dict[str, Any]
    timers: dict[str, Any]
    rules: list[str]
    groups: list[str]
    user: dict[str, dict[str, Any]]


def look(nix: RealNix, module: Path, options: Iterable[str], system: str = "x86_64-linux") -> list[Looked | None]:
    """Return what a module makes of each set of options of services.flakesync; None: it is refused.

    All are evaluated by one process.
    """
    configs = "".join(f" {{ services.flakesync = {{ {each} }}; }}" for each in options)
    found = evaluate(
        nix, f'import {STUB}/looked_at.nix {{ module = {module}; system = "{system}"; configs = [{configs} ]; }}'
    )
    return [each and Looked(**each) for each in found]


def look_at(nix: RealNix, module: Path, options: str = LEAST) -> Looked:
    """Return what a module makes of one set of options that it takes."""
    (found,) = look(nix, module, [options])
    assert found is not None, options
    return found


def settings(found: Looked) -> dict[str, Any]:
    """Return the settings of the one service, of the system or of a user."""
    if found.services:
        return dict(found.services["flakesync"]["serviceConfig"])
    return dict(found.user["services"]["flakesync"]["Service"])


def script(found: Looked) -> str:
    """Return the script that the service runs."""
    return Path(settings(found)["ExecStart"]).read_text()


def sections(found: Looked) -> dict[str, dict[str, dict[str, Any]]]:
    """Return file name → section → settings, as NixOS and home-manager write them."""
    if not found.services:
        return {
            "flakesync.service": found.user["services"]["flakesync"],
            "flakesync.timer": found.user["timers"]["flakesync"],
        }
    service, timer = found.services["flakesync"], found.timers["flakesync"]
    unit = {"Description": service["description"], "Wants": service["wants"], "After": service["after"]}
    return {
        "flakesync.service": {"Unit": unit, "Service": service["serviceConfig"]},
        "flakesync.timer": {
            "Unit": {"Description": timer["description"]},
            "Timer": timer["timerConfig"],
            "Install": {"WantedBy": timer["wantedBy"]},
        },
    }


def write_units(found: Looked, folder: Path) -> tuple[Path, Path]:
    """Write the service and the timer as files; return their places."""
    service, timer = (folder / name for name in ("flakesync.service", "flakesync.timer"))
    for file in (service, timer):
        file.write_text("".join(_lines(sections(found)[file.name])))
    return service, timer


def _lines(unit: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    for name, pairs in unit.items():
        yield f"[{name}]\n"
        for key, value in pairs.items():
            for each in value if isinstance(value, list) else [value]:
                shown = {True: "true", False: "false"}[each] if isinstance(each, bool) else each
                yield f"{key}={shown}\n"
