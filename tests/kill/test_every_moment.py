"""Cut off at any moment, a command has harmed nothing, and the same command, run once more, does all it had to."""

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

from flakesync.demo.forge import storage
from flakesync.demo.forge.model import Kind
from flakesync.demo.forge.web.certificates import Certificates, make_certificates
from tests.kill import tracer
from tests.kill.place import Look, Place, make_place
from tests.kill.tracer import Mode, Traced
from tests.support import repos
from tests.support.forge.client import HOSTS
from tests.support.nixspace import UPDATE_BRANCH

pytestmark = pytest.mark.skipif(not tracer.available(), reason="needs ptrace, on Linux and x86-64")
EVERY = int(os.environ.get("FLAKESYNC_KILL", "0"))
"""For `make kill`: how many moments apart runs are cut off; 0: sync alone, at a few."""
FEW = 4
PARTS = 16
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True)
class Case:
    """A command, and what has been done before it. status: that of a run that nothing disturbs."""

    argv: Sequence[str]
    before: Callable[[Place], None] = lambda _: None
    status: int = 0
    kind: Kind = "forgejo"


SYNC = ("sync", "--locker", "native")


def synced(place: Place) -> None:
    place.must(*SYNC)


def published(place: Place) -> None:
    synced(place)
    place.must("publish")


def moved_on(place: Place) -> None:
    """Published, and then both the base of a repo and what all of them pin have moved."""
    published(place)
    place.hosted.commit("lib", {"more": "more\n"})
    place.move_pin()


def moved_on_and_synced(place: Place) -> None:
    moved_on(place)
    place.must(*SYNC)


def task(name: str) -> Sequence[str]:
    """Return the task of a repo. It is killed between the commit and the push, too: then the next one pushes it."""
    return ("task", name, "--plan", "plan.json", "--push", "--locker", "native")


def planned(place: Place) -> None:
    place.must("plan", "--out", "plan.json")


def planned_and_begun(place: Place) -> None:
    """The tasks of a repo's upstreams have ended, on this machine."""
    planned(place)
    place.must(*task("lib"))
    place.must(*task("app"))


def many_files(place: Place) -> None:
    """Synced, and then a mirror has so many objects with a file of their own that it is packed by the next run."""
    synced(place)
    with (Path(place.env["HOME"]) / ".gitconfig").open("a") as config:
        config.write("[fetch]\n\tunpackLimit = 1000\n")
    place.hosted.commit("lib", {f"many/{number}": f"{number}\n" for number in range(400)})
    place.must("graph")
    place.hosted.commit("lib", {"more": "more\n"})
    place.move_pin()


LAND = ("land", "--locker", "native")
CASES = {
    "init": Case(("init", "-w", "new.toml", "app", "site")),
    "drift": Case(("drift",), status=1),
    "report": Case(("report", "page"), published),
    "dry-run": Case((*SYNC, "--dry-run")),
    "sync": Case(SYNC),
    "sync-again": Case(SYNC, moved_on),
    "sync-processes": Case((*SYNC, "--executor", "processes:2")),
    "sync-packs": Case(SYNC, many_files),
    "plan": Case(("plan", "--out", "plan.json")),
    "task": Case(task("lib"), planned),
    "task-of-a-clone": Case(task("site"), planned_and_begun),
    "publish-github": Case(("publish",), synced, kind="github"),
    "publish-gitlab": Case(("publish",), synced, kind="gitlab"),
    "publish-forgejo": Case(("publish",), synced),
    "publish-again": Case(("publish",), moved_on_and_synced),
    "land-github": Case(LAND, published, kind="github"),
    "land-gitlab": Case(LAND, published, kind="gitlab"),
    "land-forgejo": Case(LAND, published),
    "abandon": Case(("abandon",), published),
}


@dataclass
class Prepared:
    """A case that is ready. after, again: what is there when it has been run once, and once more.

    whole: what was seen of a run that nothing disturbed.
    """

    place: Place
    before: Look
    after: Look
    again: Look
    whole: Traced


@pytest.fixture(autouse=True)
def steady_forge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the forge make its commits at one time always: the same merge is the same commit."""
    for name in ("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"):
        monkeypatch.setitem(storage._ENVIRONMENT, name, f"@{repos.DATE + 10_000 * 3600} +0000")


@pytest.fixture(scope="session")
def prepare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Prepared]]:
    """Makes a case ready, once a worker, and puts it back for each test."""
    made: dict[str, Prepared] = {}
    certificates: list[Certificates] = []

    def get(name: str) -> Prepared:
        if name not in made:
            top = tmp_path_factory.mktemp(f"kill-{name}")
            if not certificates:
                certificates.append(make_certificates(top / "certificates", HOSTS.values()))
            made[name] = _prepare(top, CASES[name], certificates[0])
        return made[name]

    yield get
    for each in made.values():
        each.place.hosted.forge.stop()


def _prepare(top: Path, case: Case, certificates: Certificates) -> Prepared:
    place = make_place(top, case.kind, certificates)
    case.before(place)
    place.save()
    before = place.look()
    ran, whole = place.run(*case.argv)
    assert ran.returncode == case.status, ran.stdout + ran.stderr
    after = place.look()
    place.fsck()
    place.run(*case.argv)
    return Prepared(place, before, after, place.look(), whole)


def _some(whole: Traced) -> Iterator[tuple[Mode, int]]:
    """Give a few moments, spread over a run, each in another mode than the one before."""
    for each in range(FEW):
        mode = MODES[each % len(MODES)]
        yield mode, 1 + int((each + 0.5) * _moments(whole, mode) / FEW)


def _every(whole: Traced, part: int) -> Iterator[tuple[Mode, int]]:
    for mode in MODES:
        yield from ((mode, number) for number in range(1 + part * EVERY, _moments(whole, mode) + 1, PARTS * EVERY))


def _moments(whole: Traced, mode: Mode) -> int:
    return whole.moments if mode in ("run", "all") else whole.of_room


def _parts() -> list[tuple[str, int]]:
    return [(name, part) for name in CASES for part in range(PARTS)] if EVERY else [("sync", 0)]


@pytest.mark.parametrize(("name", "part"), _parts())
def test_a_command_that_is_cut_off_loses_nothing_and_is_finished_by_the_next(
    prepare: Callable[[str], Prepared], name: str, part: int, record_property: Callable[[str, object], None]
) -> None:
    case, ready = CASES[name], prepare(name)
    chosen = _every(ready.whole, part) if EVERY else _some(ready.whole)
    moments = [*chosen]
    record_property(name, len(moments))
    wrong = _wrong(case, ready, moments)
    assert not wrong, "\n".join(wrong)


def _wrong(case: Case, ready: Prepared, moments: Iterable[tuple[Mode, int]]) -> list[str]:
    """Return what does not hold, by moment."""
    wrong: list[str] = []
    for mode, number in moments:
        ready.place.put_back()
        ran, traced = ready.place.run(*case.argv, number=number, mode=mode)
        try:
            _holds(case, ready, ran, mode)
        except AssertionError as error:
            wrong.append(f"{mode} at {number} of {_moments(ready.whole, mode)}, {traced.what}: {str(error)[:2000]}")
    return wrong


def _holds(case: Case, ready: Prepared, ran: "subprocess.CompletedProcess[str]", mode: Mode) -> None:
    place = ready.place
    full = mode in ("full", "full-once")
    if full:
        assert ran.returncode in (0, 1, 2), ran.stderr
        assert "Traceback" not in ran.stderr, ran.stderr
    place.fsck(worktrees=False)
    _nothing_is_lost(ready, place.look(), exactly=not full)
    place.let_time_pass()
    again, _ = place.run(*case.argv)
    cut_at_the_end = case.argv[0] == "init" and again.returncode == 2
    assert again.returncode == case.status or cut_at_the_end, again.stdout + again.stderr
    end = place.look()
    assert end.users == ready.after.users, _differences(end.users, ready.after.users)
    if full:
        # A repo that failed alone leaves the others another run, whose name is in their commits; but that is all.
        assert _shape(end) in (_shape(ready.after), _shape(ready.again)), _differences(end.refs, ready.after.refs)
        place.run(*case.argv)
        rest = place.look()
        assert (rest.pulls, rest.users) == (end.pulls, end.users), _differences(rest.pulls, end.pulls)
    else:
        assert end.pulls == ready.after.pulls, _differences(end.pulls, ready.after.pulls)
        assert end.refs.keys() == ready.after.refs.keys()
        for folder, refs in end.refs.items():
            # What was done in full is fetched by the next run, as it is after any other.
            once, twice = ready.after.refs[folder], ready.again.refs[folder]
            assert all(refs.get(ref) in (once.get(ref), twice.get(ref)) for ref in {*refs, *once, *twice}), (
                f"{folder}: {_differences(refs, once)}"
            )
    left = [name for name in end.left if name not in (*ready.after.left, *ready.again.left)]
    if cut_at_the_end:  # what it had begun to keep goes with whatever reads the manifest next
        left = [name for name in left if not name.endswith(".part")]
    # The order of repos is kept by their graph, and a landing that was cut off has read another one.
    left = [name for name in left if not name.startswith("cache/orders/")]
    if full:  # without the repo that failed alone the others had other trees: how their checks ended is kept by tree
        left = [name for name in left if not _is_verdict(place.root / name)]
    assert left == [], f"left behind: {left}"
    place.fsck()


def _is_verdict(file: Path) -> bool:
    return file.parent.name == "verdicts" and bool(json.loads(file.read_bytes()))


def _shape(look: Look) -> object:
    """Return which branches and pull requests there are, whatever commits they are at: of servers and of clones."""
    refs = {
        folder: sorted(ref for ref in refs if not ref.startswith(("refs/remotes/", "refs/flakesync/")))
        for folder, refs in look.refs.items()
    }
    return refs, {name: [(*pull[:4], pull[6], pull[9]) for pull in pulls] for name, pulls in look.pulls.items()}


def _differences(there: Mapping[str, object], wanted: Mapping[str, object]) -> str:
    keys = sorted({*there, *wanted})
    return "\n".join(
        f"{key}: {there.get(key)}, not {wanted.get(key)}" for key in keys if there.get(key) != wanted.get(key)
    )


def _nothing_is_lost(ready: Prepared, now: Look, *, exactly: bool) -> None:
    """Every file of the user is as it was, and every ref where it was or where it belongs."""
    for file, content in ready.before.users.items():
        assert now.users.get(file) == content, file
    for file, content in now.users.items():
        if (
            file == "plan.json" and not exactly
        ):  # without the repo that failed alone it is another plan, and a whole one
            assert json.loads(content)["format"] == "flakesync/plan-file/1"
        # init writes beside its manifest first.
        elif not file.endswith(".flakesync-part"):
            assert content in (ready.before.users.get(file), ready.after.users.get(file)), file
    for folder, refs in ready.before.refs.items():
        if folder.startswith("cache") and folder not in now.refs:
            continue
        after = ready.after.refs[folder]
        for ref, rev in refs.items():
            found = now.refs[folder].get(ref)
            moves = ref.endswith(UPDATE_BRANCH) or ref.startswith(("refs/pull/", "refs/merge-requests/"))
            if moves or (folder.startswith("forge") and not exactly):
                # On its way from one commit to another a landing makes others.
                assert found is not None or after.get(ref) is None, (folder, ref)
            else:
                assert found in (rev, after.get(ref)), (folder, ref)
