"""An input that is older than its pin allows."""

from tests.support.drift import NEW, one, pinned
from tests.support.locks import Inputs
from tests.support.workspaces import DAY_S, NOW, nixpkgs


def test_a_lock_older_than_the_pin_allows_is_a_finding_even_at_the_target() -> None:
    flakes: dict[str, Inputs] = {
        "app": {"nixpkgs": nixpkgs(NEW, last_modified=NOW - 40 * DAY_S)},
        "lib": {"nixpkgs": nixpkgs(NEW, last_modified=NOW - 30 * DAY_S)},
    }
    finding = one(pinned(flakes, max_age_s=30 * DAY_S))
    assert (finding.kind, finding.repo, finding.locked_rev) == ("age", "app", NEW)
    assert finding.detail == "40 days old, pin nixpkgs allows 30"
