"""The shell parts of each recipe, in their order, as its runner would run them: real Nix, real git, no network."""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from tests.nightly import recipes
from tests.nightly.night import TOKEN, Place, Ran, files_with, make_place, program

pytestmark = pytest.mark.usefixtures("use_nix", "any_nix")
IN_STEP = "## Drift of acme (update branches)\n\nin step: 3 repos, no drift\n"
NEEDS_SSH = pytest.mark.skipif(shutil.which("ssh-agent") is None, reason="ssh is not installed")


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel of this checkout, to install from."""
    pytest.importorskip("hatchling", reason="hatchling builds the wheel")
    folder = tmp_path_factory.mktemp("index")
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(argv, cwd=recipes.TOP, check=True, capture_output=True)
    return folder


@pytest.fixture
def place(tmp_path: Path, index: Path) -> Place:
    """The job's folder; flakesync is not there until the recipe has installed it.

    pip finds flakesync in `index` and nothing else; what flakesync needs is taken from where the tests have it.
    """
    place = make_place(tmp_path)
    for name in ("flakesync", "flakesync-nightly"):
        (place.bin / name).unlink()
    program(place, "python3", f'exec "{sys.executable}" "$@"')
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    place.env |= {
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_COMPILE": "1",
        "PIP_IGNORE_INSTALLED": "1",
        "PIP_FIND_LINKS": str(index),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONPATH": os.pathsep.join(libraries),
    }
    return place


# A real virtual environment, but its pip is that of the tests: to unpack another takes four seconds. In the pipeline
# it is all real.
QUICK_VENV = f"""\
test "$1 $2" = "-m venv" || exec "{sys.executable}" "$@"
"{sys.executable}" -m venv --without-pip "$3"
printf '#!/bin/sh\\nexec "%s/bin/python" -m pip "$@"\\n' "$3" >"$3/bin/pip"
chmod +x "$3/bin/pip"
"""


class GitHub:
    """A runner: what steps leave in GITHUB_PATH and GITHUB_ENV is there for the later ones."""

    def __init__(self, place: Place, temp: Path, **known: str) -> None:
        self.path = recipes.GITHUB
        self.place = place
        self.temp = temp
        self.known = {"github.workspace": str(place.folder), **known}
        self.summary = temp / "summary.md"
        for name in ("path", "env", "output"):
            (temp / name).touch()

    def run(self, step: recipes.Step) -> Ran:
        job = recipes.github_job(self.path)["env"]
        env = {name: recipes.fill_in(str(value), self.known) for name, value in [*job.items(), *step.env.items()]}
        env |= dict(line.split("=", 1) for line in (self.temp / "env").read_text().splitlines())
        added = (self.temp / "path").read_text().split()
        env["PATH"] = ":".join([*reversed(added), str(self.place.bin), os.environ["PATH"]])
        files = {f"GITHUB_{name.upper()}": str(self.temp / name) for name in ("path", "env", "output")}
        files |= {"RUNNER_TEMP": str(self.temp), "GITHUB_STEP_SUMMARY": str(self.summary)}
        files |= {"GITHUB_ACTION_PATH": str(recipes.TOP)}
        names = {"GITHUB_REPOSITORY": "acme/workspace", "GITHUB_REPOSITORY_OWNER": "acme"}
        return self.place.bash(step.script, **names, **files, **env)


@pytest.fixture
def github(place: Place, tmp_path: Path) -> GitHub:
    program(place, "python3", QUICK_VENV)
    temp = tmp_path / "temp"
    temp.mkdir()
    return GitHub(place, temp, **{"secrets.FLAKESYNC_TOKEN": TOKEN, "secrets.SSH_KEY": "", "vars.SSH_KNOWN_HOSTS": ""})


@pytest.mark.slow
@pytest.mark.parametrize("path", [recipes.GITHUB, recipes.GITHUB_PAGES], ids=lambda path: path.stem)
def test_the_workflow_s_steps_make_a_night(path: Path, github: GitHub, hermetic: Path, tmp_path: Path) -> None:
    github.path = path
    for step in recipes.github_steps(path):
        ran = github.run(step)
        assert ran.status == 0, f"{step.name}: {ran.out}{ran.err}"
        assert TOKEN not in ran.out + ran.err
    assert IN_STEP in github.summary.read_text()
    assert all(github.place.published().values())
    assert answer_of_git(github.place, "https://github.com", GITHUB_TOKEN=TOKEN) == ("x-access-token", TOKEN)
    assert files_with(TOKEN, tmp_path, hermetic) == []
    assert_cached(github.place, path)
    if path is recipes.GITHUB_PAGES:
        assert_page(github.place.folder / ".cache/page")
        (handed,) = used(path, "actions/upload-pages-artifact@")
        assert handed["path"] == ".cache/page"


def assert_page(folder: Path) -> None:
    """The page of one night, with what sync did."""
    assert len((folder / "history.jsonl").read_text().splitlines()) == 1
    assert json.loads((folder / "sync.json").read_bytes())["schema"] == "flakesync/sync/1"
    assert "</html>" in (folder / "index.html").read_text()


def used(path: Path, action: str) -> list[Any]:
    """Return what the steps of the first job give to an action."""
    return [step["with"] for step in recipes.github_job(path)["steps"] if step.get("uses", "").startswith(action)]


def assert_cached(place: Place, path: Path) -> None:
    """What the workflow keeps for the next night is there, and is restored to where it came from."""
    (save,), (restore,) = (used(path, f"actions/cache/{name}@") for name in ("save", "restore"))
    assert save["path"] == restore["path"]
    assert save["key"] == restore["key"]
    assert save["key"].startswith(restore["restore-keys"])
    ours, *page, nix = save["path"].split()
    assert len(list((place.folder / ours / "mirrors").glob("*/flakesync-complete"))) == 3
    assert nix == "~/.cache/nix"
    assert all((place.folder / name / "index.html").exists() for name in page)


@pytest.mark.slow
def test_the_action_s_steps_make_a_night(github: GitHub, hermetic: Path, tmp_path: Path) -> None:
    inputs = {name: each["default"] for name, each in recipes.load(recipes.ACTION)["inputs"].items()}
    given = inputs | {"workspace": str(github.place.folder), "report": "page", "token": TOKEN}
    github.known |= {f"inputs.{name}": value for name, value in given.items()}
    github.known["github.workspace"] = str(github.place.folder)
    for step in recipes.action_steps():
        ran = github.run(step)
        assert ran.status == 0, f"{step.name}: {ran.out}{ran.err}"
        assert TOKEN not in ran.out + ran.err
    assert IN_STEP in github.summary.read_text()
    assert (github.temp / "output").read_text() == "exit-status=0\n"
    assert_page(github.place.folder / "page")
    assert all(github.place.published().values())
    assert files_with(TOKEN, tmp_path, hermetic) == []


@NEEDS_SSH
def test_the_workflow_puts_an_ssh_key_into_an_agent(github: GitHub, hermetic: Path, tmp_path: Path) -> None:
    key, public = make_key(tmp_path)
    known = "git.example.com ssh-ed25519 A"
    github.known |= {"secrets.SSH_KEY": key.read_text().rstrip(), "vars.SSH_KNOWN_HOSTS": known}
    (step,) = [step for step in recipes.github_steps() if step.name == "Set up ssh"]
    ran = github.run(step)
    left = dict(line.split("=", 1) for line in (github.temp / "env").read_text().splitlines())
    try:
        assert ran.status == 0, ran.err
        listed = subprocess.check_output(["ssh-add", "-L"], env={**os.environ, **left}, text=True)
        assert listed.split()[:2] == public.split()[:2]
    finally:
        os.kill(int(left["SSH_AGENT_PID"]), signal.SIGTERM)
    assert (hermetic / ".ssh/known_hosts").read_text() == f"{known}\n"
    assert (hermetic / ".ssh").stat().st_mode & 0o777 == 0o700


@pytest.fixture
def gitlab(place: Place, tmp_path: Path) -> Place:
    """A job's container. A folder of the test is in place of /opt; apt-get only writes down what it is asked for."""
    program(place, "apt-get", f'echo "$@" >>"{tmp_path}/apt"')
    known = {
        "CI_PROJECT_DIR": str(place.folder), "CI_SERVER_HOST": "gitlab.example.com",
        "CI_SERVER_URL": "https://gitlab.example.com", "GITLAB_TOKEN": TOKEN,
        "CI_PAGES_URL": "https://acme.pages.example.com/workspace",
    }  # fmt: skip
    place.env |= known
    place.env |= recipes.variables(recipes.gitlab_job(), known)
    del place.env["XDG_CACHE_HOME"]  # the store's cache is the test's own
    return place


def gitlab_script(tmp_path: Path, *parts: str, path: Path = recipes.GITLAB) -> str:
    return recipes.gitlab_script(*parts, path=path).replace("/opt/", f"{tmp_path}/opt/")


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [recipes.GITLAB, recipes.GITLAB_PAGES, recipes.COMPONENT],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_the_pipeline_s_job_makes_a_night(path: Path, gitlab: Place, tmp_path: Path, hermetic: Path) -> None:
    job = recipes.gitlab_job(path)
    gitlab.env |= recipes.variables(job, gitlab.env)
    del gitlab.env["XDG_CACHE_HOME"]
    settings = '\nprintf "%s" "$NIX_CONFIG" >../settings\n'
    (tmp_path / "settings").write_text("")
    before, night, after = (
        gitlab_script(tmp_path, part, path=path) for part in ("before_script", "script", "after_script")
    )
    ran = gitlab.bash(before + settings + night)
    assert ran.status == 0, ran.out + ran.err
    assert TOKEN not in ran.out + ran.err
    report, *page = job["artifacts"]["paths"]
    assert IN_STEP in (gitlab.folder / report).read_text()
    assert IN_STEP in gitlab.bash(after).out
    for name in page:
        assert_page(gitlab.folder / name)
    assert all(gitlab.published().values())
    assert answer_of_git(gitlab, "https://gitlab.example.com") == ("oauth2", TOKEN)
    assert f"access-tokens = gitlab.example.com=PAT:{TOKEN}" in (tmp_path / "settings").read_text().splitlines()
    (tmp_path / "settings").unlink()
    assert files_with(TOKEN, tmp_path, hermetic) == []
    assert "nix-bin" in (tmp_path / "apt").read_text().split()
    cached, *others = job["cache"]["paths"]
    assert others == page
    assert len(list((gitlab.folder / cached).glob("flakesync/mirrors/*/flakesync-complete"))) == 3


@NEEDS_SSH
def test_the_pipeline_puts_an_ssh_key_into_an_agent(gitlab: Place, tmp_path: Path, hermetic: Path) -> None:
    key, public = make_key(tmp_path)
    # How flakesync gets there is the other test's affair.
    program(gitlab, "python3", 'mkdir -p "$3/bin" && printf "#!/bin/sh\n" >"$3/bin/pip" && chmod +x "$3/bin/pip"')
    known = tmp_path / "known"
    known.write_text("git.example.com ssh-ed25519 A\n")
    listing = "\nssh-add -L\nkill $SSH_AGENT_PID\n"
    ran = gitlab.bash(gitlab_script(tmp_path, "before_script") + listing, SSH_KEY=str(key), SSH_KNOWN_HOSTS=str(known))
    assert ran.status == 0, ran.err
    assert ran.out.split()[:2] == public.split()[:2]
    assert (hermetic / ".ssh/known_hosts").read_text() == known.read_text()


@pytest.mark.slow
def test_the_service_s_commands_make_a_night(place: Place, tmp_path: Path, hermetic: Path) -> None:
    shutil.copy(recipes.SCRIPT, place.bin / "flakesync-nightly")
    program(place, "flakesync", f'PYTHONPATH="{recipes.TOP}" exec "{sys.executable}" -P -m flakesync "$@"')
    states, caches = tmp_path / "states", tmp_path / "caches"
    env = recipes.service_environment({"%S": str(states), "%C": str(caches)})
    path = env.pop("PATH").split(":")
    assert path[0] == "/opt/flakesync/bin"
    (states / "flakesync").mkdir(parents=True)
    shutil.copy(hermetic / ".gitconfig", states / "flakesync")
    del place.env["PYTHONPATH"]
    place.env |= env
    before = place.run(recipes.service_command("ExecStartPre"))
    assert before.status != 0, "it is no clone; the unit ignores that, as of a server that is away"
    ran = place.run(recipes.service_command("ExecStart"))
    assert ran.status == 0, ran.err
    assert IN_STEP in ran.out
    assert all(place.published().values())
    assert len(list(caches.glob("flakesync/flakesync/mirrors/*/flakesync-complete"))) == 3


def answer_of_git(place: Place, url: str, **env: str) -> tuple[str, str]:
    """Return the name and password that git would log in with at `url`."""
    scheme, _, host = url.partition("://")
    asked = f"printf 'protocol={scheme}\\nhost={host}\\n\\n' | git credential fill"
    ran = place.bash(asked, **env)
    assert ran.status == 0, ran.err
    said = dict(line.split("=", 1) for line in ran.out.splitlines())
    return said["username"], said["password"]


def make_key(folder: Path) -> tuple[Path, str]:
    """Make an ssh key; return its file and its public half."""
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True)
    return key, key.with_suffix(".pub").read_text()
