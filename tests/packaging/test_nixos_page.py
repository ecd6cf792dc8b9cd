"""docs/nixos.md: its examples are evaluated, its table has the options that there are."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.packaging.evaluated import STUB, TOP, evaluate
from tests.packaging.test_units import EXAMPLE, passes
from tests.support.nix import RealNix

PAGE = (TOP / "docs/nixos.md").read_text("utf-8")


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def example(nix: RealNix, folder: Path, number: int, look: str) -> Any:
    """Return what an expression says of the outputs (`flake`) of an example of a flake, by its number on the page."""
    file = folder / "flake.nix"
    file.write_text(blocks("nix")[number])
    return evaluate(
        nix,
        f"let nixpkgs = (import {STUB}/flake.nix).outputs {{ }};"
        f" flakesync = (import {TOP}/flake.nix).outputs {{ self = flakesync; inherit nixpkgs; }};"
        " home-manager.lib.homeManagerConfiguration = { pkgs, modules }: nixpkgs.lib.nixosSystem { inherit modules; };"
        f" flake = (import {file}).outputs {{ inherit nixpkgs flakesync home-manager; }}; in {look}",
    )


def test_the_example_for_nixos_makes_a_service(nix: RealNix, tmp_path: Path) -> None:
    config = "flake.nixosConfigurations.builder.config"
    refused, service, timers = example(
        nix,
        tmp_path,
        0,
        f"[ (builtins.filter (each: !each.assertion) {config}.assertions)"
        f" {config}.systemd.services.flakesync (builtins.attrNames {config}.systemd.timers) ]",
    )
    assert (refused, timers) == ([], ["flakesync"])
    assert service["onFailure"] == ["mail-to-us@%n.service"]
    credentials = service["serviceConfig"]["LoadCredential"]
    assert credentials == ["GITLAB_TOKEN:/run/secrets/flakesync-gitlab", "ssh-key:/run/secrets/flakesync-ssh"]


def test_the_example_for_home_manager_makes_a_service(nix: RealNix, tmp_path: Path) -> None:
    config = "flake.homeConfigurations.me.config"
    refused, user = example(
        nix,
        tmp_path,
        1,
        f"[ (builtins.filter (each: !each.assertion) {config}.assertions)"
        f" {{ inherit ({config}.systemd.user) services timers; }} ]",
    )
    assert refused == []
    assert user["timers"]["flakesync"]["Timer"]["OnCalendar"] == "Mon..Fri 07:30"


@pytest.mark.packaging
def test_the_times_on_the_page_are_times() -> None:
    times = re.findall(r'startAt = "(.+)";', PAGE)
    assert times == ["Mon..Fri 07:30"]
    passes("calendar", *times)


@pytest.mark.packaging
def test_the_addition_to_the_plain_units_is_one(tmp_path: Path) -> None:
    (block,) = blocks("ini")
    assert block.startswith("# /etc/systemd/system/flakesync.service.d/report.conf\n")
    for name in ("flakesync.service", "flakesync.timer"):
        shutil.copy(EXAMPLE / name, tmp_path)
    addition = tmp_path / "flakesync.service.d/report.conf"
    addition.parent.mkdir()
    addition.write_text(block)
    passes("verify", "--man=no", tmp_path / "flakesync.service", tmp_path / "flakesync.timer")


def test_the_table_has_every_option_and_its_default(any_nix: RealNix) -> None:
    found = evaluate(
        any_nix,
        f"let lib = import {STUB}/lib.nix;"
        " flat = prefix: set: builtins.concatLists (lib.mapAttrsToList (name: each: if each ? _type"
        ' then [ { name = prefix + name; shown = if each ? default then builtins.toJSON each.default else ""; } ]'
        ' else flat "${prefix}${name}." each) (removeAttrs set [ "package" ]));'
        f' in flat "" (import {TOP}/nix/options.nix {{ inherit lib; pkgs = null; }})',
    )
    rows = dict(re.findall(r"^\| `([a-zA-Z.]+)` \| ([^|]+) \|", PAGE.partition("### Options")[2], re.MULTILINE))
    assert set(rows) == {"package", *(each["name"] for each in found)}
    for each in found:
        # As Nix writes lists and sets.
        shown = re.sub(r"([\[{])(.*)([\]}])", r"\1 \2 \3", each["shown"].replace(",", " ")).replace("  ", " ")
        assert rows[each["name"]] == (f"`{shown}`" if shown else "–")


@pytest.mark.parametrize("number", [0, 1])
def test_the_examples_name_no_place_that_exists(number: int) -> None:
    addresses = re.findall(r"(?:https|ssh)://(?:git@)?([^/\"]+)", blocks("nix")[number])
    assert all(address.endswith("example.com") for address in addresses)
