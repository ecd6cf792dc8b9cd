"""The image: what Containerfile says, and what .ci/image does before anything is built. `make image` builds it."""

import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flakesync import __version__

ROOT = Path(__file__).parents[2]
FILE = ROOT / "Containerfile"
SCRIPT = ROOT / ".ci/image"
TEXT = FILE.read_text()
FETCHED = "wheels/"
"""What .ci/image puts beside Containerfile, and no checkout has."""
PINNED = re.compile(r"\b([A-Za-z][\w.-]*)==([\w.]+)")


def instructions() -> list[tuple[str, str]]:
    """Return each instruction with what follows it, on one line."""
    lines = "\n".join(line for line in TEXT.splitlines() if not line.lstrip().startswith("#"))
    found = [line.split(None, 1) for line in lines.replace("\\\n", " ").splitlines() if line.strip()]
    return [(name.upper(), rest.strip()) for name, rest in found]


def every(name: str) -> list[str]:
    return [rest for each, rest in instructions() if each == name]


def script(name: str) -> str:
    """Return what a variable of .ci/image is set to."""
    found = re.search(rf"(?:^|\s){name}=(\S+)", SCRIPT.read_text(), re.MULTILINE)
    assert found is not None, name
    return found[1]


def test_what_is_copied_is_in_the_checkout_or_is_put_beside_it() -> None:
    stages = {found[1] for each in every("FROM") if (found := re.search(r" AS (\S+)$", each))}
    copied = []
    for each in every("COPY"):
        words = shlex.split(each)
        if words[0].startswith("--from="):
            assert words[0].partition("=")[2] in stages
        else:
            copied += words[:-1]
    assert FETCHED in copied
    for source in copied:
        assert source == FETCHED or (ROOT / source).is_file(), source
        laid = SCRIPT.read_text()
        assert f"$work/source/{source}" in laid or f"$work/context/{source.rstrip('/')}" in laid


def test_it_begins_with_an_argument_whose_default_names_a_release_and_no_host() -> None:
    (base,) = every("ARG")
    name, _, default = base.partition("=")
    image, _, tag = default.partition(":")
    assert (name, image, tag) == ("BASE", "debian", f"{script('suite')}-slim")
    # A registry's host would have a dot or a port in front of the first slash.
    assert "/" not in default
    assert every("FROM") == ["${BASE} AS base", "base AS build", "base"]
    assert "latest" not in TEXT


def test_it_runs_as_one_user_that_a_number_names() -> None:
    assert every("USER") == ["10001:10001"]
    last = [name for name, _ in instructions()].index("USER")
    assert all(name not in {"RUN", "COPY", "FROM"} for name, _ in instructions()[last:])
    assert "flakesync:x:10001:10001:" in TEXT


def test_it_asks_for_no_secret_and_copies_no_folder_that_could_hold_one() -> None:
    assert re.search(r"token|passw(?!d)|secret|netrc|id_rsa|private", TEXT, re.IGNORECASE) is None
    assert not {".", "./", "/"}.intersection(word for each in every("COPY") for word in shlex.split(each)[:-1])
    assert every("ADD") == []


def test_versions_are_those_of_the_constraints() -> None:
    constraints = dict(PINNED.findall((ROOT / "constraints.txt").read_text()))
    for name, version in PINNED.findall(TEXT + SCRIPT.read_text()):
        assert constraints[name] == version
    install, fetch = next(each for each in every("RUN") if "--no-index" in each), SCRIPT.read_text()
    assert "--constraint /build/constraints.txt" in install
    assert '-c "$work/context/constraints.txt"' in fetch


def test_the_python_of_the_wheels_is_that_of_the_release_and_is_tested() -> None:
    suites = re.search(r"^SUITES = (\{.*\})$", (ROOT / ".ci/python_versions.py").read_text(), re.MULTILINE)
    assert suites is not None
    assert f'"{script("python")}": "{script("suite")}"' in suites[1]
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    assert f"Programming Language :: Python :: {script('python')}" in classifiers


def first_step(tmp_path: Path, *there: str) -> list[list[str]]:
    """Run the first RUN where these programs are; return how apt-get was called."""
    calls = tmp_path / "calls"
    place = tmp_path / "bin"
    place.mkdir()
    for name in there:
        (place / name).symlink_to("/bin/true")
    (place / "apt-get").write_text(f'#!/bin/sh\necho "$*" >>{calls}\n')
    (place / "apt-get").chmod(0o755)
    (place / "rm").symlink_to("/bin/true")
    ran = subprocess.run(["/bin/sh", "-c", every("RUN")[0]], env={"PATH": str(place)}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return [line.split() for line in calls.read_text().splitlines()] if calls.exists() else []


ALL = ("git", "nix", "python3", "ssh", "update-ca-certificates")


def test_a_base_that_has_everything_is_asked_for_nothing(tmp_path: Path) -> None:
    assert first_step(tmp_path, *ALL) == []


@pytest.mark.parametrize("lacking", ALL)
def test_a_base_that_lacks_a_program_gets_the_packages_that_make_image_puts_into_its_own(
    lacking: str, tmp_path: Path
) -> None:
    update, install = first_step(tmp_path, *(set(ALL) - {lacking}))
    assert update[0] == "update"
    assert install[0] == "install"
    assert {word for word in install[1:] if not word.startswith("-")} == set(script("programs").split(","))


def test_no_other_step_asks_the_network() -> None:
    asking = re.compile(r"\b(?:apt-get|curl|wget|git clone|npm)\b|pip.*install(?!.*--no-index)")
    assert [each for each in every("RUN")[1:] if asking.search(each)] == []


def test_the_cluster_files_run_its_user_and_mount_what_has_to_be_writable() -> None:
    job = YAML(typ="safe").load(ROOT / "deploy/kustomize/base/cronjob.yaml")
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    security = pod["securityContext"]
    assert every("USER") == [f"{security['runAsUser']}:{security['runAsGroup']}"]
    (volumes,) = every("VOLUME")
    assert set(YAML(typ="safe").load(volumes)) <= {mount["mountPath"] for mount in container["volumeMounts"]}
    assert every("WORKDIR") == [container["workingDir"]]
    assert f"HOME={container['workingDir']}" in shlex.split(every("ENV")[0])


def test_the_page_names_this_version_and_this_file() -> None:
    page = (ROOT / "docs/image.md").read_text("utf-8")
    assert set(re.findall(r"flakesync[:-](\d+\.\d+\.\d+)", page)) == {__version__}
    assert set(re.findall(r"\b10001:10001\b", page)) == set(every("USER"))
    assert {f"`{name}`" for name in YAML(typ="safe").load(every("VOLUME")[0])} <= set(re.findall(r"`[^`\n]+`", page))


def test_make_image_runs_the_script_and_ci_does_not() -> None:
    argv = ["make", "--no-print-directory", "-n", "image"]
    shown = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1].split() == [".ci/image"]
    assert "make image" not in (ROOT / ".ci/run").read_text()


def test_the_script_is_sound() -> None:
    # What is meant for a shell inside stands in single quotes.
    argv = [str(Path(sys.executable).with_name("shellcheck")), "--exclude", "SC2016", str(SCRIPT)]
    ran = subprocess.run(argv, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of one commit with the script, and programs that only say how they were called."""
    place = tmp_path / "checkout"
    for name in (".ci", ".venv/bin", "flakesync"):
        (place / name).mkdir(parents=True)
    for name in (".ci/image", "Containerfile", "constraints.txt"):
        shutil.copy(ROOT / name, place / name)
    (place / ".gitignore").write_text(".venv\n.cache\n")
    (place / "flakesync/__init__.py").write_text('__version__ = "1.2.3"\n')
    for argv in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run(["git", *argv], cwd=place, check=True)
    stubs = {
        "id": "echo ${STUB_ID:-0}",
        "unshare": 'shift; exec "$@"',
        "apt-get": "printf \"'https://mirror.internal/debian/dists/%s/InRelease' x 0\\n\" ${STUB_SUITES-$CODENAME}",
        "mmdebstrap": 'cat >"$STUB_OUT"; mkdir "$6"; exit 1',
    }
    (tmp_path / "bin").mkdir()
    for name, body in stubs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    pip = place / ".venv/bin/pip"
    pip.write_text('#!/bin/sh\necho "$SOURCE_DATE_EPOCH $*" >>"$STUB_OUT"\n')
    pip.chmod(0o755)
    return place


def run_script(checkout: Path, *argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
    release = Path("/etc/os-release").read_text() if Path("/etc/os-release").exists() else ""
    codename = re.search(r"^VERSION_CODENAME=(\w+)$", release, re.MULTILINE)
    environ = {
        **os.environ,
        "PATH": f"{checkout.parent / 'bin'}:{os.environ['PATH']}",
        "STUB_OUT": str(checkout.parent / "out"),
        "CODENAME": codename[1] if codename else "",
        **variables,
    }
    argv = (str(checkout / ".ci/image"), *argv)
    return subprocess.run(argv, cwd=checkout.parent, capture_output=True, text=True, env=environ)


DEBIAN = pytest.mark.skipif(not Path("/etc/debian_version").exists(), reason="this is no Debian")


def test_who_is_not_root_is_told_what_to_do(checkout: Path) -> None:
    ran = run_script(checkout, STUB_ID="1000")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "root on Debian" in ran.stderr
    assert "--context" in ran.stderr


@DEBIAN
def test_a_base_that_could_not_be_made_is_not_taken_for_one(checkout: Path) -> None:
    for _ in range(2):
        ran = run_script(checkout)
        assert ran.returncode == 1
        assert not (checkout / ".cache/image/tools").exists()
        lines = (checkout.parent / "out").read_text().splitlines()
        assert lines == [f"deb https://mirror.internal/debian {script('suite')} main"]


@DEBIAN
def test_without_a_package_archive_nothing_is_made(checkout: Path) -> None:
    ran = run_script(checkout, STUB_SUITES="")
    assert ran.returncode == 2
    assert "apt has no archive" in ran.stderr
    assert not (checkout.parent / "out").exists()


def test_the_context_alone_needs_no_root_and_holds_what_is_committed(checkout: Path) -> None:
    (checkout / "Containerfile").write_text("FROM nothing\n")
    ran = run_script(checkout, "--context", "here", STUB_ID="1000")
    assert ran.returncode == 0, ran.stderr
    assert "not committed" in ran.stderr
    made = checkout.parent / "here"
    assert sorted(path.name for path in made.iterdir() if path.name[0] != ".") == ["context"]
    assert (made / "context/Containerfile").read_text() == TEXT
    assert sorted(path.name for path in (made / "context").iterdir()) == ["Containerfile", "constraints.txt", "wheels"]
    date = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=checkout, capture_output=True, text=True).stdout
    build, fetch = (checkout.parent / "out").read_text().splitlines()
    assert build.startswith(f"{date.strip()} wheel")
    assert "--only-binary=:all:" in fetch
    assert f"--python-version {script('python')}" in fetch


def test_options_that_are_not_there_are_said_to_be_wrong(checkout: Path) -> None:
    ran = run_script(checkout, "--push")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "--push" in ran.stderr
    shown = run_script(checkout, "--help")
    assert shown.returncode == 0
    assert "--context [FOLDER]" in shown.stdout


def test_two_runs_in_one_folder_are_one_too_many(checkout: Path) -> None:
    (checkout / ".cache/image").mkdir(parents=True)
    with (checkout / ".cache/image/.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = run_script(checkout, "--context")
    assert ran.returncode == 2
    assert "another run is at work" in ran.stderr
