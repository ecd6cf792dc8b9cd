"""An input that is neither pinned nor a repo, where `external` moves such inputs: drift says what the plan does."""

import pytest

from flakesync.analysis.drift import find_drift
from flakesync.analysis.plan import make_plan
from flakesync.survey.pins import Target
from flakesync.workspace.manifest import External
from tests.support import locks
from tests.support.drift import NIXPKGS, OLD, A, B, C
from tests.support.locks import Input, Inputs
from tests.support.workspaces import DAY_S, NOW, everything, nixpkgs, pin, scene, takes

UTILS = locks.github("other", "utils")
FLAKES: dict[str, Inputs] = {
    "app": {
        "fixed": Input(locks.github("other", "fixed", rev=A).locked, {**UTILS.original, "repo": "fixed", "rev": A}),
        "lib": takes("lib"),
        "nixpkgs": nixpkgs(OLD),
        "utils": locks.github("other", "utils", rev=A, last_modified=NOW - 5 * DAY_S),
        "sub": locks.folder("./sub", {"utils": locks.github("other", "utils", rev=A, last_modified=NOW)}),
    },
    "lib": {"utils": locks.github("other", "utils", rev=B, last_modified=NOW - DAY_S)},
}


@pytest.mark.parametrize(
    ("external", "answer", "found"),
    [
        ("hold", None, {}),
        ("newest-locked", None, {"app#utils": "another lock has a newer commit, 4 days behind"}),
        ("latest", C, dict.fromkeys(("app#utils", "app#sub/utils", "lib#utils"), "not at the newest commit")),
    ],
)
def test_drift_names_what_the_plan_moves(external: External, answer: str | None, found: dict[str, str]) -> None:
    flakes = FLAKES if external == "latest" else {**FLAKES, "app": {**FLAKES["app"], "sub": locks.folder("./sub", {})}}
    seen = scene(flakes, pins=[pin("nixpkgs", NIXPKGS)], external=external)
    source = locks.github("other", "utils").original
    from flakesync.workspace.inputs import source_of

    known = source_of(source)
    assert known is not None
    survey = seen.survey({"nixpkgs": Target(OLD)}, {known: Target(C)} if answer else None)
    findings = {f"{each.repo}#{each.input}": each for each in find_drift(survey, everything(survey)).findings}
    assert {name: each.detail for name, each in findings.items()} == found
    assert {each.kind for each in findings.values()} <= {"external"}
    plan = make_plan(survey, everything(survey))
    moved = {f"{name}#{'/'.join(each.input)}" for name, changes in plan.changes() for each in changes}
    # What takes a repo that is updated moves as well, and drift does not speak of what is not there yet.
    assert moved - {"app#lib"} == set(found)
