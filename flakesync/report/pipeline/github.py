"""A plan as a workflow of GitHub Actions: a matrix for each wave, filled in from the plan of the night."""

import json
from collections.abc import Iterator, Sequence

from flakesync import __version__
from flakesync.terms import RepoName

MOST_JOBS = 250
"""Jobs of all matrices together: GitHub makes at most 256 of a matrix."""
JOB_FILE = "./.github/workflows/flakesync-job.yml"
"""The workflow that each job calls: it says where and how a job runs."""

# GitHub's other form, `$/`, is younger than its Enterprise Servers are.
_USES = f"    uses: {JOB_FILE} # zizmor: ignore[self-repository]"


def render_github(waves: int) -> str:
    """Return the workflow, in YAML, for plans of at most so many waves. It names no repo, so it is committed once."""
    return "\n".join(_lines(waves)) + "\n"


def _lines(waves: int) -> Iterator[str]:
    yield f"# flakesync every night, a job for each repo, {waves} waves of them; written by flakesync {__version__}."
    yield "#"
    yield "# Where and how a job runs is in .github/workflows/flakesync-job.yml. A plan with more waves than there are"
    yield "# here works too, with all that is left in one job of the last one; `flakesync plan --format github` writes"
    yield "# this file for as many waves as there are by now. (Servers of one's own know no other form of `uses`.)"
    yield "name: flakesync"
    yield "on:"
    yield "  schedule:"
    yield '    - cron: "17 3 * * *" # UTC; not on the hour, when everybody\'s jobs start'
    yield "  workflow_dispatch:"
    yield ""
    yield "permissions:"
    yield "  contents: read"
    yield ""
    yield "# A night is never run twice at once, and never cut off by the next."
    yield "concurrency:"
    yield "  group: flakesync"
    yield "  cancel-in-progress: false"
    yield ""
    yield "jobs:"
    yield "  plan:"
    yield "    name: Plan"
    yield _USES
    yield "    with:"
    yield "      step: plan"
    yield f"      waves: {waves}"
    for number in range(1, waves + 1):
        yield from _wave(number)
    yield ""
    yield "  collect:"
    yield "    name: Collect"
    yield f"    needs: [plan, wave-{waves}]"
    yield "    if: ${{ !cancelled() && needs.plan.result == 'success' }}"
    yield _USES
    yield "    with:"
    yield "      step: collect"


def _wave(number: int) -> Iterator[str]:
    # A wave goes on when a job of the one before has failed: each task sees in git which of its upstreams are done.
    before = f"plan, wave-{number - 1}" if number > 1 else "plan"
    found = f"fromJSON(needs.plan.outputs.waves || '[]')[{number - 1}]"
    yield ""
    yield f"  wave-{number}:"
    yield f"    name: Wave {number}"
    yield f"    needs: [{before}]"
    yield f"    if: ${{{{ !cancelled() && needs.plan.result == 'success' && {found} }}}}"
    yield "    strategy:"
    yield "      fail-fast: false"
    yield "      matrix:"
    yield f"        include: ${{{{ {found} }}}}"
    yield _USES
    yield "    with:"
    yield "      step: task"
    yield "      repos: ${{ matrix.repos }}"


def render_matrix(waves: Sequence[Sequence[Sequence[RepoName]]], most_waves: int) -> str:
    """Return a line for the file that $GITHUB_OUTPUT names: `waves=`, and the matrix of each wave in JSON.

    waves: the repos of each job. What is left after so many waves comes into one job of the last one, in its order.
    """
    matrices = [[_entry(job) for job in wave] for wave in waves[:most_waves]]
    if len(waves) > most_waves:
        matrices[-1] = [_entry([name for wave in waves[most_waves - 1 :] for job in wave for name in job])]
    return f"waves={json.dumps(matrices)}\n"


def _entry(job: Sequence[RepoName]) -> dict[str, str]:
    return {"repos": " ".join(job)}
