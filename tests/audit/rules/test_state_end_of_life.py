"""`end-of-life`: which releases there are, how inputs name them, and the day on which one ends."""

from datetime import date

import pytest

from flakesync.audit.rules.state import end_of_life
from flakesync.workspace.audit import AuditSettings
from tests.audit.rules.ask import ask, locked, midnight, noon, said
from tests.support import locks
from tests.support.locks import Input, git, github

REV = "a" * 40
SOON = noon("2026-11-28")


def nixpkgs(ref: str | None, owner: str = "NixOS") -> Input:
    return github(owner, "nixpkgs", ref=ref)


def archive(original: str, now: str | None = None, kind: str = "tarball") -> Input:
    found = locks.tarball(now or original)
    return Input({**found.locked, "type": kind}, {"type": kind, "url": original})


def indirect(id: str, **more: str) -> Input:
    return Input(nixpkgs(None).locked, {"type": "indirect", "id": id, **more})


@pytest.mark.parametrize(
    ("release", "last"),
    [
        ("25.05", "2025-12-31"),
        ("25.11", "2026-06-30"),
        ("24.05", "2024-12-31"),
        ("24.11", "2025-06-30"),
        ("20.09", "2021-04-30"),
        ("20.03", "2020-10-31"),
        ("14.12", "2015-07-31"),
    ],
)
def test_a_release_ends_after_its_last_day_and_not_before(release: str, last: str) -> None:
    inputs = {"nixpkgs": nixpkgs(f"nixos-{release}")}
    day = midnight(last) + 86_400
    assert not ask(end_of_life.RULE, inputs, now=day - 1).findings
    message = f"nixos-{release} ended {last} (1 day ago)"
    assert said(ask(end_of_life.RULE, inputs, now=day)) == [("nixpkgs", "medium", message)]


def test_the_message_counts_days_and_names_the_branch() -> None:
    (found,) = said(ask(end_of_life.RULE, {"dev": github("o", "dev", inputs={"n": nixpkgs("nixos-25.11")})}, now=SOON))
    assert found == ("dev/n", "medium", "nixos-25.11 ended 2026-06-30 (151 days ago)")


RELEASES = "https://releases.nixos.org/nixos"
FLAKEHUB = "https://api.flakehub.com/f/pinned/NixOS/nixpkgs/0.2505.806304%2Brev-abc/0198/source.tar.gz"


@pytest.mark.parametrize(
    ("input", "name"),
    [
        (nixpkgs("nixos-25.05-small"), "nixos-25.05-small"),
        (nixpkgs("nixpkgs-25.05-darwin"), "nixpkgs-25.05-darwin"),
        (nixpkgs("release-25.05"), "release-25.05"),
        (nixpkgs("staging-next-25.05"), "staging-next-25.05"),
        (nixpkgs("refs/heads/nixos-25.05"), "nixos-25.05"),
        (nixpkgs("refs/tags/25.05"), "nixpkgs 25.05"),
        (nixpkgs("25.05"), "nixpkgs 25.05"),
        (nixpkgs("nixos-25.05", owner="acme"), "nixos-25.05"),
        (github("NixOS", "nixpkgs-channels", ref="nixos-20.03"), "nixos-20.03"),
        (git("https://git.example.com/mirror/Nixpkgs.git", ref="nixos-25.05"), "nixos-25.05"),
        (git("file:///srv/nixpkgs", ref="nixos-25.05"), "nixos-25.05"),
        (indirect("nixpkgs", ref="nixos-25.05"), "nixos-25.05"),
        (indirect("stable", ref="nixos-25.05"), "nixos-25.05"),
        (archive("https://nixos.org/channels/nixos-25.05/nixexprs.tar.xz"), "nixos-25.05"),
        (archive("https://channels.nixos.org/nixos-25.05-small/nixexprs.tar.xz"), "nixos-25.05-small"),
        (archive("https://channels.nixos.org/nixpkgs-25.05-darwin/x.tar.xz", kind="file"), "nixpkgs-25.05-darwin"),
        (archive("https://nixos.org/channels/nixos-25.05/nixexprs.tar.xz", kind="file"), "nixos-25.05"),
        (archive("https://x.test/", f"{RELEASES}/25.05/nixos-25.05.80/nixexprs.tar.xz"), "nixos-25.05"),
        (archive("https://flakehub.com/f/NixOS/nixpkgs/0.2505.*.tar.gz"), "nixpkgs 0.2505"),
        (archive("https://flakehub.com/f/NixOS/nixpkgs/0.2505"), "nixpkgs 0.2505"),
        (archive("https://flakehub.com/f/NixOS/nixpkgs/=0.2505.1"), "nixpkgs 0.2505"),
        (archive("https://flakehub.com/f/NixOS/nixpkgs/*.tar.gz", FLAKEHUB), "nixpkgs 0.2505"),
        (archive("https://github.com/NixOS/nixpkgs/archive/nixos-25.05.tar.gz"), "nixos-25.05"),
        (archive("https://github.com/NixOS/nixpkgs/archive/refs/heads/release-25.05.zip"), "release-25.05"),
        (archive("https://api.github.com/repos/NixOS/nixpkgs/tarball/nixos-25.05"), "nixos-25.05"),
        (archive("https://gitlab.test/m/nixpkgs/-/archive/nixos-25.05/nixpkgs-nixos-25.05.tar.gz"), "nixos-25.05"),
    ],
)  # fmt: skip
def test_a_release_is_known_however_an_input_names_it(input: Input, name: str) -> None:
    (found,) = said(ask(end_of_life.RULE, {"n": input}, now=SOON))
    assert found[2].startswith(f"{name} ended 20")


@pytest.mark.parametrize(
    "input",
    [
        nixpkgs(None),
        nixpkgs("nixos-unstable"),
        nixpkgs("nixos-unstable-small"),
        nixpkgs("nixpkgs-unstable"),
        nixpkgs("master"),
        nixpkgs("nixos-26.05"),
        nixpkgs("nixos-26.11"),
        nixpkgs("nixos-25.00"),
        nixpkgs("nixos-25.13"),
        nixpkgs("nixos-25.5"),
        nixpkgs("nixos-25.05-acme"),
        nixpkgs("acme/nixos-25.05"),
        nixpkgs("nixos-٢٥.٠٥"),
        github("nix-community", "home-manager", ref="release-25.05"),
        github("acme", "not-nixpkgs", ref="nixos-25.05"),
        git("https://example.com/nixpkgs/tools", ref="nixos-25.05"),
        indirect("nixpkgs"),
        archive("https://flakehub.com/f/NixOS/nixpkgs/0.1.*.tar.gz"),
        archive("https://flakehub.com/f/DeterminateSystems/nixpkgs-weekly/0.2505.tar.gz"),
        archive("https://flakehub.com/f/acme/tool/0.2505.1"),
        archive("https://channels.nixos.org/nixos-unstable/nixexprs.tar.xz"),
        archive("https://releases.nixos.org/nix/nix-2.28.0/nix-2.28.0.tar.xz"),
        archive("https://example.com/nixos-25.05.tar.gz"),
        locked(type="path", url=None, path="/nix/store/abc-source"),
        locked(type="tarball", url="https://["),
    ],
)
def test_what_names_no_ended_release_of_nixpkgs_is_left_alone(input: Input) -> None:
    found = ask(end_of_life.RULE, {"n": input}, now=noon("2026-12-31"))
    assert not found.findings
    assert not found.unchecked


def test_the_manifest_knows_better_when_a_release_ends() -> None:
    settings = AuditSettings(end_of_life={"25.11": date(2026, 11, 27), "25.05": date(2027, 1, 1)})
    inputs = {"a": nixpkgs("nixos-25.11"), "b": nixpkgs("release-25.05"), "c": nixpkgs("nixos-24.11")}
    assert [each[::2] for each in said(ask(end_of_life.RULE, inputs, now=SOON, settings=settings))] == [
        ("a", "nixos-25.11 ended 2026-11-27 (1 day ago)"),
        ("c", "nixos-24.11 ended 2025-06-30 (516 days ago)"),
    ]
