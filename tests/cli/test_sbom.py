"""`flakesync sbom` on a workspace of folders."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Ran

Flakesync = Callable[..., Ran]


def _names(ran: Ran) -> list[str]:
    return sorted(each["name"] for each in json.loads(ran.out)["components"])


def test_the_bill_has_the_repos_and_their_sources_and_is_the_same_twice(flakesync: Flakesync, acme: Path) -> None:
    ran = flakesync("sbom")
    assert (ran.status, ran.err) == (0, "")
    assert _names(ran) == ["app", "docs", "lib", "lib", "nixpkgs", "nixpkgs"]  # lib at the commit that app locks
    assert flakesync("sbom").out == ran.out
    assert flakesync("--json", "sbom").out == ran.out
    assert flakesync("sbom", "--json").out == ran.out


def test_the_bill_of_some_repos_has_their_sources_alone(flakesync: Flakesync, acme: Path) -> None:
    assert _names(flakesync("sbom", "--repo", "lib")) == ["lib", "nixpkgs"]


def test_what_could_not_be_read_is_named_and_the_bill_says_that_it_is_incomplete(
    flakesync: Flakesync, acme: Path
) -> None:
    (acme / "lib" / "flake.lock").write_text("{")
    ran = flakesync("sbom")
    assert ran.status == 1
    assert ran.err.startswith("note: not read: lib: ")
    assert json.loads(ran.out)["compositions"] == [{"aggregate": "incomplete", "dependencies": ["repo:lib"]}]
    assert _names(ran) == ["app", "docs", "lib", "lib", "nixpkgs"]
    assert flakesync("sbom", "--repo", "app").status == 0


def test_the_help_says_what_it_is_not(flakesync: Flakesync) -> None:
    text = " ".join(flakesync("sbom", "--help").out.split())
    assert all(word in text for word in ("no packages", "no vulnerabilities", "vulnix", "sbomnix", "no SPDX"))
