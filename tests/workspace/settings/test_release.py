"""`release`, `replaces` and `{release}` in the manifest."""

from pathlib import Path

import pytest

from flakesync.errors import ManifestError
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.nix.reference.named import branch_name, with_branch_name
from flakesync.workspace.manifest import parse_workspace
from flakesync.workspace.model import Pin, Workspace

REPOS = '[repos.app]\nurl = "github:acme/app"\n'


def read(text: str) -> Workspace:
    return parse_workspace(Path("/w/workspace.toml"), (text + REPOS).encode())


def pin_of(text: str) -> Pin:
    return read(text).pins[0]


def problem(text: str) -> str:
    with pytest.raises(ManifestError) as caught:
        read(text)
    return f"{caught.value.message} | {caught.value.hint}"


def test_a_source_is_that_of_the_release_and_its_earlier_names_are_known() -> None:
    pin = pin_of(
        '[workspace]\nrelease = "26.05"\nreplaces = ["25.05", "25.11"]\n'
        '[pins.nixpkgs]\nsource = "github:NixOS/nixpkgs/nixos-{release}-small"\n'
    )
    assert pin.source.ref == "nixos-26.05-small"
    assert pin.template == "github:NixOS/nixpkgs/nixos-{release}-small"
    assert pin.replaces == ("nixos-25.05-small", "nixos-25.11-small")


def test_releases_do_not_concern_a_pin_without_a_placeholder_whose_own_names_do() -> None:
    pin = pin_of(
        '[workspace]\nrelease = "26.05"\nreplaces = ["25.11"]\n'
        '[pins.hm]\nsource = "github:nix-community/home-manager/release-25.11"\nreplaces = ["release-25.05"]\n'
    )
    assert (pin.template, pin.replaces) == (None, ("release-25.05",))


def test_channels_and_flakehub_have_names_too_and_flakehub_has_no_dot_in_them() -> None:
    begin = '[workspace]\nrelease = "26.05"\nreplaces = ["25.11"]\n[pins.nixpkgs]\n'
    channel = pin_of(begin + 'source = "https://channels.nixos.org/nixos-{release}/nixexprs.tar.xz"\n')
    hub = pin_of(begin + 'source = "https://flakehub.com/f/NixOS/nixpkgs/0.{release}.*.tar.gz"\n')
    assert channel.replaces == ("nixos-25.11",)
    assert hub.replaces == ("0.2511.*",)
    assert branch_name(hub.source.to_attrs()) == "0.2605.*"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[pins.n]\nsource = "github:o/r/nixos-{release}"\n',
            "pins.n.source: has `{release}`, and the workspace has no",
        ),
        ('[workspace]\nrelease = "26.05"\nreplaces = ["26.05"]\n', "`26.05` is the release itself"),
        ('[workspace]\nrelease = "26.05 "\n', "`26.05 ` is no release"),
        ("[workspace]\nrelease = 26.05\n", "workspace.release: must be a string, not a float"),
        ('[pins.n]\nsource = "github:o/r/b"\nreplaces = ["b"]\n', "pins.n.replaces: `b` is what the source names now"),
        ('[pins.n]\nsource = "github:o/r"\nreplaces = ["b"]\n', "needs a source that names a branch"),
        ('[pins.n]\nsource = "github:o/r/b"\nreplaces = ["a b"]\n', "is not a branch name"),
        ('[workspace]\nrelease = "1"\n[pins.n]\nsource = "github:o/r/b-{relase}"\n', "pins.n.source: "),
    ],
)
def test_what_cannot_be_is_a_problem_of_its_key(text: str, said: str) -> None:
    assert said in problem(text)


@pytest.mark.parametrize(
    ("url", "old", "new", "wanted"),
    [
        ("github:o/r/nixos-25.11", "nixos-25.11", "nixos-26.05", "github:o/r/nixos-26.05"),
        ("git+https://h.example/o/r?ref=refs/heads/a", "a", "b", "git+https://h.example/o/r?ref=refs/heads/b"),
        ("nixpkgs/nixos-25.11", "nixos-25.11", "nixos-26.05", "nixpkgs/nixos-26.05"),
        (
            "https://github.com/o/r/archive/refs/heads/nixos-25.11.tar.gz",
            "nixos-25.11",
            "nixos-26.05",
            "https://github.com/o/r/archive/refs/heads/nixos-26.05.tar.gz",
        ),
        (
            "https://gitlab.com/o/r/-/archive/v1/r-v1.tar.gz",
            "v1",
            "v2",
            "https://gitlab.com/o/r/-/archive/v2/r-v2.tar.gz",
        ),
        (
            "https://nixos.org/channels/nixos-25.11/nixexprs.tar.xz",
            "nixos-25.11",
            "nixos-26.05",
            "https://nixos.org/channels/nixos-26.05/nixexprs.tar.xz",
        ),
        (
            "https://flakehub.com/f/NixOS/nixpkgs/0.2511.*",
            "0.2511.*",
            "0.2605.*",
            "https://flakehub.com/f/NixOS/nixpkgs/0.2605.*",
        ),
    ],
)
def test_a_reference_gets_another_name_in_whichever_form_it_stands(url: str, old: str, new: str, wanted: str) -> None:
    attrs = FlakeRef.parse(url).to_attrs()
    assert branch_name(attrs) == old
    other = with_branch_name(attrs, new)
    assert other is not None
    assert FlakeRef.from_attrs(other) == FlakeRef.parse(wanted)


@pytest.mark.parametrize(
    "url", ["github:o/r", "path:/x", "https://releases.nixos.org/nixos/25.11/nixos-25.11.1.abc/nixexprs.tar.xz"]
)
def test_a_reference_without_a_branch_has_no_name(url: str) -> None:
    attrs = FlakeRef.parse(url).to_attrs()
    assert branch_name(attrs) is None
    assert with_branch_name(attrs, "x") is None
