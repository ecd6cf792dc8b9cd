"""The keys of a cooldown: each value arrives where it belongs, and what can do nothing is refused with its place."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.terms import Rev
from flakesync.workspace.manifest import InvalidManifest, Workspace, load_workspace
from flakesync.workspace.settings.cooldown import Conditions
from tests.workspace.test_schema import is_valid

REV = Rev("3f2a1c9" + "0" * 33)
REPO = '[repos.lib]\nurl = "github:acme/lib"\n'
WHOLE = f"""
[workspace]
external = "latest"
cooldown = "3d"
dated-by = "trusted"
seen = "state/seen.json"

[pins.nixpkgs]
source = "github:NixOS/nixpkgs/nixos-26.05"
cooldown = "1w"
at-least = "{REV}"
at-least-reason = "CVE-2026-12345"

[pins.crane]
source = "github:ipetkov/crane"
require-ci = ["build", "ci/*"]
ci-depth = 5
tips = true
dated-by = "any"

[external-policy."github:acme-vendor/*"]
cooldown = "14d"
require-ci = true

[external-policy."github:acme-vendor/own"]
cooldown = "0"
"""

Load = Callable[[str], Workspace]
Problems = Callable[[str], dict[str, tuple[str, str | None]]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def run(text: str) -> Workspace:
        (tmp_path / "workspace.toml").write_text(f"{text}\n{REPO}")
        return load_workspace(tmp_path / "workspace.toml")

    return run


@pytest.fixture
def problems(load: Load) -> Problems:
    def run(text: str) -> dict[str, tuple[str, str | None]]:
        with pytest.raises(InvalidManifest) as caught:
            load(text)
        assert len({problem.place for problem in caught.value.problems}) == len(caught.value.problems)
        return {problem.place: (problem.message, problem.hint) for problem in caught.value.problems}

    return run


def pin(lines: str, *, source: str = "github:acme/x", workspace: str = "") -> str:
    return f'[workspace]\n{workspace}\n[pins.x]\nsource = "{source}"\n{lines}\n'


def test_each_value_arrives(load: Load, tmp_path: Path) -> None:
    workspace = load(WHOLE)
    nixpkgs, crane = (each.conditions for each in workspace.pins)
    assert nixpkgs == Conditions(
        cooldown_days=7, tips=True, at_least=REV, at_least_reason="CVE-2026-12345", only_trusted=True
    )
    assert crane == Conditions(cooldown_days=3, tips=True, require_ci=("build", "ci/*"), ci_depth=5)
    assert workspace.seen == tmp_path / "state/seen.json"
    assert is_valid(f"{WHOLE}\n{REPO}")


def test_without_a_key_nothing_is_asked(load: Load) -> None:
    workspace = load(pin("", source="github:NixOS/nixpkgs/nixos-26.05"))
    assert workspace.pins[0].conditions == Conditions(tips=True)
    assert workspace.pins[0].conditions.is_idle
    assert workspace.seen is None
    assert workspace.external_conditions(FlakeRef.parse("github:acme/x")).is_idle


@pytest.mark.parametrize(
    "asked", [Conditions(cooldown_days=1), Conditions(require_ci=()), Conditions(at_least=REV, at_least_reason="x")]
)
def test_what_asks_for_something_is_not_idle(asked: Conditions) -> None:
    assert not asked.is_idle


@pytest.mark.parametrize(("written", "days"), [("0", 0), ("0d", 0), ("1d", 1), ("14d", 14), ("2w", 14), ("400d", 400)])
def test_a_cooldown_is_in_whole_days(load: Load, written: str, days: int) -> None:
    manifest = pin(f'cooldown = "{written}"')
    assert load(manifest).pins[0].conditions.cooldown_days == days
    assert is_valid(f"{manifest}\n{REPO}")


@pytest.mark.parametrize("written", ["3", "3h", "90m", "3.5d", "-1d", " 3d", "3 d", "d", "٣d", "3D", "00", "3d2w"])
def test_what_is_no_number_of_days_is_refused(problems: Problems, written: str) -> None:
    manifest = pin(f'cooldown = "{written}"')
    hint = 'whole days: `"3d"` or `"2w"`, and `"0"` for none'
    assert problems(manifest) == {"pins.x.cooldown": (f"`{written}` is not a cooldown", hint)}
    assert not is_valid(f"{manifest}\n{REPO}")


def test_a_cooldown_is_written_in_quotes(problems: Problems) -> None:
    found = problems(pin("cooldown = 3"))
    assert found["pins.x.cooldown"] == (
        "must be a string, not an integer",
        'whole days: `"3d"` or `"2w"`, and `"0"` for none',
    )


def test_a_cooldown_is_no_longer_than_tips_are_remembered(problems: Problems) -> None:
    assert "is longer than 400 days" in problems(pin('cooldown = "58w"'))["pins.x.cooldown"][0]


@pytest.mark.parametrize(
    ("source", "tips"),
    [
        ("github:NixOS/nixpkgs/nixos-26.05", True),
        ("github:nixos/Nixpkgs", True),
        ("git+https://github.com/NixOS/nixpkgs.git?ref=nixos-unstable", True),
        ("git+ssh://git@github.com/NixOS/nixpkgs?ref=master", True),
        ("https://channels.nixos.org/nixos-unstable/nixexprs.tar.xz", True),
        ("https://flakehub.com/f/NixOS/nixpkgs/0.1.tar.gz", True),
        ("github:acme/nixpkgs", False),
        ("git+https://git.example.com/NixOS/nixpkgs", False),
        ("github:NixOS/nix", False),
    ],
)
def test_only_of_nixpkgs_and_of_archives_tips_alone_count(load: Load, source: str, tips: bool) -> None:
    assert load(pin("", source=source)).pins[0].conditions.tips is tips


def test_a_pin_can_say_otherwise_of_its_tips(load: Load) -> None:
    assert not load(pin("tips = false", source="github:NixOS/nixpkgs")).pins[0].conditions.tips


@pytest.mark.parametrize(("written", "read"), [("true", ()), ("false", None), ('["a b", "ci/*"]', ("a b", "ci/*"))])
def test_checks_are_all_none_or_some(load: Load, written: str, read: tuple[str, ...] | None) -> None:
    assert load(pin(f"require-ci = {written}")).pins[0].conditions.require_ci == read


@pytest.mark.parametrize(
    ("lines", "place", "message"),
    [
        ("require-ci = []", "require-ci", "names no check"),
        ('require-ci = "build"', "require-ci", "must be a boolean or an array, not a string"),
        ('require-ci = ["a", "a"]', "require-ci[1]", "`a` is listed twice"),
        ("require-ci = [1]", "require-ci[0]", "must be a string, not an integer"),
        ("ci-depth = 3", "ci-depth", "needs `require-ci`"),
        ("require-ci = true\nci-depth = 0", "ci-depth", "must be 1 or more, not 0"),
        ('tips = "yes"', "tips", "must be a boolean, not a string"),
        ('dated-by = "seen"', "dated-by", "must be one of `any`, `trusted`, not `seen`"),
        (f'at-least = "{REV}"', "at-least", "needs an `at-least-reason`"),
        ('at-least-reason = "CVE"', "at-least-reason", "needs `at-least`"),
        (f'require-ci = ["{"x" * 201}"]', "require-ci[0]", f"`{'x' * 40}…` is longer than 200 characters"),
        ('at-least = "3f2a1c9"\nat-least-reason = "CVE"', "at-least", "`3f2a1c9` is not a full rev"),
        ('cooldown = "31d"\nmax-age = "30d"', "max-age", "is shorter than the cooldown"),
        (f'target = "{REV}"\ntips = true', "tips", "a full rev has no tips"),
        (f'target = "{REV}"\ncooldown = "3d"', "cooldown", "does nothing: `target` is a full rev"),
        ('target = "repo:lib"\ncooldown = "3d"', "cooldown", "does nothing: `target` is `repo:lib`"),
        ('target = "repo:lib"\ntips = true', "tips", "does nothing: `target` is `repo:lib`"),
        ('target = "repo:lib"\nrequire-ci = true', "require-ci", "does nothing: `target` is `repo:lib`"),
        (
            f'target = "repo:lib"\nat-least = "{REV}"\nat-least-reason = "CVE"',
            "at-least",
            "does nothing: `target` is `repo:lib`",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(problems: Problems, lines: str, place: str, message: str) -> None:
    found = problems(pin(lines))
    assert [*found] == [f"pins.x.{place}"]
    assert found[f"pins.x.{place}"][0] == message


@pytest.mark.parametrize("lines", ["require-ci = true", f'at-least = "{REV}"\nat-least-reason = "CVE"'])
def test_an_archive_has_neither_checks_nor_a_history(problems: Problems, lines: str) -> None:
    found = problems(pin(lines, source="https://channels.nixos.org/nixos-unstable/nixexprs.tar.xz"))
    assert {message for message, _ in found.values()} == {"needs the history of a git repository"}


def test_the_cooldown_of_the_workspace_does_not_apply_to_a_fixed_target(load: Load) -> None:
    for target in (REV, "repo:lib"):
        assert load(pin(f'target = "{target}"', workspace='cooldown = "3d"')).pins[0].conditions == Conditions()


@pytest.mark.parametrize("lines", ["", "tips = false", 'cooldown = "0"', "require-ci = false"])
def test_what_asks_for_nothing_may_stand_beside_a_fixed_target(load: Load, lines: str) -> None:
    for target in (REV, "repo:lib"):
        manifest = pin(f'target = "{target}"\n{lines}', source="github:NixOS/nixpkgs/nixos-26.05")
        assert load(manifest).pins[0].conditions == Conditions()


def test_twenty_commits_are_asked_for_their_checks(load: Load) -> None:
    assert load(pin("require-ci = true")).pins[0].conditions.ci_depth == 20


def test_max_age_is_measured_by_the_workspaces_cooldown_too(load: Load, problems: Problems) -> None:
    assert [*problems(pin('max-age = "2d"', workspace='cooldown = "3d"'))] == ["pins.x.max-age"]
    assert load(pin('max-age = "3d"', workspace='cooldown = "3d"')).pins[0].max_age_s == 3 * 86_400
    assert load(pin('max-age = "2d"\ntarget = "repo:lib"', workspace='cooldown = "3d"')).pins


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("github:acme-vendor/lib", Conditions(cooldown_days=14, require_ci=(), only_trusted=True)),
        (
            "git+ssh://git@github.com/Acme-Vendor/lib.git",
            Conditions(cooldown_days=14, require_ci=(), only_trusted=True),
        ),
        ("github:acme-vendor/own", Conditions(only_trusted=True)),
        ("github:other/lib", Conditions(cooldown_days=3, only_trusted=True)),
        ("github:NixOS/nixpkgs", Conditions(cooldown_days=3, tips=True, only_trusted=True)),
    ],
)
def test_of_external_sources_the_longest_glob_counts(load: Load, reference: str, expected: Conditions) -> None:
    assert load(WHOLE).external_conditions(FlakeRef.parse(reference)) == expected


def test_a_policy_for_everything_goes_before_the_workspace(load: Load) -> None:
    text = '[workspace]\nexternal = "latest"\ncooldown = "3d"\n[external-policy."*"]\ncooldown = "5d"\ntips = true\n'
    found = load(text).external_conditions(FlakeRef.parse("github:a/b"))
    assert found == Conditions(cooldown_days=5, tips=True)


@pytest.mark.parametrize("external", ["hold", "newest-locked"])
def test_policies_are_for_external_sources_that_move_by_themselves(problems: Problems, external: str) -> None:
    found = problems(f'[workspace]\nexternal = "{external}"\n[external-policy."github:a/*"]\ncooldown = "1d"\n')
    hint = 'it is for sources that move by themselves: `external = "latest"`'
    assert found == {'external-policy."github:a/*"': (f"does nothing: `external` is `{external}`", hint)}


def test_of_external_sources_that_are_held_nothing_is_asked(load: Load) -> None:
    text = '[workspace]\nexternal = "{}"\ncooldown = "3d"\n'
    reference = FlakeRef.parse("github:a/b")
    assert load(text.format("hold")).external_conditions(reference).is_idle
    assert load(text.format("newest-locked")).external_conditions(reference).cooldown_days == 3


def test_a_policy_has_to_mean_sources_and_knows_its_keys(problems: Problems) -> None:
    found = problems(
        '[workspace]\nexternal = "latest"\n'
        '[external-policy."acme/x y"]\n[external-policy."github:a/*"]\nat-least = "x"\n'
    )
    assert found['external-policy."acme/x y"'][0] == "`acme/x y` means no repository"
    assert found['external-policy."github:a/*".at-least'] == ("unknown key", "`at-least` belongs into [pins.NAME]")


def test_the_record_is_a_file(problems: Problems, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    assert problems('[workspace]\nseen = "state"\n')["workspace.seen"][0] == "`state` is a folder"
