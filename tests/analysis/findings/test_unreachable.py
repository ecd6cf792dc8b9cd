"""A repo that could not be read."""

import msgspec

from flakesync.analysis.drift import find_drift
from flakesync.errors import GitError
from flakesync.terms import RepoName
from flakesync.workspace.snapshot import UnreadableRepo
from tests.support.drift import A, one
from tests.support.workspaces import everything, scene, takes


def test_a_repo_that_could_not_be_read_is_one_finding_and_its_dependents_none() -> None:
    found = scene({"app": {"lib": takes("lib", rev=A)}, "lib": {}}, branches={"lib": {}})
    survey = found.survey()
    states = dict(survey.snapshot.states)
    lib = states[RepoName("lib")]
    states[RepoName("lib")] = UnreadableRepo(lib.repo, None, GitError("unreachable", "gone"))
    broken = msgspec.structs.replace(survey, snapshot=msgspec.structs.replace(survey.snapshot, states=states))
    finding = one(find_drift(broken, everything(broken)))
    assert (finding.kind, finding.repo, finding.flake, finding.detail) == ("unreachable", "lib", None, "gone")
