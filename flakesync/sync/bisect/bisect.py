"""Bisect one repo of a plan: its update is made as sync makes it, in throw-away repositories, and then searched."""

import os
import shlex
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from flakesync.analysis.moves import Change, Plan, ToUpdate
from flakesync.cache.layout import journal_file
from flakesync.errors import FlakesyncError, SyncError
from flakesync.survey.survey import Survey
from flakesync.sync.bisect.commits import CommitRow, CommitStretch, commit_row, is_of_clone
from flakesync.sync.bisect.journal import open_journal
from flakesync.sync.bisect.probe import Prober
from flakesync.sync.bisect.run import Bisection, BisectOptions, BisectRun, ProbeRun
from flakesync.sync.bisect.search import Found
from flakesync.sync.bisect.tips import Tips
from flakesync.sync.bisect.units import Unit, units_of
from flakesync.sync.bump import bump
from flakesync.sync.engine import sync
from flakesync.sync.job import BumpJob
from flakesync.sync.options import Options
from flakesync.sync.outcome import Failed, Skipped, Unchanged, Updated
from flakesync.sync.tools import Tools
from flakesync.terms import RepoName
from flakesync.workspace.hosts import Hosts
from flakesync.workspace.manifest import matches

Checks = tuple[tuple[str, ...], ...]
"""The argv of each check."""


def bisect(
    survey: Survey,
    plan: Plan,
    repo: RepoName,
    options: Options,
    wishes: BisectOptions,
    *,
    checks: Checks | None = None,
    inputs: Sequence[str] = (),
    planned: Callable[[Sequence[Unit]], None] = lambda _: None,
    listener: Callable[[ProbeRun], None] = lambda _: None,
) -> Bisection:
    """Find which moves of a repo break its checks; nothing is written but the journal and what is known of trees.

    checks: in place of the repo's own. inputs: globs of the input paths that move; none: all that the plan moves.
    planned: is told the units before anything is run. listener: is told of each result.

    Raises:
        FlakesyncError: `no-check`, `nothing-moves`, `busy`, `upstream-failed`, or what fails when the update is locked.
    """
    changes = _changes(plan, repo, inputs)
    checks = checks or survey.snapshot.workspace.repo(repo).checks
    if not checks:
        raise FlakesyncError(
            "no-check", f"{repo} has no checks", hint="give --run CMD, or set `checks` in the manifest"
        )
    found: list[Bisection] = []

    def work(job: BumpJob, tools: Tools) -> Updated | Unchanged:
        if job.repo != repo:
            return bump(job, tools)
        prober = Prober(msgspec.structs.replace(job, checks=checks), tools, fresh=wishes.fresh)
        units = [each for each in units_of(survey, changes) if _moves(prober.job, each)]
        planned(units)
        place = journal_file(survey.snapshot.workspace.file, options.cache, repo)
        with open_journal(place, (job.base_rev, prober.tree(), units, checks), fresh=wishes.fresh) as journal:
            run = BisectRun(prober, units, journal, wishes, listener)
            result = run.search()
            commits = _Commits({}, {})
            if wishes.commits and isinstance(result, Found):
                hosts = Hosts(survey.snapshot.workspace, os.environ) if not options.offline else None
                tips = Tips(survey, hosts, options.cache, every=wishes.every_commit)
                commits = _search_commits(run, prober.job, units, result, tips)
        commands = tuple(map(shlex.join, checks))
        done = (tuple(units), tuple(run.probes), result, run.ran, *commits, run.limited)
        found.append(Bisection(repo, job.base_rev, commands, *done))
        return Unchanged(repo=repo, branch=None, commit=job.base_rev, moves=job.moves)

    needed = _with_upstreams(plan, {repo: changes})
    # What sync holds in this repo is looked for anew.
    holds = {name: each for name, each in survey.check_holds.items() if name != repo}
    survey = msgspec.structs.replace(survey, check_holds=holds)
    done = sync(survey, needed, replace(options, dry_run=True), lambda _: None, work=work)
    match next(outcome for outcome in done.repos if outcome.repo == repo):
        case Failed(error=error):
            raise error
        case Skipped(upstream=upstream):
            raise SyncError("upstream-failed", f"{repo} cannot be bisected: {upstream.message}")
        case _:
            return found[0]


class _Commits(NamedTuple):
    """What is found of the commits of guilty units, and why there is nothing to be found of others."""

    stretches: dict[int, CommitStretch]
    unwalked: dict[int, str]


def _search_commits(run: BisectRun, job: BumpJob, units: Sequence[Unit], found: Found, tips: Tips) -> _Commits:
    stretches, unwalked = dict[int, CommitStretch](), dict[int, str]()
    for number in (each.unit for each in found.guilty if each.proven):
        row = _row(job, units[number], tips)
        if isinstance(row, str):
            unwalked[number] = row
        elif (stretch := run.search_commits(row, number, found.passing)) is not None:
            stretches[number] = stretch
        else:
            unwalked[number] = "the limit was reached" if run.limited else "they fail now and then"
    return _Commits(stretches, unwalked)


def _row(job: BumpJob, unit: Unit, tips: Tips) -> CommitRow | str:
    return commit_row(job, unit) if is_of_clone(job, unit) else tips.row(job, unit)


def _changes(plan: Plan, repo: RepoName, inputs: Sequence[str]) -> tuple[Change, ...]:
    """Return what moves in a repo. Raises: FlakesyncError (`nothing-moves`), or why the repo cannot be planned."""
    if repo in plan.problems:
        raise plan.problems[repo]
    every = dict(plan.changes()).get(repo, ())
    chosen = tuple(each for each in every if not inputs or matches(tuple(inputs), each.input))
    if not chosen:
        which = "no input that the globs match" if every else "no input"
        hint = "`flakesync plan` shows what would move"
        raise FlakesyncError("nothing-moves", f"{repo}: {which} would move", hint=hint)
    return chosen


def _moves(job: BumpJob, unit: Unit) -> bool:
    keys = {*(each.key for each in job.moves), *((each.flake, each.input) for each in job.rewrites)}
    return not keys.isdisjoint(unit.moves)


def _with_upstreams(plan: Plan, chosen: dict[RepoName, tuple[Change, ...]]) -> Plan:
    """Return the plan of these changes and of the updates that they take, and of nothing else."""
    every = dict(plan.changes())
    queue = list(chosen)
    for name in queue:
        for change in chosen[name]:
            if isinstance(change.to, ToUpdate) and change.to.upstream not in chosen:
                chosen[change.to.upstream] = every[change.to.upstream]
                queue.append(change.to.upstream)
    waves = (tuple((name, chosen[name]) for name, _ in wave if name in chosen) for wave in plan.waves)
    return msgspec.structs.replace(
        plan, waves=tuple(wave for wave in waves if wave), unchanged=(), problems={}, inert=(), unusable={}
    )
