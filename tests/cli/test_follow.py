"""`flakesync follow` on real repositories: its text, its edits, its patches."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from flakesync.cache.layout import cache_dir
from flakesync.nix.expression.edit import RemoveFollows, SetFollows
from flakesync.nix.lock.file import LockFile
from flakesync.survey.follow.wanted import wanted_follows
from flakesync.terms import FlakeDir, RepoName
from flakesync.workspace.manifest import load_workspace
from flakesync.workspace.snapshot import read_snapshot
from tests.cli.conftest import Ran
from tests.support import locks, repos
from tests.support.locks import Input, Inputs, github

Flakesync = Callable[..., Ran]
REF = "nixos-25.11"
PIN = f'source = "github:NixOS/nixpkgs/{REF}"'
APP = """\
{
  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11"; # the pin
    lib.url = "github:acme/lib";
    fleet = { url = "github:acme/fleet"; inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11"; };
    theme.url = "github:acme/theme";
    theme.inputs.systems.follows = "nixpkgs";
    deploy.url = "github:acme/deploy";
  };
  outputs = _: { };
}
"""
EDITED = """\
{
  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11"; # the pin
    lib.url = "github:acme/lib";
    lib.inputs.nixpkgs.follows = "nixpkgs";
    fleet = { url = "github:acme/fleet"; inputs.nixpkgs.follows = "nixpkgs"; };
    theme.url = "github:acme/theme";
    deploy.url = "github:acme/deploy";
  };
  outputs = _: { };
}
"""


def nixpkgs(ref: str = REF) -> Input:
    return github("NixOS", "nixpkgs", ref=ref)


def taking(name: str, **inputs: Input | tuple[str, ...]) -> Input:
    return github("acme", name, inputs=inputs)


def app_inputs() -> Inputs:
    return {
        "nixpkgs": nixpkgs(),
        "lib": taking("lib", nixpkgs=nixpkgs(), x=github("a", "x")),
        "fleet": taking("fleet", nixpkgs=nixpkgs()),
        "theme": taking("theme"),
        "deploy": taking("deploy", nixpkgs=nixpkgs("nixos-25.05")),
    }


def lock_of(inputs: Inputs) -> bytes:
    return locks.to_bytes(locks.lock(inputs))


Ground = Callable[..., Path]


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """Make a workspace of some repos, by name their files; it is the current folder."""

    def make(pin: str = "", workspace: str = "", more: str = "", **files: repos.Files) -> Path:
        monkeypatch.chdir(tmp_path)
        tables = [f'[workspace]\nname = "acme"\nbase = "main"\n{workspace}\n[pins.nixpkgs]\n{PIN}\n{pin}\n{more}\n']
        for name, content in files.items():
            repos.make_repo(tmp_path / name, content)
            dirs = [Path(file).parent.as_posix() for file in content if file.endswith("flake.lock")]
            tables.append(f'[repos.{name}]\npath = "{name}"\nflakes = {json.dumps(dirs)}\n')
        (tmp_path / "workspace.toml").write_text("\n".join(tables))
        return tmp_path

    return make


def app() -> repos.Files:
    return {"flake.nix": APP, "flake.lock": lock_of(app_inputs())}


def git(*argv: str, cwd: Path) -> str:
    return repos.run_git(*argv, cwd=cwd)


def test_edits_come_with_what_they_save_and_the_rest_with_the_reason(
    ground: Ground, flakesync: Flakesync, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = {
        "flake.nix": 'let lib = 1; in { inputs.nixpkgs.url = "x"; outputs = _: { }; }\n',
        "flake.lock": lock_of({"nixpkgs": nixpkgs(), "lib": taking("lib", nixpkgs=nixpkgs())}),
    }
    ground(app=app(), site=site)
    monkeypatch.setenv("COLUMNS", "200")
    ran = flakesync("follow")
    assert ran.status == 1
    assert ran.out == (
        "app  (flake.nix)\n"
        '  ~ inputs.fleet.inputs.nixpkgs.follows = "nixpkgs"  1 node less\n'
        '  + inputs.lib.inputs.nixpkgs.follows = "nixpkgs"    1 node less\n'
        "  - inputs.theme.inputs.systems.follows              theme has no input systems\n"
        "  · deploy/nixpkgs  other ref: nixos-25.05, nixpkgs has nixos-25.11 (follow-match)\n"
        "site  (flake.nix)\n"
        "  ! only Nix can tell the inputs: flake.nix:1:1: the file is not an attribute set but has to be evaluated to "
        "one; write it yourself:\n"
        '    inputs.lib.inputs.nixpkgs.follows = "nixpkgs";\n'
        "\n"
        "3 edits in 1 of 2 repos: 10 → 8 lock nodes; 1 line to change by hand. To have sync write them: "
        'pins.nixpkgs.follow = "write"\n'
    )


def test_a_patch_is_what_git_applies_and_then_nothing_is_left_to_write(
    ground: Ground, flakesync: Flakesync, tmp_path: Path
) -> None:
    ground(app=app())
    assert flakesync("follow", "--patch", "patches").status == 1
    repo = tmp_path / "app"
    git("apply", "--check", "../patches/app.patch", cwd=repo)
    git("apply", "../patches/app.patch", cwd=repo)
    assert (repo / "flake.nix").read_text() == EDITED
    wanted = {
        **app_inputs(),
        "lib": taking("lib", nixpkgs=("nixpkgs",), x=github("a", "x")),
        "fleet": taking("fleet", nixpkgs=("nixpkgs",)),
    }
    assert (repo / "flake.lock").read_bytes() == lock_of(wanted)
    git("commit", "-qam", "Follow", cwd=repo)
    ran = flakesync("follow")
    assert (ran.status, ran.out.splitlines()[-1]) == (0, "nothing to write in 1 repo")
    assert not [*tmp_path.glob("app/*.patch")]


@pytest.mark.parametrize("odd", ["crlf", "no end", "folder", "link", "blank"])
def test_a_patch_fits_whatever_the_file_is_like(ground: Ground, flakesync: Flakesync, tmp_path: Path, odd: str) -> None:
    text = {"crlf": APP.replace("\n", "\r\n"), "no end": APP.rstrip("\n")}.get(odd, APP)
    lock = lock_of(app_inputs())
    places: dict[str, repos.Files] = {
        "folder": {"dev/flake.nix": text, "dev/flake.lock": lock},
        "blank": {"a b/flake.nix": text, "a b/flake.lock": lock},
        "link": {"flake.nix": "link:nix/real.nix", "nix/real.nix": text, "flake.lock": lock},
    }
    ground(app=places.get(odd, {"flake.nix": text, "flake.lock": lock}))
    assert flakesync("follow", "--patch", "out").status == 1
    repo = tmp_path / "app"
    git("apply", "../out/app.patch", cwd=repo)
    place = {"folder": "dev/flake.nix", "blank": "a b/flake.nix", "link": "nix/real.nix"}.get(odd, "flake.nix")
    edited = {"crlf": EDITED.replace("\n", "\r\n"), "no end": EDITED.rstrip("\n")}.get(odd, EDITED)
    assert (repo / place).read_bytes() == edited.encode()
    changed = git("status", "--porcelain", cwd=repo).splitlines()
    assert len(changed) == 2


def test_a_diff_is_of_flake_nix_alone(ground: Ground, flakesync: Flakesync) -> None:
    ground(app=app())
    ran = flakesync("follow", "--diff")
    assert ran.status == 1
    assert ran.out.startswith(
        "diff --git a/app/flake.nix b/app/flake.nix\n--- a/app/flake.nix\n+++ b/app/flake.nix\n@@ "
    )
    changed = [line for line in ran.out.splitlines() if line[:1] in "+-" and line[:3] not in ("---", "+++")]
    assert len(changed) == 4
    assert "flake.lock" not in ran.out


def test_json_has_places_and_what_the_lock_loses(ground: Ground, flakesync: Flakesync) -> None:
    ground(app=app())
    (found,) = json.loads(flakesync("follow", "--json").out)["repos"]
    assert found["nodes"] == {"before": 10, "after": 8}
    assert [(each["op"], each["input"], each["line"], each["nodes_saved"]) for each in found["edits"]] == [
        ("replace", "fleet/nixpkgs", 5, 1),
        ("add", "lib/nixpkgs", 4, 1),
        ("remove", "theme/systems", 7, 0),
    ]
    assert [(each["input"], each["why"], each["write"]) for each in found["left"]] == [
        ("deploy/nixpkgs", "other-ref", None)
    ]


def test_only_the_pins_that_are_named_are_asked_about(ground: Ground, flakesync: Flakesync) -> None:
    ground(app=app(), more='[pins.other]\nsource = "github:acme/other"\n')
    assert flakesync("follow", "other").out == "nothing to write in 1 repo\n"
    assert flakesync("follow", "other").status == 0
    named = flakesync("follow", "nixpkgs")
    assert "inputs.lib.inputs.nixpkgs" in named.out
    assert "theme" not in named.out
    ran = flakesync("follow", "nixpgs")
    assert (ran.status, "error[unknown-pin]" in ran.err, "nixpkgs" in ran.err) == (2, True, True)


def test_what_is_off_is_not_spoken_of_and_a_repo_has_the_last_word(ground: Ground, flakesync: Flakesync) -> None:
    root = ground(app=app(), pin='follow = "off"')
    assert flakesync("follow").out == "nothing to write in 1 repo\n"
    file = root / "workspace.toml"
    file.write_text(file.read_text().replace("[repos.app]\n", '[repos.app]\nfollow = "write"\n'))
    ran = flakesync("follow")
    assert ran.out.splitlines()[-1] == "3 edits in 1 of 1 repo: 10 → 8 lock nodes. sync writes them"
    assert "by_sync" in flakesync("follow", "--json").out


def test_an_edit_that_cannot_be_made_is_a_line_for_a_person_and_the_others_are_made(
    ground: Ground, flakesync: Flakesync
) -> None:
    text = APP.replace("  outputs = _: { };", "  outputs = { self, nixpkgs, tool, ... }: { };")
    inputs = {
        **app_inputs(),
        "tool": Input(taking("tool").locked, {"type": "indirect", "id": "tool"}, {"n": nixpkgs()}),
    }
    ground(app={"flake.nix": text, "flake.lock": lock_of(inputs)})
    ran = flakesync("follow")
    assert '\n    inputs.tool.inputs.n.follows = "nixpkgs";\n' in ran.out
    assert "  ! flake.nix:10:30: " in ran.out
    assert "3 edits in 1 of 1 repo: 12 → 10 lock nodes; 1 line to change by hand." in ran.out


def test_no_two_kinds_of_answers_at_once(ground: Ground, flakesync: Flakesync) -> None:
    ground(app=app())
    assert flakesync("follow", "--diff", "--json").status == 2


def test_sync_writes_what_the_manifest_lets_it(ground: Ground) -> None:
    root = ground(app=app(), pin='follow = "write"')
    snapshot = read_snapshot(load_workspace(root / "workspace.toml"), cache=cache_dir(), offline=True)
    key = RepoName("app"), FlakeDir(".")
    follows = [SetFollows((name, "nixpkgs"), ("nixpkgs",)) for name in ("fleet", "lib")]
    assert wanted_follows(snapshot) == {key: (*follows, RemoveFollows(("theme", "systems")))}
    # What the branch of nixpkgs will be after this run is in no lock: nothing follows it yet.
    assert wanted_follows(snapshot, changing={key: [("nixpkgs",)]}) == {key: (RemoveFollows(("theme", "systems")),)}


def test_sync_writes_nothing_where_the_manifest_does_not_say_so(ground: Ground) -> None:
    root = ground(app=app())
    snapshot = read_snapshot(load_workspace(root / "workspace.toml"), cache=cache_dir(), offline=True)
    assert wanted_follows(snapshot) == {}


def test_a_lock_that_a_folder_of_the_repo_has_left_behind_is_not_touched(ground: Ground, flakesync: Flakesync) -> None:
    sub = locks.folder("./sub", {"lib": taking("lib", nixpkgs=nixpkgs())})
    lock = lock_of({"nixpkgs": nixpkgs(), "lib": taking("lib", nixpkgs=nixpkgs()), "sub": sub})
    text = APP[: APP.index("    fleet")] + '    sub.url = "path:./sub";\n  };\n  outputs = _: { };\n}\n'
    inside = '{ inputs.lib.url = "github:acme/lib"; outputs = _: { }; }\n'
    ground(
        fits={"flake.nix": text, "flake.lock": lock, "sub/flake.nix": inside},
        moved={"flake.nix": text, "flake.lock": lock, "sub/flake.nix": inside.replace("lib", "other")},
    )
    fits, moved = json.loads(flakesync("follow", "--json").out)["repos"]
    assert [each["input"] for each in fits["edits"]] == ["lib/nixpkgs"]
    assert (moved["edits"], [each["why"] for each in moved["left"]][:1]) == ([], ["lock-behind"])


def test_a_plain_folder_gets_a_patch_too(ground: Ground, flakesync: Flakesync, tmp_path: Path) -> None:
    root = ground(app=app())
    subprocess.run(["rm", "-rf", str(root / "app/.git")], check=True)
    assert flakesync("follow", "--patch", "out").status == 1
    subprocess.run(["git", "apply", "--directory=app", "out/app.patch"], cwd=tmp_path, check=True)
    assert (root / "app/flake.nix").read_text() == EDITED
    assert len(LockFile.parse((root / "app/flake.lock").read_bytes()).nodes) == 8


def test_a_keep_that_keeps_nothing_is_told_of(ground: Ground, flakesync: Flakesync) -> None:
    ground(app=app(), pin='keep = ["libb/nixpkgs", "deploy/*"]')
    assert flakesync("follow").err == (
        "note: pins.nixpkgs.keep: `libb/nixpkgs` matches no input, did you mean `lib/nixpkgs`?\n"
    )
    assert flakesync("follow", "-q").err == ""


def test_an_override_that_is_all_that_flake_nix_says_of_an_input_is_taken_out_by_a_person(
    ground: Ground, flakesync: Flakesync
) -> None:
    text = '{\n  inputs.theme.inputs.gone.follows = "nowhere";\n  outputs = _: { };\n}\n'
    theme = Input(taking("theme").locked, {"type": "indirect", "id": "theme"})
    ground(app={"flake.nix": text, "flake.lock": lock_of({"theme": theme})})
    ran = flakesync("follow")
    assert ran.status == 1
    assert "; take it out yourself:\n    inputs.theme.inputs.gone.follows\n" in ran.out
    assert ran.out.endswith("\n1 line to change by hand in 1 repo\n")
