"""The NixOS module: what each option does to the units, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from tests.packaging.evaluated import LEAST, NIXOS, STUB, Looked, evaluate, look, look_at, script, settings
from tests.support.nix import RealNix

# What is set beside the least that has to be, then: what of the units or the script it changes.
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "startAt": (
        'startAt = [ "Mon 04:00" "Thu 04:00" ];',
        {"timer": {"OnCalendar": ["Mon 04:00", "Thu 04:00"]}},
    ),
    "credentials": (
        'credentials = { GITHUB_TOKEN = "/run/secrets/github"; GITLAB_TOKEN = "/run/secrets/gitlab"; };',
        {"service": {"LoadCredential": ["GITHUB_TOKEN:/run/secrets/github", "GITLAB_TOKEN:/run/secrets/gitlab"]}},
    ),
    "sshKeyFile": (
        'sshKeyFile = "/run/secrets/key";',
        {"service": {"LoadCredential": ["ssh-key:/run/secrets/key"]}},
    ),
    "report.dir": (
        'report.dir = "/srv/www/flakes";',
        {"service": {"ReadWritePaths": ["/srv/www/flakes"], "SupplementaryGroups": ["flakesync-report"]}},
    ),
}
LINES: dict[str, tuple[str, str]] = {
    "steps": ('steps = [ "sync" "land" ];', "--steps 'sync land' --workspace"),
    "steps by default": ("", "--steps 'sync publish drift report' --workspace"),
    "extraArgs": (
        'extraArgs = [ "--history" "https://h.example/it\'s $(x)" ];',
        "--history 'https://h.example/it'\\''s $(x)' ||",
    ),
    "report.dir": ('report.dir = "/srv/www";', "\nreport=/srv/www\n"),
    "report by default": ("", "\nreport=$STATE_DIRECTORY/report\n"),
    "sshKeyFile": ('sshKeyFile = "/run/key";', "-i '$CREDENTIALS_DIRECTORY/ssh-key' -oIdentitiesOnly=yes"),
    "nixConfig": (
        'nixConfig = { cores = 2; sandbox = true; extra-substituters = [ "https://a" "https://b" ]; };',
        "NIX_CONFIG='cores = 2\nextra-substituters = https://a https://b\nsandbox = true'\"\n",
    ),
    "a repository": ("", "-- https://github.com/acme/workspace "),
    "a branch": ('workspace = "gitlab:acme/workspace/next";', "--branch next -- https://gitlab.com/acme/workspace "),
    "a repository by ssh": (
        'workspace = "git+ssh://git@git.example.com:2222/~acme/workspace.git?ref=a/b";',
        "--branch a/b -- 'ssh://git@git.example.com:2222/~acme/workspace.git' ",
    ),
    "a folder": ('workspace = "/srv/it\'s here";', "\nworkspace='/srv/it'\\''s here'\n"),
    "a token for the repository": (
        'credentials.GH_TOKEN = "/run/x";',
        """username=x-access-token\\npassword=%s\\n'\\'' "$GH_TOKEN"; }; f' clone""",
    ),
    "package": ('package = { outPath = "/opt/own"; };', "\n/opt/own/libexec/flakesync-nightly --steps"),
}
WRONG = {
    "an unknown option": "stepz = [ ];",
    "a step that there is not": 'steps = [ "merge" ];',
    "a step that is no list": 'steps = "sync";',
    "a credential that is a value": 'credentials.GITHUB_TOKEN = "ghp_123";',
    "a credential that is a path, which would be copied to the store": "credentials.GITHUB_TOKEN = ./token;",
    "a file with a specifier of systemd": 'credentials.GITHUB_TOKEN = "/run/%i";',
    "a workspace that is neither folder nor repository": 'workspace = "acme/workspace";',
    "a workspace with a password": 'workspace = "git+https://bot:secret@git.example.com/w";',
    "a workspace without transport security": 'workspace = "git+http://git.example.com/w";',
    "a branch that git takes for an option": 'workspace = "github:acme/workspace/-b";',
    "a repository that is a command": 'workspace = "git+ssh://h/$(touch x)";',
    "an argument that is no text": "extraArgs = [ 1 ];",
    "a setting of Nix that is a set": "nixConfig.a = { };",
    "a time that is a number": "startAt = 3;",
    "a folder of the report that is not absolute": 'report.dir = "www";',
    "a package that is a text": 'package = "flakesync";',
}
REFUSED = {
    "a credential in the store": ('credentials.A = "${builtins.storeDir}/x-token";', "of A is in the Nix store"),
    "a key in the store": ('sshKeyFile = "${builtins.storeDir}/x-key";', "of sshKeyFile is in the Nix store"),
    "a credential that is no variable": ('credentials."A-B" = "/run/x";', '"A-B" is no name of a variable'),
    "access tokens among the settings of Nix": (
        'nixConfig.access-tokens = "github.com=x";',
        "as credentials.NIX_CONFIG",
    ),
    "a setting of two lines": ('nixConfig.a = "1\\nb = 2";', "more than one line"),
    "no step": ("steps = [ ];", "steps is empty"),
    "a workspace in a home folder": ('workspace = "/home/me/acme";', "workspace is in a home folder"),
    "a report in a home folder": ('report.dir = "/root/www";', "report.dir is in a home folder"),
}


@pytest.fixture(scope="module")
def looks() -> dict[str, dict[str, Looked | None]]:
    """Version of Nix → options → what comes of them; what one process has evaluated for all tests."""
    return {}


@pytest.fixture
def found(nix: RealNix, looks: dict[str, dict[str, Looked | None]]) -> dict[str, Looked | None]:
    if nix.id not in looks:
        tables = (SETTINGS, LINES, REFUSED)
        more = ["", *(row[0] for table in tables for row in table.values()), *WRONG.values()]
        options = [_with_least(each) for each in more]
        looks[nix.id] = dict(zip(more, look(nix, NIXOS, options), strict=True))
    return looks[nix.id]


def _with_least(more: str) -> str:
    return f"enable = true; {more}" if "workspace =" in more else f"{LEAST} {more}"


def of(found: dict[str, Looked | None], options: str) -> Looked:
    looked = found[options]
    assert looked is not None, options
    assert looked.refused == []
    return looked


def test_by_default_it_is_a_night_at_seventeen_past_three(found: dict[str, Looked | None]) -> None:
    looked = of(found, "")
    assert looked.timers["flakesync"] == {
        "description": "flakesync every night",
        "wantedBy": ["timers.target"],
        "timerConfig": {"OnCalendar": "*-*-* 03:17:00", "Persistent": True, "RandomizedDelaySec": "10m"},
    }
    service = settings(looked)
    assert (service["Type"], service["DynamicUser"], service["LoadCredential"]) == ("oneshot", True, [])
    assert (service["StateDirectory"], service["CacheDirectory"]) == ("flakesync", "flakesync")
    assert (service["StateDirectoryMode"], service["CacheDirectoryMode"]) == ("0700", "0700")
    assert looked.services["flakesync"]["restartIfChanged"] is False, "a night goes on while the system is switched"
    assert service["SuccessExitStatus"] == 4, "a failed repo (1) has to be told of by OnFailure="
    assert (looked.rules, looked.groups, looked.user) == ([], [], {"services": {}, "timers": {}})


def test_an_option_changes_its_settings_and_no_others(found: dict[str, Looked | None]) -> None:
    plain = of(found, "")
    for options, wanted in SETTINGS.values():
        looked = of(found, options)
        service = settings(plain) | wanted.get("service", {})
        assert settings(looked) | {"ExecStart": ""} == service | {"ExecStart": ""}
        timer = plain.timers["flakesync"]["timerConfig"] | wanted.get("timer", {})
        assert looked.timers["flakesync"]["timerConfig"] == timer


def test_an_option_changes_the_script(found: dict[str, Looked | None]) -> None:
    lacking = {case: wanted for case, (options, wanted) in LINES.items() if wanted not in script(of(found, options))}
    assert lacking == {}


def test_a_wrong_option_or_type_is_refused(found: dict[str, Looked | None]) -> None:
    assert [case for case, options in WRONG.items() if found[options] is not None] == []


def test_what_would_do_harm_is_refused_with_the_reason(found: dict[str, Looked | None]) -> None:
    for options, wanted in REFUSED.values():
        looked = found[options]
        assert looked is not None, options
        (said,) = looked.refused
        assert wanted in said
        assert said.startswith("services.flakesync")


def test_a_folder_beside_the_configuration_is_copied_to_the_store(nix: RealNix, tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme/workspace.toml").touch()
    looked = look_at(nix, NIXOS, f"enable = true; workspace = {tmp_path}/acme;")
    (line,) = [line for line in script(looked).splitlines() if line.startswith("workspace=")]
    copy = Path(line.partition("=")[2])
    assert copy.parent == Path(nix.env()["NIX_STORE_DIR"])
    assert (copy / "workspace.toml").exists()


def test_a_folder_beside_a_configuration_in_a_home_folder_is_seen_by_the_service(
    any_nix: RealNix, tmp_path: Path
) -> None:
    (tmp_path / "acme").mkdir()
    for workspace, refused in ((f"{tmp_path}/acme", 0), (f'"{tmp_path}/acme"', 1)):
        night = (
            f"(import {NIXOS.parent}/night.nix {{ lib = import {STUB}/lib.nix; pkgs = {{ }}; path = [ ];"
            f' homes = [ "{tmp_path}" ]; cfg = {{ workspace = {workspace}; steps = [ "sync" ]; report.dir = null;'
            " credentials = { }; sshKeyFile = null; nixConfig = { }; }; })"
        )
        said = evaluate(any_nix, f"builtins.filter (each: !each.assertion) {night}.assertions")
        assert len(said) == refused


def test_a_public_report_belongs_to_a_group_that_stays(found: dict[str, Looked | None]) -> None:
    looked = of(found, 'report.dir = "/srv/www/flakes";')
    assert looked.groups == ["flakesync-report"]
    assert looked.rules == ["d /srv/www/flakes 2775 root flakesync-report - -"]


def test_without_times_there_is_a_service_and_no_timer(nix: RealNix) -> None:
    looked = look_at(nix, NIXOS, f"{LEAST} startAt = [ ];")
    assert (list(looked.services), looked.timers) == (["flakesync"], {})


def test_what_is_not_enabled_makes_nothing_and_needs_no_options(nix: RealNix) -> None:
    for options in ("enable = false;", 'credentials.A = "/run/a"; report.dir = "/srv/www";'):
        assert look_at(nix, NIXOS, options) == Looked([], {}, {}, [], [], {"services": {}, "timers": {}})


def test_a_workspace_has_to_be_named(nix: RealNix) -> None:
    assert look(nix, NIXOS, ["enable = true;"]) == [None]


def test_another_repository_or_branch_is_another_clone(nix: RealNix) -> None:
    names = ("github:acme/a", "github:acme/b", "github:acme/a/b", "git+https://github.com/acme/a")
    looks = look(nix, NIXOS, [f'enable = true; workspace = "{name}";' for name in names])
    places = [line for each in looks if each for line in script(each).splitlines() if line.startswith("workspace=")]
    assert len(places) == 4
    assert len(set(places)) == 3, "the first and the last are one"
