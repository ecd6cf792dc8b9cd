"""A build that has failed is not begun again where Nix would build the same; what does not evaluate is not shared."""

import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from flakesync.nix.program.command import CheckRun
from flakesync.sync.bisect.derivations import FailedBuilds, are_builds
from flakesync.sync.bisect.run import Bisection
from tests.support.nix import RealNix
from tests.support.nixspace import Take, flake_nix
from tests.sync.bisect.bisecting import Bisecting, guilty


@pytest.mark.parametrize(
    ("command", "builds"),
    [
        ("nix flake check", True),
        ("nix flake check -L", True),
        ("nix build", True),
        ("nix build .#default .#other --no-link --print-build-logs", True),
        ("nix flake check --impure", False),
        ("nix flake check github:acme/other", False),
        ("nix build nixpkgs#hello", False),
        ("nix build .#x --rebuild", False),
        ("nix eval .#x", False),
        ("sh check.sh", False),
    ],
)
def test_only_what_builds_the_flake_itself_is_looked_at(command: str, builds: bool) -> None:
    assert are_builds([command.split()]) == builds
    # What one check leaves behind, another one may take.
    assert not are_builds([command.split(), ["sh", "check.sh"]])
    assert not are_builds([])


class Answers:
    """What Nix would say. drv: of the only check. sound: whether the rest evaluates."""

    def __init__(self, drv: str, *, sound: bool = True) -> None:
        self.drv, self.sound = drv, sound

    def __call__(self, argv: Sequence[str], _: Path) -> CheckRun:
        if "--no-build" in argv:
            return CheckRun(0 if self.sound else 1, "")
        if "--apply" in argv:
            return CheckRun(0, f'warning: a dirty tree\n{{"a":"/nix/store/{self.drv}.drv"}}\nwarning: later')
        return CheckRun(0, "warning: no cache\nx86_64-linux")


CHECK, FOLDER = ("nix", "flake", "check"), Path("/nowhere")
FAILED = CheckRun(1, "error: builder failed")


def test_the_same_derivation_fails_again_and_another_one_is_not_known() -> None:
    builds = FailedBuilds()
    assert builds.known(CHECK, FOLDER, Answers("one")) is None
    builds.note(CHECK, FOLDER, FAILED, Answers("one"))
    assert builds.known(CHECK, FOLDER, Answers("one")) == FAILED
    assert builds.known(CHECK, FOLDER, Answers("other")) is None
    assert builds.known((*CHECK, "-L"), FOLDER, Answers("one")) is None


@pytest.mark.parametrize(
    "ran", [CheckRun(0, ""), CheckRun(None, ""), CheckRun(-9, ""), CheckRun(1, "error: No space left on device")]
)
def test_what_passes_or_has_not_decided_itself_is_not_kept(ran: CheckRun) -> None:
    builds = FailedBuilds()
    builds.note(CHECK, FOLDER, ran, Answers("one"))
    assert builds.known(CHECK, FOLDER, Answers("one")) is None


def test_a_failure_to_evaluate_is_neither_kept_nor_taken_for_one_of_a_build() -> None:
    builds = FailedBuilds()
    builds.note(CHECK, FOLDER, FAILED, Answers("one", sound=False))
    assert builds.known(CHECK, FOLDER, Answers("one")) is None
    builds.note(CHECK, FOLDER, FAILED, Answers("one"))
    assert builds.known(CHECK, FOLDER, Answers("one", sound=False)) is None


class Built(Bisecting):
    """An app that builds a derivation of what two of its inputs say; one of them has a commit that breaks the build."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, 6)
        self.builds = root / "builds"
        takes = {"nixpkgs": Take()} | {f"r{number}": Take() for number in range(6)}
        say = f'echo $note >> {self.builds}; if [ "$note" = bad ]; then exit 1; fi; echo ok > $out'
        script = say.replace('"', '\\"')
        made = (
            "builtins.listToAttrs (map (system: { name = system; value = { a = derivation { inherit system; "
            f'name = "a"; note = inputs.r1.note; builder = "/bin/sh"; args = [ "-c" "{script}" ]; }}; }}; }}) '
            '[ "x86_64-linux" "aarch64-linux" ])'
        )
        text = self.space.flake_nix(takes).replace('note = "one";', f"checks = {made}; packages = {made};")
        self.space.commit("app", {"flake.nix": text})
        self.space.commit("r1", {"flake.nix": flake_nix("", note="bad")})

    @property
    def begun(self) -> int:
        """How often the build that fails was begun."""
        return self.builds.read_text().split().count("bad")


def shared(found: Bisection) -> int:
    return sum(each.result.source == "same-drv" for each in found.probes)


@pytest.mark.slow_but_newest
@pytest.mark.nix
@pytest.mark.usefixtures("use_nix")
@pytest.mark.parametrize("check", [("nix", "flake", "check"), ("nix", "build", ".#a", "--no-link")])
def test_a_build_that_has_failed_is_not_begun_for_beginnings_that_build_the_same(
    tmp_path: Path, nix: RealNix, check: tuple[str, ...]
) -> None:
    made = Built(tmp_path)
    found = made.bisect(checks=(check,), locker="auto")
    assert guilty(found) == ["r1"]
    assert shared(found) >= 1
    # All three times, and the unit alone.
    assert made.begun == 4
    told = next(each.result for each in found.probes if each.result.source == "same-drv")
    whole = next(each.result for each in found.probes if len(each.units) == len(found.units))
    assert told.failed == shlex.join(check)
    assert (told.exit_status, told.output) == (whole.exit_status, whole.output)
