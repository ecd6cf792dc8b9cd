"""The rows about forges: tokens, their limits, the clocks, and what each repository allows."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from flakesync.doctor.forges import forgejo, github, gitlab
from flakesync.doctor.forges.ask import ForgeAnswer, ForgeQuestions
from flakesync.doctor.forges.facts import KindQuestions, RepoFacts, TokenFacts
from flakesync.doctor.place import DoctorPlace
from flakesync.doctor.rows import DoctorRows, Rows, expiry, together
from flakesync.documents.doctor import DoctorRow
from flakesync.errors import FlakesyncError
from flakesync.net.http import MOVED, NoAnswerError
from flakesync.nix.reference.flakeref import identity_of_url
from flakesync.terms import RepoName
from flakesync.workspace.hosts import Account, Hosts
from flakesync.workspace.model import MergeMethod

KINDS: Mapping[str, KindQuestions] = {
    "github": github.QUESTIONS,
    "gitlab": gitlab.QUESTIONS,
    "forgejo": forgejo.QUESTIONS,
}
"""What is asked of each kind of forge that has an adapter."""

_ROW = DoctorRows("forges")
_SKEW_S = 300.0
_CALLS_A_REPO = 8
"""About as many as publish and land need for one, with the checks of its pull request."""
_ASKED_AT_ONCE = 4
_REPOS = "rights on the forge"

Repos = Mapping[RepoName, str]
"""The repos of one host, each with its path there."""


def forge_rows(place: DoctorPlace) -> Rows:
    """Give the rows of each host that repos of the workspace lie on."""
    if place.hosts is None:
        return
    by_host: dict[str, tuple[Account, dict[RepoName, str]]] = {}
    for name, address in place.addresses.items():
        identity = identity_of_url(address)
        if identity is None or not identity.host:
            continue
        try:
            account = place.hosts.account(identity.host)
        except FlakesyncError as error:
            yield _ROW.error("tokens", error, repos=[name])
            continue
        by_host.setdefault(account.host, (account, {}))[1][name] = identity.path
    for account, repos in by_host.values():
        yield from _host(place, place.hosts, account, repos)


def _host(place: DoctorPlace, hosts: Hosts, account: Account, repos: Repos) -> Rows:
    questions = KINDS.get(account.kind)
    if questions is None:
        if not hosts.is_declared(account.host):
            detail = f"nobody says what kind of forge {account.host} is: branches are pushed, no pull requests opened"
            hint = f'`kind` in [forges."{account.host}"]; `none` if there is no such thing'
            yield _ROW.warning("kind of forge", detail, hint=hint, repos=[*repos])
        return
    what = f"token for {account.host}"
    if account.token is None:
        how = hosts.hint(account.host, by_git=False)
        detail = "there is none: no pull requests are opened or merged"
        yield _ROW.fails(what, detail, hint=how, repos=[*repos])
        return
    if place.offline:
        yield _ROW.unseen(what, "it is there; nobody is asked about it with --offline")
        return
    with closing(ForgeQuestions(account, hosts)) as forge:
        try:
            facts, answer = questions.token(forge)
        except NoAnswerError as error:
            detail = f"{account.api} does not answer: {forge.clean(error.reason)}"
            yield _ROW.fails(f"API of {account.host}", detail, hint=_how_to_reach(error, account), repos=[*repos])
            return
        yield from _clock(account, answer)
        yield from _token(forge, facts, answer, repos)
        if facts.problem is None and not answer.is_limited and (facts.left is None or facts.left > len(repos)):
            method = place.workspace.publish.merge_method if place.workspace is not None else "default"
            found = [*_each_repo(forge, questions, repos, method)]
            yield from together(found)
            if (good := next((name for name, row in found if row.how == "ok"), None)) is not None:
                yield from _pulls(forge, questions, repos[good])


def _how_to_reach(error: NoAnswerError, account: Account) -> str:
    if error.trouble in ("tls", "trust"):
        return "name the authority that signed its certificate: `ca-file` of the forge, or SSL_CERT_FILE"
    return f'is {account.host} up, and reachable from here? `api` in [forges."{account.host}"] says where its API is'


def _token(forge: ForgeQuestions, facts: TokenFacts, answer: ForgeAnswer, repos: Repos) -> Rows:
    what = f"token for {forge.account.host}"
    if answer.is_limited:
        detail = f"the rate limit is used up{_until(facts.reset, answer)}"
        yield _ROW.warning(what, f"not asked: {detail}", hint="run again after that; a run waits ten minutes at most")
        return
    if facts.problem is not None:
        hint = f"is {forge.token} still valid?"
        yield _ROW.fails(what, f"{forge.token} is refused: {facts.problem}", hint=hint, repos=[*repos])
        return
    if facts.lacks is not None:
        detail = f"{forge.token} has {facts.scopes}, and not `{facts.lacks}`"
        yield _ROW.fails(what, detail, hint=f"make one with the scope `{facts.lacks}`", repos=[*repos])
    else:
        said = facts.scopes or "the forge does not say what it may do; its repositories do"
        yield _ROW.ok(what, f"{forge.token}: {said}")
    if facts.ends is not None:
        yield expiry(_ROW, f"end of the {what}", facts.ends, answer.at)
    yield from _limit(forge.account, facts, answer, len(repos))


def _limit(account: Account, facts: TokenFacts, answer: ForgeAnswer, repos: int) -> Rows:
    if facts.left is None or facts.limit is None:
        return
    what = f"rate limit of {account.host}"
    detail = f"{facts.left} of {facts.limit} requests are left{_until(facts.reset, answer)}"
    if facts.left < repos * _CALLS_A_REPO:
        hint = f"publish and land make about {repos * _CALLS_A_REPO} for {repos} repos, and wait ten minutes at most"
        yield _ROW.warning(what, detail, hint=hint)
    else:
        yield _ROW.ok(what, detail)


def _until(reset: float | None, answer: ForgeAnswer) -> str:
    if reset is None:
        after = answer.headers.get("retry-after", "")
        return f" for another {int(after)} s" if after.isascii() and after.isdigit() and len(after) < 9 else ""
    try:
        return f" until {datetime.fromtimestamp(reset, UTC):%H:%M UTC}"
    except (ValueError, OverflowError, OSError):
        return ""


def _clock(account: Account, answer: ForgeAnswer) -> Rows:
    """Give the row about our clock beside the forge's: ages and cooldowns are counted from both."""
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    except (TypeError, ValueError, OverflowError):
        return
    skew_s = answer.at - theirs
    what = f"clock beside {account.host}"
    if abs(skew_s) > _SKEW_S:
        where = "ahead of" if skew_s > 0 else "behind"
        hint = "set this machine's clock (`timedatectl`, chrony): cooldowns and commits' dates come from it"
        yield _ROW.warning(what, f"ours is {abs(skew_s) / 60:.0f} minutes {where} the forge's", hint=hint)
    else:
        yield _ROW.ok(what, "they agree")


def _pulls(forge: ForgeQuestions, questions: KindQuestions, path: str) -> Rows:
    """Give a row where the token may not even see pull requests; whether it may open them nothing but that shows."""
    try:
        answer = forge.ask(questions.repository(path) + questions.pulls)
    except NoAnswerError:
        return  # it has answered just now
    if answer.status in (401, 403, 404) and not answer.is_limited:
        needs = forge.clean(answer.headers.get("x-accepted-github-permissions", ""))
        hint = f"give it the permission {needs[:80] or 'to read and write pull requests'}"
        yield _ROW.fails("pull requests", f"{forge.token} may not see them: {forge.words(answer)}", hint=hint)


def _each_repo(
    forge: ForgeQuestions, questions: KindQuestions, repos: Repos, method: MergeMethod
) -> Iterator[tuple[RepoName, DoctorRow]]:
    def look(path: str) -> DoctorRow:
        try:
            answer = forge.ask(questions.repository(path))
        except NoAnswerError as error:
            return _ROW.fails(_REPOS, f"no answer: {forge.clean(error.reason)}")
        return _repo(forge, questions, answer, method)

    with ThreadPoolExecutor(max_workers=_ASKED_AT_ONCE) as pool:
        yield from zip(repos, pool.map(look, repos.values()), strict=True)


def _repo(forge: ForgeQuestions, questions: KindQuestions, answer: ForgeAnswer, method: MergeMethod) -> DoctorRow:
    if answer.status in MOVED:
        detail = "the forge has it under another name, or address"
        return _ROW.warning(_REPOS, detail, hint="let `url` of the manifest follow, and the clone's origin")
    if answer.is_limited:
        return _ROW.unseen(_REPOS, "the rate limit is used up")
    if answer.status == 404:
        hint = "a repository that the token may not see looks the same as one that is not there"
        return _ROW.fails(_REPOS, "there is no such repository", hint=hint)
    facts = questions.read(answer)
    if facts is None:
        hint = f"may {forge.token} read it? Is `api` of the forge right?"
        return _ROW.fails(_REPOS, f"cannot be read: {forge.words(answer)}", hint=hint)
    return _of_facts(facts, method)


def _of_facts(facts: RepoFacts, method: MergeMethod) -> DoctorRow:
    if facts.archived:
        return _ROW.fails(_REPOS, "it is archived: nothing can be pushed", hint="take it out of the manifest")
    if facts.pushes is False:
        hint = "give the token's owner the right to write: Write on GitHub and Forgejo, Developer on GitLab"
        return _ROW.fails(_REPOS, "it can be read, and not pushed to", hint=hint)
    if method != "default" and facts.methods is not None and method not in facts.methods:
        allowed = _words(sorted(facts.methods))
        hint = "`merge-method` in the manifest's [publish], or the repository's own settings"
        return _ROW.fails(_REPOS, f"merge-method is {method}, and the repository allows {allowed}", hint=hint)
    if facts.pushes is None:
        return _ROW.ok(_REPOS, "can be read; whether it can be pushed to the forge does not say")
    return _ROW.ok(_REPOS, "can be read and pushed to")


def _words(names: Sequence[str]) -> str:
    return " and ".join(names) if names else "nothing"
