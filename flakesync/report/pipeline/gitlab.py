"""A plan as a child pipeline of GitLab: a job for each repo, which needs those of its upstreams."""

import json
from collections.abc import Iterator, Sequence

from flakesync import __version__
from flakesync.pipeline.jobs import Job

MOST_NEEDS = 49
"""Jobs that one job can need: 50 by default, and one of them is the job that wrote the plan."""
MOST_JOBS = 500
"""Jobs of one pipeline; GitLab.com takes that many in its free tier, a server of one's own what it is set to."""
JOB_FILE = "/.gitlab/flakesync-job.yml"
"""What the generated file includes: `.flakesync-task`, which says where and how a job runs."""

_PLAN = {"pipeline": "$PARENT_PIPELINE_ID", "job": "plan"}


def render_gitlab(waves: Sequence[Sequence[Job]], run: str) -> str:
    """Return the child pipeline, in YAML.

    A value is written as JSON, which is YAML too: no name, whatever it looks like (`null`, `1.0`, `on`), is anything
    but text. The names of repos are words for a shell as well, see `workspace.values.NAME`.
    """
    return "\n".join(_lines(waves, run)) + "\n"


def _lines(waves: Sequence[Sequence[Job]], run: str) -> Iterator[str]:
    yield f"# Run {run} as a child pipeline, written by flakesync {__version__}."
    yield f"include: {_text([{'local': JOB_FILE}])}"
    yield 'stages: ["update"]'
    jobs = [job for wave in waves for job in wave]
    for job in jobs:
        yield ""
        yield f"{_text(job.name)}:"
        yield from (_task if job.repos else _wait)(job)
    if not jobs:  # GitLab refuses a pipeline without a job
        yield '\n"nothing to update":'
        yield from _wait(Job("", ()))


def _task(job: Job) -> Iterator[str]:
    yield '  extends: ".flakesync-task"'
    yield '  stage: "update"'
    yield f"  variables: {_text({'FLAKESYNC_REPOS': ' '.join(job.repos)})}"
    if len(job.repos) > 1:
        # One of several may fail: its dependents see that in git, and those of the others go on.
        yield "  allow_failure: true"
    yield "  needs:"
    for each in (_PLAN, *job.needs):
        yield f"    - {_text(each)}"


def _wait(job: Job) -> Iterator[str]:
    yield '  extends: ".flakesync-task"'  # for its runner
    yield '  stage: "update"'
    yield f"  variables: {_text({'GIT_STRATEGY': 'none'})}"
    yield f"  needs: {_text(list(job.needs))}"
    yield "  before_script: []"
    yield '  script: ["true"]'


def _text(value: object) -> str:
    return json.dumps(value)
