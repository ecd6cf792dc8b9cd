"""drift and plan with a pin on a loopback GitHub: one call, only tips; the same exit status where it does not tell."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flakesync.cooldown.model import DAY_S
from flakesync.demo.forge import pulls
from flakesync.demo.forge.model import BranchMove, Project, Site
from flakesync.demo.forge.web.messages import Answer, Request
from flakesync.terms import Rev
from tests.support import locks
from tests.support.cooling import note_seen
from tests.support.forge import Forge
from tests.support.forked import flakesync
from tests.support.history import line, make_history
from tests.support.workspaces import make_ground


@dataclass
class Cooled:
    """A repo that is locked at the oldest of the commits `c0` … `c29` of a nixpkgs on a forge. source: of the pin."""

    root: Path
    forge: Forge
    site: Site
    project: Project
    host: str
    revs: dict[str, Rev]

    @property
    def source(self) -> str:
        return f"git+https://{self.host}/acme/nixpkgs?ref=main"

    def pushed(self, *moves: tuple[str, int]) -> None:
        """Let the forge have recorded these tips of `main`, so many UTC days ago, oldest first."""
        today = int(time.time()) // DAY_S
        before = None
        for name, days in moves:
            at = (today - days) * DAY_S + 60
            self.project.moves.append(BranchMove("main", before, self.revs[name], at, "push"))
            before = self.revs[name]

    def manifest(self, **conditions: object) -> None:
        url = f"https://{self.host}/acme/nixpkgs"
        lib = {"nixpkgs": locks.git(url, rev=self.revs["c0"], ref="main")}
        made = make_ground(self.root, {"lib": lib}, pins={"nixpkgs": {"source": self.source, **conditions}})
        forge = f'\n[forges."{self.host}"]\nkind = "github"\napi = "https://{self.host}/api/v3"\n'
        forge += f'token-env = "FORGE_TOKEN"\nca-file = "{self.forge.certificates.ca}"\n'
        made.manifest.write_text(made.manifest.read_text() + forge)

    def pin(self, status: int) -> dict[str, object]:
        """Return what drift says of the pin; it has to end with this status."""
        ran = flakesync("drift", "--json", cwd=self.root, env={**os.environ, "FORGE_TOKEN": "token"})
        assert ran.returncode == status, ran.stderr
        (pin,) = json.loads(ran.stdout)["pins"]
        assert isinstance(pin, dict)
        return pin

    def asked(self) -> list[str]:
        return [exchange.request.path for exchange in self.forge.requests(path="^/api/")]


@pytest.fixture
def cooled(tmp_path: Path) -> Iterator[Cooled]:
    with Forge(tmp_path / "forge", [("github.com", "github")]) as forge:
        site = forge.sites["github.com"]
        site.add_account("token", "bot", "read")
        project = site.create("acme/nixpkgs")
        revs = make_history(project.storage.path, line(30, start=int(time.time()) - 90 * DAY_S, step_s=DAY_S))
        yield Cooled(tmp_path, forge, site, project, f"localhost:{forge.open_port('github.com')}", revs)


def test_the_newest_push_that_is_old_enough_is_the_target_and_costs_one_call(cooled: Cooled) -> None:
    cooled.pushed(("c3", 40), ("c9", 20), ("c15", 8), ("c22", 5), ("c29", 1))
    cooled.manifest(cooldown="7d", tips=True)
    pin = cooled.pin(1)
    assert pin["target_rev"] == cooled.revs["c15"]
    tip = pin["tip"]
    assert isinstance(tip, dict)
    assert (tip["rev"], tip["dated_by"]) == (cooled.revs["c29"], "forge")
    assert cooled.asked() == ["/api/v3/repos/acme/nixpkgs/activity"]


@pytest.mark.parametrize("status", [403, 404])
def test_where_the_forge_does_not_tell_the_record_does_and_the_exit_status_is_the_same(
    cooled: Cooled, status: int
) -> None:
    cooled.pushed(("c3", 40), ("c15", 8), ("c29", 1))

    def refuse(request: Request, perform: object) -> Answer:
        return Answer(status, {"message": "no"})

    cooled.forge.faults.add(refuse, path="/activity", times=99)
    note_seen(cooled.source, {cooled.revs["c9"]: 10})
    cooled.manifest(cooldown="7d", tips=True)
    assert cooled.pin(1)["target_rev"] == cooled.revs["c9"]
    note_seen(cooled.source, {cooled.revs["c0"]: 9})
    ran = flakesync("plan", cwd=cooled.root, env={**os.environ, "FORGE_TOKEN": "token"})
    assert ran.returncode == 0, ran.stderr


def test_the_checks_of_a_push_are_asked_for_once(cooled: Cooled) -> None:
    cooled.pushed(("c3", 40), ("c9", 20), ("c15", 8), ("c29", 1))
    for name, state in (("c15", "failure"), ("c9", "success")):
        rev, account = cooled.revs[name], cooled.site.ci_account
        pulls.add_check(cooled.site, cooled.project, rev, "build", state, account, run=True)
    cooled.manifest(cooldown="7d", **{"require-ci": ["build"]})
    assert cooled.pin(1)["target_rev"] == cooled.revs["c9"]
    asked = len(cooled.asked())
    assert asked == 1 + 2 * 2
    assert cooled.pin(1)["target_rev"] == cooled.revs["c9"]
    assert len(cooled.asked()) == asked + 1, "only the pushes are asked for again"
