"""`upstream`, `unlanded`, `unknown-rev`: where the locked commit of a repo of the workspace stands on its branch.

One rule, because it is one question to the history with one answer: a commit is behind, or not landed, or not there.
"""

from flakesync.analysis.inert import find_inert
from flakesync.analysis.rule import EdgeRule
from flakesync.documents.drift import Finding, FindingKind
from flakesync.survey.graph import Edge
from flakesync.survey.missing import gone_branch, why_missing
from flakesync.survey.survey import Survey, answer_for
from flakesync.terms import show_path
from flakesync.workspace.snapshot import RepoAtCommit


def find(survey: Survey, edge: Edge) -> Finding | None:
    """Return the finding; None at the branch's tip, for what flake.nix fixes, and where there is no history.

    Nor is there one where the upstream has moved, but nothing of that reaches this input.
    """
    upstream = survey.snapshot.states[edge.upstream]
    answer = answer_for(survey, edge)
    if answer is None or not isinstance(upstream, RepoAtCommit) or edge.fixed:
        return None
    if survey.snapshot.at == "update" and edge.locked_rev == upstream.base_rev and survey.graph.is_back_edge(edge):
        return None  # an edge that opens a cycle takes the base commit
    if answer.position == "behind" and find_inert(survey, edge) is not None:
        return None
    branch = edge.branch or answer.default or upstream.base or "the default branch"
    if answer.on_base and upstream.updated:
        branch = "its update branch"
    kind: FindingKind
    match answer.position:
        case "at" | "tag":
            return None
        case "behind":
            count = f"{answer.behind} commit{'' if answer.behind == 1 else 's'}"
            kind, detail = "upstream", f"{count} behind {edge.upstream} ({branch})"
        case "unlanded":
            kind, detail = "unlanded", f"only on {edge.upstream}'s update branch, not yet on {branch}"
        case "landed":
            kind, detail = "unlanded", f"an update commit of {edge.upstream}, which has landed as another one"
        case "ahead":
            why = why_missing(survey, edge, answer)
            elsewhere = f"not in the history of {edge.upstream} ({branch}), but on another branch"
            kind, detail = "unknown-rev", why or elsewhere
        case "unknown" if answer.tip is None:
            kind, detail = "unknown-rev", gone_branch(survey, edge, branch)
        case "unknown":
            why = why_missing(survey, edge, answer)
            kind, detail = "unknown-rev", why or f"{edge.upstream} does not have this commit"
    return Finding(
        kind=kind,
        repo=edge.dependent,
        flake=edge.flake,
        input=show_path(edge.input),
        locked_rev=edge.locked_rev,
        wanted_rev=answer.tip,
        detail=detail,
    )


RULE = EdgeRule(kinds=("upstream", "unlanded", "unknown-rev"), find=find)
