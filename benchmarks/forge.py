"""`publish` and `land` on the example forge, over TLS, every answer of which takes 50 ms.

The calls of a run to one host go one after the other, and nothing else is a rule of the forges: no run can take less
than the calls to its busiest host times the latency. That is what publish is measured against, from the start of the
process to its end: whatever else it does, pushes above all, should be done while it waits. git goes over https to the
same server, and each of its requests takes as long, but git's requests do not have to wait for each other.

The server runs on the same machine; what it does itself lies within the 50 ms, unless the machine is too busy.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.land import make_landing
from benchmarks.measure import show
from flakesync.demo.forge.web.messages import Answer, Request
from flakesync.forge.github.many import AT_ONCE
from tests.support.forge import Forge
from tests.support.forge.client import HOSTS
from tests.support.forge.faults import Perform
from tests.support.forge.many import make_many

LATENCY_S = 0.05
PUBLISHED = 200
LANDED = 30

_GIT = re.compile(r"/(info/refs|git-upload-pack|git-receive-pack)$")
_GIT_WRAPPER = '#!/bin/sh\necho git >> {log}\nexec {git} "$@"\n'


@dataclass(frozen=True)
class Measured:
    """One run. calls: to the API, by host. git: processes, where they are counted."""

    seconds: float
    calls: Counter[str]
    statuses: Counter[str]
    git: int

    @property
    def floor_s(self) -> float:
        """What the calls to the busiest host take."""
        return max(self.calls.values()) * LATENCY_S

    def per_repo(self, count: int) -> str:
        """Return how many calls there were for each repo."""
        return f"{self.calls.total() / count:.2f}"

    def ratio(self) -> str:
        """Return time and floor."""
        return f"{self.seconds / self.floor_s:.2f} ({self.seconds:.1f} s against {self.floor_s:.1f} s)"


@contextmanager
def forge_in(root: Path, latency_s: float) -> Iterator[Forge]:
    """Give a forge with a site of each kind."""
    with Forge(root / "forge", [(host, kind) for kind, host in HOSTS.items()]) as forge:
        forge.faults.add(_late(latency_s), times=None)
        yield forge


def _late(latency_s: float) -> Callable[[Request, Perform], Answer]:
    def action(_request: Request, perform: Perform) -> Answer:
        begin = time.perf_counter()
        answer = perform()
        time.sleep(max(0.0, latency_s - (time.perf_counter() - begin)))
        return answer

    return action


def run(root: Path, forge: Forge, manifest: Path, environment: Mapping[str, str], *argv: str) -> Measured:
    """Run a command of flakesync and return what it took. Raises RuntimeError: it failed."""
    log = root / "git.log"
    log.write_text("")
    forge.forget_log()
    command = [sys.executable, "-m", "flakesync", *argv, "--json", "-w", str(manifest)]
    env = {**os.environ, "HOME": str(root), "XDG_CACHE_HOME": str(root / "cache"), **environment}
    begin = time.perf_counter()
    ended = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    seconds = time.perf_counter() - begin
    if ended.returncode != 0:
        raise RuntimeError(f"{command}: status {ended.returncode}: {ended.stdout.decode()}{ended.stderr.decode()}")
    calls = Counter(
        exchange.request.authority for exchange in forge.requests() if not _GIT.search(exchange.request.path)
    )
    statuses = Counter(each.get("status", each.get("stage")) for each in json.loads(ended.stdout)["repos"])
    return Measured(seconds, calls, statuses, len(log.read_text().split()))


def counting_git(root: Path) -> dict[str, str]:
    """Return the variable that lets git write down that it was started; what it starts itself does not count."""
    wrapper = root / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(_GIT_WRAPPER.format(log=root / "git.log", git=shutil.which("git")))
    wrapper.chmod(0o755)
    return {"PATH": f"{wrapper.parent}:{os.environ['PATH']}"}


def publish(hosts: Sequence[str], count: int, latency_s: float) -> tuple[Measured, Measured, Measured]:
    """Return what publishing a fresh set takes, what doing it again takes, and `status` then."""
    with tempfile.TemporaryDirectory() as folder, forge_in(Path(folder), latency_s) as forge:
        root = Path(folder)
        many = make_many(root / "many", forge, hosts, count)
        fresh = run(root, forge, many.manifest, many.environment(), "publish")
        again = run(root, forge, many.manifest, many.environment(), "publish")
        shown = run(root, forge, many.manifest, many.environment(), "status")
    told = fresh.statuses, again.statuses, shown.statuses
    if told != (Counter(opened=count), Counter(unchanged=count), Counter(open=count)):
        raise RuntimeError(f"{told}")
    return fresh, again, shown


def land(host: str, count: int) -> Measured:
    """Return what landing a published set takes, squashed, all in one run."""
    with tempfile.TemporaryDirectory() as folder, forge_in(Path(folder), LATENCY_S) as forge:
        root = Path(folder)
        manifest, environment = make_landing(root / "space", forge, host, count)
        for command in ("sync", "publish"):
            run(root, forge, manifest, environment, command)
        landed = run(root, forge, manifest, {**environment, **counting_git(root)}, "land")
    if landed.statuses != Counter(landed=count):
        raise RuntimeError(f"{landed.statuses}")
    return landed


def main() -> None:
    """Print calls and ratios."""
    rows: list[tuple[str, str, str]] = []
    for kind, host in HOSTS.items():
        fresh, again, shown = publish([host], PUBLISHED, 0)
        most = -(-PUBLISHED // AT_ONCE) + 1 if kind == "github" else PUBLISHED
        rows.append((f"forge calls a repo, publish of a fresh set, {kind}", fresh.per_repo(PUBLISHED), "≤ 4"))
        calls = f"forge calls of an unchanged set of {PUBLISHED} repos, {kind}"
        rows.append((f"{calls}: publish", f"{again.calls.total()}", f"≤ {most}"))
        rows.append((f"{calls}: status", f"{shown.calls.total()}", "–"))
    for where, hosts in (("github", [HOSTS["github"]]), ("three hosts", [*HOSTS.values()])):
        fresh, again, _ = publish(hosts, PUBLISHED, LATENCY_S)
        rows.append((f"publish, {PUBLISHED} repos, {where} / its calls one by one", fresh.ratio(), "≤ 1.3"))
        rows.append((f"the same, nothing changed, {where}", again.ratio(), "–"))
    if shutil.which("nix") is not None:
        found = land(HOSTS["github"], LANDED)
        rows.append((f"land, {LANDED} repos in 4 waves, squash / its calls one by one", found.ratio(), "–"))
        rows.append(("the same: seconds a repo", f"{found.seconds / LANDED:.2f}", "–"))
        rows.append(("the same: forge calls a repo", found.per_repo(LANDED), "–"))
        rows.append(("the same: git processes a repo", f"{found.git / LANDED:.1f}", "–"))
    show(rows)


if __name__ == "__main__":
    main()
