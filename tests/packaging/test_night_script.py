"""The script of the modules' service, run as systemd runs it: the workspace, credentials, the report, exit statuses."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from flakesync.net.forge_kinds import KINDS
from tests.nightly.night import make_place
from tests.packaging.evaluated import HOME, NIXOS, TOP, look, look_at, script, write_units
from tests.support.nix import RealNix
from tests.support.repos import commit, make_repo, run_git

SECRET = "secret-0123456789abcdef"
# Writes down how it was started, what starts it too, and what it finds in its environment.
FAKE = """#!/bin/sh
printf '%s\\n' "$@" >"$SEEN/arguments"
tr '\\0' '\\n' </proc/$$/cmdline >"$SEEN/commands"
tr '\\0' '\\n' </proc/$PPID/cmdline >>"$SEEN/commands"
env >"$SEEN/environment"
pwd >"$SEEN/folder"
exit "${STATUS-0}"
"""


@dataclass
class Night:
    """A service whose flakesync-nightly is `FAKE`. folder: what stands for the service's folders."""

    nix: RealNix
    folder: Path

    def run(self, options: str, module: Path = NIXOS, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the script with the folders that systemd gives to a service."""
        more = f'enable = true; package = {{ outPath = "{self.folder}/package"; }};'
        text = script(look_at(self.nix, module, f"{more} {options}"))
        file = self.folder / "script"
        file.write_text(text)
        given = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            "STATE_DIRECTORY": str(self.folder / "state"),
            "CACHE_DIRECTORY": str(self.folder / "cache"),
            "CREDENTIALS_DIRECTORY": str(self.folder / "credentials"),
            "SEEN": str(self.folder / "seen"),
        }
        return subprocess.run(
            ["/bin/sh", file], env=given | env, capture_output=True, text=True, check=False, cwd="/", umask=0o077
        )

    def seen(self, name: str) -> str:
        """Return what the fake has written down."""
        return (self.folder / "seen" / name).read_text()

    def environment(self) -> dict[str, str]:
        """Return the environment of flakesync-nightly; of a value of several lines, the first."""
        return dict(line.split("=", 1) for line in self.seen("environment").splitlines() if "=" in line)


@pytest.fixture
def night(any_nix: RealNix, tmp_path: Path) -> Night:
    for name in ("package/libexec", "state", "cache", "credentials", "seen", "acme"):
        (tmp_path / name).mkdir(parents=True)
    program = tmp_path / "package/libexec/flakesync-nightly"
    program.write_text(FAKE)
    program.chmod(0o755)
    (tmp_path / "acme/workspace.toml").touch()
    return Night(any_nix, tmp_path)


def test_a_credential_is_in_the_environment_of_flakesync_and_nowhere_else(night: Night) -> None:
    files = {name: night.folder / f"{name}.secret" for name in ("GITHUB_TOKEN", "NIX_CONFIG")}
    given = "".join(f'credentials.{name} = "{file}";' for name, file in files.items())
    places = f'sshKeyFile = "{night.folder}/key"; report.dir = "{night.folder}/www";'
    options = f'workspace = "/nowhere"; nixConfig.cores = 2; {places} {given}'
    for name, value in (("GITHUB_TOKEN", f"{SECRET}\n"), ("NIX_CONFIG", f"access-tokens = github.com={SECRET}")):
        (night.folder / "credentials" / name).write_text(value)
    ran = night.run(options)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert night.environment()["GITHUB_TOKEN"] == SECRET
    assert f"NIX_CONFIG=cores = 2\naccess-tokens = github.com={SECRET}\n" in night.seen("environment")
    assert night.environment()["GIT_SSH_COMMAND"].startswith(f"ssh -i '{night.folder}/credentials/ssh-key' ")
    looked = look_at(night.nix, NIXOS, f"enable = true; {options}")
    units = "".join(unit.read_text() for unit in write_units(looked, night.folder))
    assert f"LoadCredential=GITHUB_TOKEN:{files['GITHUB_TOKEN']}\n" in units
    for place in (units, script(looked), night.seen("arguments"), night.seen("commands"), ran.stdout, ran.stderr):
        assert SECRET not in place


def test_a_missing_credential_ends_the_night_before_it_begins(night: Night) -> None:
    ran = night.run('workspace = "/nowhere"; credentials.A = "/run/a";')
    assert ran.returncode != 0
    assert "credentials/A" in ran.stderr
    assert not (night.folder / "seen/arguments").exists()


def test_arguments_reach_flakesync_as_they_are(night: Night) -> None:
    ran = night.run(
        'workspace = "/srv/a b/$(x)"; steps = [ "drift" "sync" ]; extraArgs = [ "--history" "it\'s\\n$(x) `y`" ];'
    )
    assert ran.returncode == 0
    steps, workspace = ["--steps", "drift sync"], ["--workspace", "/srv/a b/$(x)"]
    assert night.seen("arguments").splitlines() == [*steps, *workspace, "--history", "it's", "$(x) `y`"]


def test_the_system_s_service_keeps_everything_in_its_own_folders_and_asks_the_daemon(night: Night) -> None:
    assert night.run('workspace = "/nowhere";').returncode == 0
    found = night.environment()
    assert (found["HOME"], found["XDG_CACHE_HOME"]) == (f"{night.folder}/state", f"{night.folder}/cache")
    assert (found["NIX_REMOTE"], found["GIT_TERMINAL_PROMPT"]) == ("daemon", "0")
    store = night.nix.env()["NIX_STORE_DIR"]
    programs = [re.sub(".*-", "", place) for place in found["PATH"].split(":") if place.startswith(store)]
    assert programs == [f"{name}/bin" for name in ("nix", "git", "openssh", "bash", "coreutils", "gnused")]
    assert night.seen("folder") == f"{night.folder}/state\n"


def test_the_user_s_service_leaves_home_and_nix_as_they_are(night: Night) -> None:
    assert night.run('workspace = "/nowhere";', HOME).returncode == 0
    found = night.environment()
    assert found["HOME"] == os.environ["HOME"]
    assert "NIX_REMOTE" not in found
    assert found["PATH"].split(":")[-4:][0] == f"{os.environ['HOME']}/.nix-profile/bin"


@pytest.mark.parametrize("status", [0, 1, 2, 3, 4])
def test_the_exit_status_is_that_of_the_night(night: Night, status: int) -> None:
    www = night.folder / "www"
    assert night.run(f'workspace = "/nowhere"; report.dir = "{www}";', STATUS=str(status)).returncode == status


def test_a_private_report_is_in_the_folder_of_states_and_a_public_one_can_be_read_by_all(night: Night) -> None:
    night.run('workspace = "/nowhere";')
    assert night.seen("arguments").splitlines()[-2:] == ["--report", f"{night.folder}/state/report"]
    private = night.folder / "state/report"
    assert private.stat().st_mode & 0o777 == 0o700
    www = night.folder / "www"
    ran = night.run(f'workspace = "/nowhere"; report.dir = "{www}";')
    assert night.seen("arguments").splitlines()[-2:] == ["--report", str(www)]
    # A folder that is there already, as NixOS makes it, is left as it is.
    www.chmod(0o2775)
    page = www / "index.html"
    page.touch(mode=0o600)
    assert ran.stderr == night.run(f'workspace = "/nowhere"; report.dir = "{www}";').stderr == ""
    assert (www.stat().st_mode & 0o7777, page.stat().st_mode & 0o777) == (0o2775, 0o664)


@pytest.mark.parametrize("module", [NIXOS, HOME], ids=["nixos", "home"])
def test_the_script_is_sound(any_nix: RealNix, module: Path) -> None:
    full = (
        'enable = true; report.dir = "/srv/www"; credentials = { A = "/run/a"; GH_TOKEN = "/run/b"; };'
        ' sshKeyFile = "/run/k"; nixConfig.a = 1; extraArgs = [ "a b" ];'
    )
    for workspace in ("github:acme/workspace", "/srv/acme"):
        text = script(look_at(any_nix, module, f'{full} workspace = "{workspace}";'))
        # The login is for the shell of git: what is to be expanded there stands in single quotes.
        argv = [str(Path(sys.executable).with_name("shellcheck")), "--exclude", "SC2016", "-"]
        ran = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout


class Repository:
    """A repository of a workspace, as a server has it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        make_repo(folder, {"workspace.toml": "one"})
        self.options = f'workspace = "git+file://{folder}";'

    def change(self, text: str) -> None:
        commit(self.folder, {"workspace.toml": text})


def test_a_repository_is_cloned_once_and_then_pulled(night: Night) -> None:
    repository = Repository(night.folder / "server")
    for text in ("one", "two"):
        repository.change(text)
        ran = night.run(repository.options)
        assert (ran.returncode, ran.stderr) == (0, "")
        workspace = Path(night.seen("arguments").splitlines()[3])
        assert workspace.parent == night.folder / "state"
        assert (workspace / "workspace.toml").read_text() == text


def test_a_branch_is_cloned_where_one_is_named(night: Night) -> None:
    repository = Repository(night.folder / "server")
    run_git("switch", "-q", "-c", "next/one", cwd=repository.folder)
    repository.change("next")
    run_git("switch", "-q", "main", cwd=repository.folder)
    assert night.run(repository.options.replace('";', '?ref=next/one";')).returncode == 0
    workspace = Path(night.seen("arguments").splitlines()[3])
    assert (workspace / "workspace.toml").read_text() == "next"


def test_a_server_that_is_away_costs_no_night_once_there_is_a_clone(night: Night) -> None:
    repository = Repository(night.folder / "server")
    away = night.folder / "away"
    repository.folder.rename(away)
    ran = night.run(repository.options)
    assert ran.returncode == 2
    assert not (night.folder / "seen/arguments").exists()
    away.rename(repository.folder)
    assert night.run(repository.options).returncode == 0
    repository.folder.rename(away)
    ran = night.run(repository.options)
    assert ran.returncode == 0
    assert "this night goes by what is there" in ran.stderr


def test_a_clone_that_was_cut_off_is_begun_again(night: Night) -> None:
    repository = Repository(night.folder / "server")
    night.run(repository.options)
    (clone,) = (night.folder / "state").glob("workspace-*")
    clone.rename(clone.with_name(f"{clone.name}.part"))
    (clone.with_name(f"{clone.name}.part") / ".git/HEAD").unlink()
    assert night.run(repository.options).returncode == 0
    assert [each.name for each in (night.folder / "state").glob("workspace-*")] == [clone.name]


def test_git_logs_in_at_the_servers_that_flakesync_knows_and_at_no_other(night: Night) -> None:
    # A user's own helper answers where there is no token, and there alone.
    own = "username=me\npassword=mine\n"
    helper = "!f() { printf 'username=me\npassword=mine\n'; }; f".replace("\n", "\\n")
    run_git("config", "--global", "credential.https://github.com.helper", helper, cwd=Path("/"))
    hosts = {host: facts for facts in KINDS.values() for host in facts.hosts}
    kinds = {variable: kind for kind in KINDS.values() for variable in kind.token_variables}
    least = 'enable = true; workspace = "github:a/b";'
    looks = look(night.nix, NIXOS, [f'{least} credentials.{variable} = "/x";' for variable in kinds])
    for (variable, kind), looked in zip(kinds.items(), looks, strict=True):
        assert looked is not None
        (line,) = [line for line in script(looked).splitlines() if " clone " in line]
        command = line.partition("git ")[2].partition("clone")[0]
        asked = f"printf 'protocol=https\\nhost=%s\\n\\n' \"$1\" | git {command} credential fill"
        for host in [*hosts, "git.example.com", "api.github.com"]:
            argv, env = ["sh", "-c", asked, "sh", host], {**os.environ, variable: SECRET}
            said = subprocess.run(argv, env=env, capture_output=True, text=True, check=False).stdout
            wanted = (
                f"username={kind.git_user}\npassword={SECRET}\n"
                if hosts.get(host) is kind
                else own * (host == "github.com")
            )
            assert said.partition(f"host={host}\n")[2] == wanted


@pytest.mark.slow
def test_a_user_s_night_bumps_and_publishes_a_workspace(night: Night, use_nix: RealNix, tmp_path: Path) -> None:
    place = make_place(tmp_path / "place")
    program = night.folder / "package/libexec/flakesync-nightly"
    program.unlink()
    program.symlink_to(TOP / "examples/nightly/nightly.sh")
    env = {**os.environ, **place.env, "PATH": f"{place.bin}:{os.environ['PATH']}"}
    ran = night.run(f'workspace = "{place.folder}"; steps = [ "sync" "publish" "drift" ];', HOME, **env)
    assert ran.returncode == 0, ran.stderr
    assert "in step: 3 repos, no drift" in ran.stdout
    assert all(place.published().values())
