"""What the checks of a project report by themselves, computed when somebody looks: late, in time, or never."""

from flakesync.demo.forge import pipelines
from flakesync.demo.forge.model import Check, Head, Job, Project, Pull, Site


def begin(site: Site, project: Project, pull: Pull, rev: str) -> None:
    """Note that a commit is the head of an open pull request; one that was a head before starts nothing again."""
    project.heads.setdefault(rev, Head(rev, pull.head, pull.base, pull.number, site.clock()))


def report(site: Site, project: Project) -> None:
    """Give the heads of a project what its jobs have come to by now."""
    if not project.ci:
        return
    now = site.clock()
    for head in project.heads.values():
        if len(head.done) < len(project.ci):
            if site.kind == "gitlab":
                _in_pipeline(site, project, head, now)
            else:
                _by_themselves(site, project, head, now)


def add(site: Site, project: Project, rev: str, job: Job, state: str, *, keep: bool = True) -> Check:
    """Give a commit the state of a job."""
    check = Check(
        next(site.ids), job.name, state, "", "", site.ci_account, site.time(), job.run, allow_failure=job.allow_failure
    )
    if keep:
        project.checks.setdefault(rev, []).append(check)
    return check


def _by_themselves(site: Site, project: Project, head: Head, now: float) -> None:
    for job in project.ci:
        if job.name in head.done or job.after_s is None or now < head.since + job.after_s:
            continue
        known = head.jobs.get(job.name)
        if known is None:
            known = head.jobs[job.name] = add(site, project, head.rev, job, "pending")
        if now >= head.since + job.after_s + job.takes_s:
            head.done.add(job.name)
            if job.run:  # a run changes, and of a status there is one after the other
                known.state, known.at = job.state, site.time()
            else:
                head.jobs[job.name] = add(site, project, head.rev, job, job.state)


def _in_pipeline(site: Site, project: Project, head: Head, now: float) -> None:
    """Let a head's pipeline begin with its first job; it has all of them from then on."""
    jobs = [(job, job.after_s) for job in project.ci if job.after_s is not None]
    since = head.since + project.pipeline_lag_s
    if not jobs or now < since + min(after_s for _, after_s in jobs):
        return
    if head.pipeline is None:
        head.pipeline = pipelines.start(site, project, head)
    for job, after_s in jobs:
        known = head.jobs.get(job.name)
        if known is None:
            known = head.jobs[job.name] = add(site, project, head.rev, job, "created", keep=False)
            head.pipeline.jobs.append(known)
        if job.name not in head.done and now >= since + after_s:
            ended = now >= since + after_s + job.takes_s
            known.state = pipelines.word(job.state) if ended else "running"
            if ended:
                head.done.add(job.name)
