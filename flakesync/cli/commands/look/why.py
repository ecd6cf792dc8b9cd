"""`flakesync why`."""

from typing import TYPE_CHECKING, Annotated

import typer

from flakesync.cli import screen
from flakesync.cli.complete import inputs, repos
from flakesync.cli.opening import look, open_workspace, show_hints
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK, FlakesyncError

if TYPE_CHECKING:
    from flakesync.analysis.moves import Plan
    from flakesync.analysis.why import Reason
    from flakesync.survey.survey import Survey
    from flakesync.terms import RepoName
    from flakesync.workspace.manifest import Workspace


@with_common()
def why(
    common: Common,
    name: Annotated[str, typer.Argument(metavar="REPO", help="A repo of the workspace.", autocompletion=repos)],
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="[INPUT]", help="One of its inputs: `a/b`, in one of its flakes `dev#a/b`.", autocompletion=inputs
        ),
    ] = None,
) -> int:
    """Show why the inputs of a repo move, wait, are held or stay.

    Below an input that waits for an update of its upstream stands why that one
    moves, down to the pin or the commit that began it. Writes nothing. Exits with 1
    when the repo, or a flake of it, cannot be planned.

    \b
    Examples:
      flakesync why app
      flakesync why app nixpkgs
      flakesync why fleet cli --json
    """
    from flakesync.analysis.plan import make_plan
    from flakesync.analysis.why import why_document

    workspace, selected = open_workspace(common)
    repo = _require_repo(workspace, selected, name)
    survey = look(common, workspace)
    plan = make_plan(survey, selected)
    document = why_document(plan, repo, _find_reasons(survey, plan, repo, path))
    if common.json:
        screen.answer_json(document)
    else:
        from flakesync.report.why import render_why

        screen.answer(render_why(document, width=screen.width(), full=common.verbose))
    show_hints(survey.graph, frozenset({repo}))
    return EXIT_FINDINGS if document.problems else EXIT_OK


def _require_repo(workspace: "Workspace", selected: "frozenset[RepoName]", name: str) -> "RepoName":
    repo = workspace.repo(name).name
    if repo not in selected:
        raise FlakesyncError("nothing-selected", f"the options leave {repo} out", hint=f"choose {repo} as well")
    return repo


def _find_reasons(survey: "Survey", plan: "Plan", repo: "RepoName", path: str | None) -> "list[Reason]":
    """Return the reasons of the input. Raises FlakesyncError (`unknown-input`) where no flake of the repo has it."""
    from flakesync.analysis.why import why as find_reasons
    from flakesync.terms import show_path
    from flakesync.workspace.values import did_you_mean

    found = find_reasons(survey, plan, repo)
    if path is None or repo in plan.problems:
        return list(found)
    chosen = [each for each in found if path in (show_path(each.input), f"{each.flake}#{show_path(each.input)}")]
    if not chosen:
        raise FlakesyncError(
            "unknown-input",
            f"{repo}: `{path}` is no input that a pin governs, that is a repo of the workspace, or that moves",
            hint=did_you_mean(path, {show_path(each.input) for each in found}) or "`flakesync inputs` lists all others",
        )
    return chosen
