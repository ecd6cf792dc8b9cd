"""Settings for git in the environment: real git reads them, after all that it is told otherwise."""

import os
import subprocess
from collections.abc import Mapping

import pytest

from flakesync.errors import GitError
from flakesync.gitenv import Settings, with_settings, without_filters

ODD = [("filter.a'b=c.smudge", ""), ("user.name", 'it\'s "quoted" $HOME\n~ %(prefix)/ # ;'), ("a.b", "!f() { x; }; f")]


def read(environ: Mapping[str, str], settings: Settings, key: str) -> list[str]:
    """Return the values of a key as git reads them in an environment with these settings."""
    env = {**os.environ, **environ, **with_settings({**os.environ, **environ}, settings)}
    argv = ["git", "config", "--null", "--get-all", key]
    done = subprocess.run(argv, env=env, capture_output=True, check=False, text=True, cwd="/")
    return done.stdout.split("\0")[:-1]


@pytest.mark.parametrize(
    "told", [{}, {"GIT_CONFIG_COUNT": ""}, {"GIT_CONFIG_PARAMETERS": "'x.y=z'"}, {"GIT_CONFIG_PARAMETERS": "'x.y'='z'"}]
)
def test_settings_arrive_to_the_letter(told: Mapping[str, str]) -> None:
    for key, value in ODD:
        assert read(told, ODD, key)[-1] == value
    assert read(told, ODD, "x.y") == (["z"] if told.get("GIT_CONFIG_PARAMETERS") else [])


def test_settings_that_are_there_stay_and_come_first() -> None:
    told = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.eol", "GIT_CONFIG_VALUE_0": "crlf"}
    assert read(told, [("core.eol", "lf")], "core.eol") == ["crlf", "lf"]
    handed = {**told, "GIT_CONFIG_PARAMETERS": "'core.eol'='native'"}
    assert read(handed, [("core.eol", "lf")], "core.eol")[-1] == "lf"
    assert with_settings(told, []) == {}


@pytest.mark.parametrize("count", ["many", "-1", "1.5", "²", "1 "])
def test_a_count_that_is_no_number_is_an_error(count: str) -> None:
    with pytest.raises(GitError, match="GIT_CONFIG_COUNT"):
        with_settings({"GIT_CONFIG_COUNT": count}, [("a.b", "c")])


def test_every_filter_driver_is_switched_off_once() -> None:
    found = without_filters(["filter.A.b.smudge", "filter.A.b.clean", "filter.lfs.required", "filter.x", "core.eol"])
    assert [key for key, _ in found if key.endswith(".smudge")] == ["filter.A.b.smudge", "filter.lfs.smudge"]
    assert ("filter.lfs.required", "false") in found
