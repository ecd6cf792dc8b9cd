"""What every test stands on: an environment that nothing of the machine leaks into, and real Nix where asked for.

Fixtures: `nix` runs the test once with each installed version, `outer_nix` with the oldest and the newest, `any_nix`
with the newest, `nix_versions` hands out all of them; `use_nix` makes it the one that the test's own process and its
children run. A test that takes any of
them is marked `nix`. `RealNix.env()` is an environment with the worker's warm store, `RealNix.env(folder)` one with a
store of its own, and `cold_nix_env` such a one that is cleaned up after the test.
"""

import gc
import itertools
import os
import re
import signal
import sys
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from flakesync.git.remotes import tries
from flakesync.net.forge_kinds import KINDS
from tests.support import nix as real_nix
from tests.support.kept import Kept
from tests.support.nix import RealNix

_NIX_FIXTURES = {"nix", "outer_nix", "any_nix", "nix_versions", "use_nix", "cold_nix_env"}
_KEPT = {
    "FLAKESYNC_FIDELITY",
    "FLAKESYNC_FIDELITY_FIRST",
    "FLAKESYNC_KILL",
    "FLAKESYNC_NIX_PATHS",
    "FLAKESYNC_REQUIRE_NIX",
    "FLAKESYNC_REQUIRE_TOOLS",
}
_DROPPED_PREFIXES = ("GIT_", "NIX_", "XDG_", "FLAKESYNC_", "SSH_", "GITHUB_", "GITLAB_", "LC_", "GPG_")
_DROPPED = {
    *(name for facts in KINDS.values() for name in facts.token_variables),
    "IN_NIX_SHELL",
    "FORCE_COLOR",
    "CLICOLOR_FORCE",
    "CI",
    "LANGUAGE",
    "PYTHONDONTWRITEBYTECODE",
}
_GITCONFIG = """\
[user]
\tname = Test Author
\temail = author@test.example
[init]
\tdefaultBranch = main
[commit]
\tgpgSign = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[receive]
\tautogc = false
[core]
\tfsync = none
"""

_LONG = {
    "test_a_desktops_repos_take_what_is_new_in_few_waves_and_rest",
    "test_kill_9_at_ten_moments_of_one_landing",
    "test_limits_are_kept_and_every_repo_gets_its_pull_request",
    "test_native_writes_what_nix_writes",
    "test_the_demo_lands_everything_on_three_forges",
    "test_the_example_workspace_lands",
    "test_the_pipeline_s_job_makes_a_night",
    "test_what_was_done_although_its_answer_was_lost_is_not_done_again",
}
"""Tests that take several seconds come first: one that began last would be waited for by all workers but one."""

_ROOM_BYTES = 1 << 30

# Containers often ask for none: each worker would compile all tests anew (five seconds), and each command flakesync.
sys.dont_write_bytecode = False

# No test looks at formats of schemas, and to import the grammar for them takes two seconds: jsonschema does without.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

# The same examples in every run, so that a run is green or red for what was changed; new ones are looked for with
# `--hypothesis-profile=search`.
# How long one takes says something of the machine alone.
_ANY_SPEED = settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", _ANY_SPEED, derandomize=True)
settings.register_profile("search", _ANY_SPEED)
settings.load_profile("suite")

_home_numbers = itertools.count()


def of_machine() -> dict[str, str]:
    """Return what tests may see of the environment that they are run in."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT
        or not (name in _DROPPED or name.startswith(_DROPPED_PREFIXES) or name.lower().endswith("_proxy"))
    }


def environment(home: Path, machine: dict[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a test whose home folder is `home`. machine: what `of_machine` has returned."""
    return {
        **(of_machine() if machine is None else machine),
        **real_nix.isolation(home / "nix"),
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "EDITOR": "false",
        "VISUAL": "false",
        "TZ": "UTC",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "COLUMNS": "120",
        # The network is a closed door: what tries anyhow fails at once instead of waiting for a name server.
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
        "all_proxy": "http://127.0.0.1:9",
        "no_proxy": "localhost,127.0.0.1,::1",
    }


def make_home(home: Path) -> None:
    """Make a home folder with a git identity and nothing else."""
    for folder in (home, home / "tmp", home / ".config", home / "run"):
        folder.mkdir(mode=0o700)
    (home / ".gitconfig").write_text(_GITCONFIG)


def pytest_configure(config: pytest.Config) -> None:
    # A shell ignores SIGINT for what it runs in the background, and nohup SIGHUP. Every child inherits that: tests send
    # both to some.
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
    in_memory = _in_memory()
    if in_memory is not None and not hasattr(config, "workerinput"):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(in_memory))
    # Imports, collection and session fixtures have no home at all; each test gets one of its own below.
    real_nix.installed()
    nowhere = Path("/nonexistent/home-of-the-test-suite")
    config.stash[_SAVED] = dict(os.environ)
    config.stash[_MACHINE] = of_machine()
    wanted = environment(nowhere, config.stash[_MACHINE]) | {"TMPDIR": os.environ.get("TMPDIR", "/tmp")}
    _replace_environ(wanted)


def _in_memory() -> Path | None:
    """Return a folder in memory with room for all that tests write; None: there is none.

    Tests make and remove some hundred thousand small files: with the disk of a virtual machine that doubles their time.
    """
    folder = Path("/dev/shm")
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        return None
    found = os.statvfs(folder)
    available = re.search(r"^MemAvailable: +(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    room = min(found.f_bavail * found.f_frsize, int(available[1]) << 10 if available else 0)
    return folder if room >= _ROOM_BYTES and not found.f_flag & os.ST_NOEXEC else None


def pytest_unconfigure(config: pytest.Config) -> None:
    if _SAVED in config.stash:
        _replace_environ(config.stash[_SAVED])


_SAVED: pytest.StashKey[dict[str, str]] = pytest.StashKey()
_MACHINE: pytest.StashKey[dict[str, str]] = pytest.StashKey()


def _replace_environ(wanted: dict[str, str]) -> None:
    for name in set(os.environ) - set(wanted):
        del os.environ[name]
    os.environ.update(wanted)


@pytest.fixture(autouse=True)
def hermetic(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Give the test an environment of its own; the result is its home folder (HOME), outside of `tmp_path`."""
    home = tmp_path_factory.getbasetemp() / f"home-{next(_home_numbers)}"
    make_home(home)
    # Eleven thousand tests do this: most variables are as they were for the test before.
    wanted, there = environment(home, pytestconfig.stash[_MACHINE]), dict(os.environ)
    for name in there.keys() - wanted.keys() - {"PYTEST_CURRENT_TEST"}:
        monkeypatch.delenv(name)
    for name, value in wanted.items():
        if there.get(name) != value:
            monkeypatch.setenv(name, value)
    # tempfile and libgit2 each look once and remember the answer.
    monkeypatch.setattr("tempfile.tempdir", None)
    _tell_libgit2(home)
    tries.forget()
    yield home
    monkeypatch.undo()
    real_nix.remove_state(home)


def _tell_libgit2(home: Path) -> None:
    if "pygit2" in sys.modules:
        from pygit2 import enums, settings

        settings.search_path[enums.ConfigLevel.GLOBAL] = str(home)
        settings.search_path[enums.ConfigLevel.XDG] = str(home / ".config/git")
        settings.search_path[enums.ConfigLevel.SYSTEM] = ""


def _version_params(*, between: bool = True) -> list[object]:
    versions = real_nix.installed()
    found: list[object] = [
        pytest.param((path, full), id=".".join(map(str, real_nix.numbers(full))))
        for path, full in (versions if between else dict.fromkeys([*versions[:1], *versions[-1:]]))
    ]
    lacking = [pytest.param(wish, id=f"{wish}-missing") for wish in real_nix.missing()]
    return found + lacking or [pytest.param(None, id="no-nix")]


@pytest.fixture(scope="session")
def nix_versions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RealNix]]:
    """Every installed version, oldest first."""
    base = tmp_path_factory.getbasetemp()
    found = [
        RealNix(path, real_nix.numbers(full), full, base / f"nix-state-{full}") for path, full in real_nix.installed()
    ]
    yield found
    for each in found:
        real_nix.remove_state(each.warm_state)


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Workspaces that are made once: `kept.again(NAME, make)`."""
    return Kept(tmp_path_factory.mktemp("kept"))


@pytest.fixture(params=_version_params())
def nix(request: pytest.FixtureRequest, nix_versions: list[RealNix]) -> RealNix:
    """One version; the test runs once with each."""
    return _asked_for(request.param, nix_versions)


@pytest.fixture(params=_version_params(between=False))
def outer_nix(request: pytest.FixtureRequest, nix_versions: list[RealNix]) -> RealNix:
    """The oldest version, then the newest, for what changed once, or never: a version between shows nothing more."""
    return _asked_for(request.param, nix_versions)


def _asked_for(param: object, nix_versions: list[RealNix]) -> RealNix:
    match param:
        case None:
            pytest.skip("nix is not installed (FLAKESYNC_NIX_PATHS, or `nix` on PATH)")
        case str(wish):
            pytest.fail(f"nix {wish} is required by FLAKESYNC_REQUIRE_NIX and is not there")
        case (path, _):
            return next(each for each in nix_versions if each.path == path)
    raise AssertionError(param)


@pytest.fixture
def any_nix(nix_versions: list[RealNix]) -> RealNix:
    """The newest version, for a test that one version is enough for."""
    if not nix_versions:
        pytest.skip("nix is not installed (FLAKESYNC_NIX_PATHS, or `nix` on PATH)")
    return nix_versions[-1]


@pytest.fixture
def use_nix(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> RealNix:
    """Make `nix` in os.environ's PATH the version under test (else that of `any_nix`), with its warm store.

    In this process flakesync is told its version without another start of it, which is a third of a lock's time: that
    it asks, and understands the answer, is shown in nix/.
    """
    chosen = _under_test(request)
    for key, value in chosen.env().items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr("flakesync.nix.program.command.run", real_nix.told(chosen))
    return chosen


def _under_test(request: pytest.FixtureRequest) -> RealNix:
    name = next((each for each in ("nix", "outer_nix") if each in request.fixturenames), "any_nix")
    found: RealNix = request.getfixturevalue(name)
    return found


@pytest.fixture
def cold_nix_env(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An environment with an empty store and cache for the version under test."""
    chosen = _under_test(request)
    state = tmp_path_factory.mktemp("cold-nix")
    yield chosen.env(state)
    real_nix.remove_state(state)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return three workers for two cores (`-n auto`): tests wait for processes, servers and pauses too."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + cores // 2


def pytest_collection() -> None:
    """Collect no garbage while tests are collected: hardly anything is any, and all of it is looked at again."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Leave eleven thousand tests out of every garbage collection, and have fewer of these."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: getattr(item, "originalname", None) not in _LONG)
    for item in items:
        if _NIX_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("nix")
        versions = real_nix.installed()
        for marker, quick in (("slow_but_newest", versions[-1:]), ("slow_between", (*versions[:1], *versions[-1:]))):
            if item.get_closest_marker(marker) and not _has_nix_of(item, quick):
                item.add_marker("slow")


def _has_nix_of(item: pytest.Item, versions: Sequence[tuple[Path, str]]) -> bool:
    """Tell whether the Nix that the test is for, if it is for one, is among these; those that are missing are too."""
    params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    asked = [params[name] for name in _NIX_FIXTURES & params.keys()]
    return all(each in versions for each in asked if isinstance(each, tuple))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where Nix is required, a skipped Nix test is a failed one."""
    report = yield
    required = os.environ.get("FLAKESYNC_REQUIRE_NIX")
    if required and report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("nix"):
        report.outcome = "failed"
        report.longrepr = f"skipped although FLAKESYNC_REQUIRE_NIX={required}: {report.longrepr}"
    return report
