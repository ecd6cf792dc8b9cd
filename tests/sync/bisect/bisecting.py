"""A workspace whose app takes many repos, and a check of the app's own that some of their commits break."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from flakesync.analysis.plan import make_plan
from flakesync.cache.layout import cache_dir
from flakesync.survey.read import read_survey
from flakesync.sync.bisect.bisect import bisect
from flakesync.sync.bisect.run import Bisection, BisectOptions, ProbeRun
from flakesync.sync.bisect.search import Found
from flakesync.sync.lockers.auto import LockerChoice
from flakesync.sync.options import Options
from flakesync.terms import RepoName
from flakesync.workspace.manifest import load_workspace, select
from tests.support.nixspace import Space, Take

CHECK = """
set -eu
LOG={log}
# One line a run, whole in one write: they may run at the same time.
printf '%s\\n' "$(grep -c '"rev"' flake.lock)" >> "$LOG"
{more}
rev=$(grep -of {bad} flake.lock | head -n 1)
if [ -n "$rev" ]; then echo "error: $rev is bad" >&2; exit 1; fi
"""


class Bisecting:
    """`app` takes `r0` … and nixpkgs, each of which has moved on by a commit; `break_with` says which moves are bad."""

    def __init__(
        self, root: Path, repos: int, *, more: str = "", own_nixpkgs: bool = False, **settings: object
    ) -> None:
        """more: what else the check does, in sh. own_nixpkgs: whether the repos take nixpkgs, so that they move too.

        settings: further keys of the app, with `_` for `-`.
        """
        self.space = Space(root / "acme")
        self.log, self.bad = root / "log", root / "bad"
        self.bad.write_text("")
        self.log.write_text("")
        names = [f"r{number}" for number in range(repos)]
        for name in names:
            self.space.add(name, {"nixpkgs": Take()} if own_nixpkgs else {})
        check = CHECK.format(log=self.log, bad=self.bad, more=more)
        self.space.add("app", {"nixpkgs": Take()} | {name: Take() for name in names}, files={"check.sh": check})
        for name in names:
            self.space.commit(name, {"note": name})
        keys = {key.replace("_", "-"): value for key, value in settings.items()}
        self.manifest = self.space.manifest(tables={"app": {"checks": ["sh check.sh"], **keys}})

    def break_with(self, *names: str) -> None:
        """Let the check fail when any of these has moved."""
        self.bad.write_text("".join(f"{self.space.tip(name)}\n" for name in names))

    @property
    def runs(self) -> int:
        """How often the check was run."""
        return len(self.log.read_text().splitlines())

    def bisect(
        self,
        *,
        jobs: int = 1,
        locker: LockerChoice = "native",
        listener: Callable[[ProbeRun], None] = lambda _: None,
        checks: tuple[tuple[str, ...], ...] | None = None,
        inputs: Sequence[str] = (),
        **wishes: object,
    ) -> Bisection:
        """Bisect the app, without Nix."""
        workspace = msgspec.structs.replace(load_workspace(self.manifest), jobs=1)
        survey = read_survey(workspace)
        plan = make_plan(survey, select(workspace, (), (), ()))
        return bisect(
            survey, plan, RepoName("app"), Options(cache=cache_dir(), locker=locker),
            BisectOptions(jobs=jobs, **wishes),  # type: ignore[arg-type]
            checks=checks, inputs=inputs, listener=listener,
        )  # fmt: skip


def guilty(found: Bisection) -> list[str]:
    """Return the ids of the guilty units."""
    assert isinstance(found.result, Found), found.result
    return [found.units[each.unit].id for each in found.result.guilty]
