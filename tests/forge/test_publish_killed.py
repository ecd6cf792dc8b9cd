"""A publish that is killed while it speaks to its server is finished by the next one, and nothing is opened twice."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from flakesync.demo.forge.web.messages import Answer, Request
from tests.cli.conftest import command, environment
from tests.forge.test_publish_forges import CHAIN, KINDS, TOKEN, make_online, statuses
from tests.support.forge import Forge
from tests.support.forge.faults import Perform

MOMENTS = 10


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_kill_9_while_a_request_is_on_its_way(tmp_path: Path, forge: Forge, moment: int) -> None:
    """moment: how far it comes. Every other time the last request, of git or to the API, is still carried out."""
    online = make_online(tmp_path, forge, KINDS[moment % len(KINDS)])
    killed: list[int] = []

    def kill(_: Request, perform: Perform) -> Answer | None:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        killed.append(process.pid)
        return perform() if moment % 2 else None

    forge.faults.add(kill, skip=5 * moment // 2)
    env = environment(ACME_TOKEN=TOKEN, **forge.certificates.environment())
    argv = [*command("publish"), "--jobs", "1"]
    with subprocess.Popen(argv, cwd=online.town.root, env=env, stdin=subprocess.DEVNULL) as process:
        assert process.wait(timeout=240) == -signal.SIGKILL
    forge.faults.clear()
    assert killed
    assert set(statuses(online.run("publish"))) <= {"opened", "updated", "unchanged"}
    assert statuses(online.run("publish")) == ["unchanged"] * 3
    for name in CHAIN:
        (pull,) = online.project(name).pulls
        assert pull.head_rev == online.town.ref(online.town.clone(name))
        assert [label.name for label in pull.labels] == ["flake-lock"]
    (last,) = online.project("site").pulls
    assert last.body.count("Depends-On: ") == 2
