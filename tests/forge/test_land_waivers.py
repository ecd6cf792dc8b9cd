"""What nobody waited for is published and landed with its reason, also where the commit is made anew."""

from pathlib import Path

from flakesync.terms import PinName
from tests.support import repos
from tests.support.cooling import note_seen, push, source_of
from tests.support.landing import Landing
from tests.support.nixspace import UPDATE_BRANCH, Space, Take, run_sync

TRAILER = 'Flakesync-Cooldown: waived nixpkgs "CVE-2026-12345"'


def waived(root: Path) -> Landing:
    """Return lib ← app, synced and published with a nixpkgs that is a day old."""
    space = Space(root).add("lib").add("app", {"nixpkgs": Take(), "lib": Take(follows={"nixpkgs": "nixpkgs"})})
    landing = Landing(space, pins={"nixpkgs": {"source": source_of(space), "cooldown": "7d"}})
    old = space.tip("nixpkgs")
    note_seen(source_of(space), {space.first_nixpkgs: 30, old: 10, push(space, "mended"): 1})
    run_sync(landing.file, locker="native", waived={PinName("nixpkgs"): "CVE-2026-12345"})
    landing.publish()
    return landing


def message(landing: Landing, name: str) -> list[str]:
    return landing.forge.storage(name).git("log", "-1", "--format=%B", f"refs/heads/{UPDATE_BRANCH}").splitlines()


def test_a_pull_request_says_for_which_pins_nobody_waited_and_why(tmp_path: Path) -> None:
    landing = waived(tmp_path)
    assert "Cooldown waived:\n\n- `nixpkgs`: `CVE-2026-12345`" in landing.forge.one("lib").body


def test_a_commit_that_landing_makes_anew_keeps_the_trailer(tmp_path: Path) -> None:
    landing = waived(tmp_path)
    before = landing.update("lib")
    repos.run_git("switch", "-q", "main", cwd=landing.space.path("lib"))
    landing.space.commit("lib", {"x": "somebody else's work"})
    landing.land("lib", merge=False, locker="native")
    assert landing.update("lib") != before
    assert TRAILER in message(landing, "lib")


def test_all_lands_and_the_next_night_leaves_it_there(tmp_path: Path) -> None:
    landing = waived(tmp_path)
    assert set(landing.land(locker="native").statuses.values()) == {"landed"}
    landing.assert_done()
    ran = run_sync(landing.file, locker="native")
    assert set(ran.statuses.values()) == {"unchanged"}
    (pin,) = ran.document.pins
    assert (pin.target_rev, pin.stays) == (None, "locked rev is younger")
