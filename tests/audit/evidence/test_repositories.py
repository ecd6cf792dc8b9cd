"""What forges say of repositories: asked once a day, kept, and gone on with where a limit ended it."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import msgspec
import pytest

from flakesync.audit.evidence.model import RepositoryEvidence, Unknown
from flakesync.audit.evidence.repositories import find_repositories, repository_of
from flakesync.demo.forge.model import Kind, Project, Site
from flakesync.errors import FlakesyncError
from flakesync.net.forge_kinds import KINDS
from flakesync.nix.reference.identity import Identity
from flakesync.processes.stop import stopping
from flakesync.workspace.hosts import Hosts
from flakesync.workspace.model import ForgeSettings
from tests.audit.nodes import node_of
from tests.support import locks
from tests.support.forge import Answer, Forge, Request, faults
from tests.support.forge.client import HOSTS
from tests.support.workspaces import workspace

DAY = 86_400
NOW = 20_000 * DAY + 7_200
TOKEN = "s3cret-token"
APIS = {"github": "", "gitlab": "/api/v4", "forgejo": "/api/v1"}
STAYED = RepositoryEvidence(moved_to=None, archived=False)

Kinds = pytest.mark.parametrize("kind", list(HOSTS))


@dataclass
class Place:
    """A forge whose sites are declared as hosts of a manifest. environ: with the token in FORGE_TOKEN, or not."""

    root: Path
    forge: Forge
    environ: dict[str, str] = field(default_factory=lambda: {"FORGE_TOKEN": TOKEN})
    hosts: dict[str, str] = field(default_factory=dict)

    def site(self, kind: Kind = "github") -> Site:
        return self.forge.sites[HOSTS[kind]]

    def host(self, kind: Kind = "github") -> str:
        """Return the name of a site as identities have it, a port of its own among it."""
        if kind not in self.hosts:
            self.site(kind).add_account(TOKEN, "bot", "read")
            self.hosts[kind] = f"localhost:{self.forge.open_port(HOSTS[kind])}"
        return self.hosts[kind]

    def make(self, path: str, kind: Kind = "github", *, private: bool = False) -> Project:
        """Make a repository without the git repository below it: nothing here looks into one."""
        site = self.site(kind)
        template = next(iter(site.projects.values()), None)
        if template is None:
            return site.create(path, private=private)
        project = Project(next(site.ids), path, template.storage, site.time(), private)
        site.projects[path.lower()] = project
        return project

    def identity(self, path: str, kind: Kind = "github") -> Identity:
        return Identity(self.host(kind), path)

    def ask(
        self, *identities: Identity, now: int = NOW, offline: bool = False, jobs: int = 2
    ) -> Mapping[Identity, RepositoryEvidence | Unknown]:
        declared = {
            host: ForgeSettings(
                kind=kind,
                api=f"https://{host}{APIS[kind]}",
                token_env="FORGE_TOKEN" if kind == "github" else f"{kind.upper()}_FORGE_TOKEN",
                ca_file=self.forge.certificates.ca,
            )
            for kind, host in self.hosts.items()
        }
        environ = {**self.environ}
        if "FORGE_TOKEN" in environ:
            environ |= {f"{kind.upper()}_FORGE_TOKEN": environ["FORGE_TOKEN"] for kind in self.hosts}
        hosts = Hosts(msgspec.structs.replace(workspace([]), forges=declared), environ)
        return find_repositories(identities, hosts, self.root / "cache", now=now, jobs=jobs, offline=offline)

    def one(self, identity: Identity, *, now: int = NOW, offline: bool = False) -> RepositoryEvidence | Unknown:
        return self.ask(identity, now=now, offline=offline)[identity]

    @property
    def asked(self) -> int:
        return len(self.forge.log)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Forge(tmp_path / "forge", [(host, kind) for kind, host in HOSTS.items()]) as forge:
        yield Place(tmp_path, forge)


def reason(answer: RepositoryEvidence | Unknown) -> str:
    assert isinstance(answer, Unknown), answer
    return answer.reason


# ---- what is said ----------------------------------------------------------------------------------------------------


@Kinds
def test_a_repository_that_stayed_has_not_moved(place: Place, kind: Kind) -> None:
    place.make("acme/lib", kind)
    assert place.one(place.identity("acme/lib", kind)) == STAYED


@Kinds
def test_a_moved_repository_has_the_identity_that_it_has_now(place: Place, kind: Kind) -> None:
    place.make("acme/lib", kind)
    place.site(kind).move("acme/lib", "corp/core-lib")
    answer = place.one(place.identity("acme/lib", kind))
    assert answer == RepositoryEvidence(moved_to=place.identity("corp/core-lib", kind), archived=False)


@Kinds
def test_another_case_is_no_move(place: Place, kind: Kind) -> None:
    place.make("Acme/Lib", kind)
    assert place.one(place.identity("acme/lib", kind)) == STAYED


@Kinds
def test_a_rename_that_only_changes_the_case_is_no_move(place: Place, kind: Kind) -> None:
    place.make("acme/lib", kind)
    place.site(kind).move("acme/lib", "ACME/lib")
    assert place.one(place.identity("acme/lib", kind)) == STAYED


@Kinds
def test_an_archived_repository_says_so(place: Place, kind: Kind) -> None:
    place.make("acme/lib", kind).archived = True
    assert place.one(place.identity("acme/lib", kind)) == RepositoryEvidence(moved_to=None, archived=True)


def test_a_moved_and_archived_one_in_a_subgroup_is_both(place: Place) -> None:
    place.make("acme/core/lib", "gitlab").archived = True
    place.site("gitlab").move("acme/core/lib", "corp/a/b/lib")
    answer = place.one(place.identity("acme/core/lib", "gitlab"))
    assert answer == RepositoryEvidence(moved_to=place.identity("corp/a/b/lib", "gitlab"), archived=True)


@Kinds
def test_what_is_gone_is_not_known_and_no_finding(place: Place, kind: Kind) -> None:
    place.make("acme/lib", kind)
    gone = place.identity("acme/gone", kind)
    assert reason(place.one(gone)) == f"{gone} is gone, or private and the token may not see it"


@Kinds
def test_without_a_token_what_is_not_there_may_be_private_and_the_variable_is_named(place: Place, kind: Kind) -> None:
    place.make("acme/lib", kind, private=True)
    place.environ = {}
    lib = place.identity("acme/lib", kind)
    variable = "FORGE_TOKEN" if kind == "github" else f"{kind.upper()}_FORGE_TOKEN"
    assert reason(place.one(lib)) == f"{lib} is gone, or private: put a token for {lib.host} into {variable}"


def test_public_repositories_are_known_without_a_token(place: Place) -> None:
    place.make("acme/lib").archived = True
    place.environ = {}
    assert place.one(place.identity("acme/lib")) == RepositoryEvidence(moved_to=None, archived=True)


def test_gitlab_without_a_token_leaves_archives_open(place: Place) -> None:
    place.make("acme/lib", "gitlab").archived = True
    place.environ = {}
    lib = place.identity("acme/lib", "gitlab")
    assert place.one(lib) == RepositoryEvidence(moved_to=None, archived=None)
    place.environ = {"FORGE_TOKEN": TOKEN}
    assert place.one(lib) == RepositoryEvidence(moved_to=None, archived=True)


@pytest.mark.parametrize("host", ["git.sr.ht", "git.unknown.example"])
def test_a_host_that_is_no_known_forge_is_not_asked(place: Place, host: str) -> None:
    assert "is no forge that flakesync knows of" in reason(place.one(Identity(host, "acme/lib")))
    assert place.asked == 0


def test_a_host_that_is_declared_to_be_no_forge_is_none_and_that_is_no_gap(place: Place) -> None:
    hosts = Hosts(
        msgspec.structs.replace(workspace([]), forges={"git.example.com": ForgeSettings(kind="none")}), place.environ
    )
    declared = Identity("git.example.com:2222", "acme/lib")
    assert find_repositories([declared], hosts, place.root / "cache", now=NOW, jobs=1) == {}


GITHUB = Identity("github.com", "acme/lib")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (locks.github("acme", "lib"), GITHUB),
        (locks.git("ssh://git@github.com/acme/lib"), GITHUB),
        (locks.tarball("https://github.com/acme/lib/archive/main.tar.gz"), GITHUB),
        (locks.tarball("https://git.example.com/acme/lib/archive/x.tar.gz"), Identity("git.example.com", "acme/lib")),
        (locks.tarball("https://channels.nixos.org/nixos-25.11/nixexprs.tar.xz"), None),
        (locks.tarball("https://releases.nixos.org/nixos/25.11/nixos-25.11.1/nixexprs.tar.xz"), None),
        (locks.tarball("https://api.flakehub.com/f/pinned/acme/lib/1.0.0/x/source.tar.gz"), None),
        (locks.tarball("https://github.com/acme/lib/releases/download/v1/lib.tar.gz"), None),
        (locks.tarball("https://example.com/lib.tar.gz"), None),
        (locks.tarball("file:///srv/lib.tar.gz"), None),
        (locks.folder("/home/me/lib", {}, old=True), None),
        (locks.git("file:///home/me/lib"), None),
    ],
)
def test_what_is_no_repository_of_a_forge_has_none_to_ask_about(made: locks.Input, expected: Identity | None) -> None:
    assert repository_of(node_of(made).origin) == expected


def test_a_file_is_no_repository_whatever_it_is_called() -> None:
    url = "https://github.com/acme/lib/archive/main.tar.gz"
    made = locks.Input({"type": "file", "url": url, "narHash": locks.nar_hash_of("f")}, {"type": "file", "url": url})
    assert repository_of(node_of(made).origin) is None


@pytest.mark.parametrize(
    "path",
    ["../user", "acme/..", "acme/./lib", "acme//lib", "lib", "acme/lib?x=1", "acme/li\udcffb", "acme/l b", "a/%2e%2e"],
)
def test_a_path_that_no_repository_can_have_is_not_asked_for(place: Place, path: str) -> None:
    assert "is no name that a repository" in reason(place.one(place.identity(path)))
    assert place.asked == 0


def test_a_public_forge_needs_no_table_and_gets_no_token_of_another(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.make("acme/lib").archived = True
    api = f"https://{place.host()}"
    monkeypatch.setitem(KINDS, "github", msgspec.structs.replace(KINDS["github"], hosts={"github.com": api}))
    monkeypatch.setenv("SSL_CERT_FILE", str(place.forge.certificates.ca))
    hosts = Hosts(workspace([]), {"GITLAB_TOKEN": "of-another", "FORGE_TOKEN": "of-another"})
    lib = Identity("github.com", "acme/lib")
    found = find_repositories([lib], hosts, place.root / "cache", now=NOW, jobs=1)
    assert found == {lib: RepositoryEvidence(moved_to=None, archived=True)}
    assert [exchange.request.secret for exchange in place.forge.log] == [None]


def test_nothing_at_all_is_asked_of_nobody(place: Place) -> None:
    assert place.ask() == {}


# ---- once a day ------------------------------------------------------------------------------------------------------


@Kinds
def test_a_repository_is_asked_about_once_a_day(place: Place, kind: Kind) -> None:
    lib = place.identity("acme/lib", kind)
    project = place.make("acme/lib", kind)
    assert [place.one(lib, now=at) for at in (NOW, NOW + 60, NOW + 3_600)] == [STAYED] * 3
    assert place.asked == 1
    project.archived = True
    assert place.one(lib, now=NOW + DAY) == RepositoryEvidence(moved_to=None, archived=True)
    assert place.asked == 2


def test_offline_yesterday_s_answer_is_all_there_is(place: Place) -> None:
    place.make("acme/lib").archived = True
    lib, other = place.identity("acme/lib"), place.identity("acme/other")
    place.one(lib)
    found = place.ask(lib, other, now=NOW + DAY, offline=True)
    assert found[lib] == RepositoryEvidence(moved_to=None, archived=True)
    assert "was not asked" in reason(found[other])
    assert place.asked == 1


def test_an_answer_of_last_month_is_none(place: Place) -> None:
    place.make("acme/lib")
    lib = place.identity("acme/lib")
    place.one(lib)
    assert "was not asked" in reason(place.one(lib, now=NOW + 31 * DAY, offline=True))


def test_what_was_hidden_without_a_token_is_asked_for_again_with_one(place: Place) -> None:
    place.make("acme/lib", private=True)
    lib = place.identity("acme/lib")
    place.environ = {}
    for _ in range(2):
        assert isinstance(place.one(lib), Unknown)
    assert place.asked == 1
    place.environ = {"FORGE_TOKEN": TOKEN}
    assert place.one(lib) == STAYED


def test_rights_that_a_token_is_given_count_at_once(place: Place) -> None:
    place.make("acme/lib", private=True)
    lib = place.identity("acme/lib")
    place.site().accounts[TOKEN].right = "none"
    assert isinstance(place.one(lib), Unknown)
    place.site().accounts[TOKEN].right = "read"
    assert place.one(lib) == STAYED


@pytest.mark.parametrize("content", [b"", b"{", b'{"asked": "now"}', b"\xff", b"[]"])
def test_a_damaged_answer_is_asked_for_again(place: Place, content: bytes) -> None:
    place.make("acme/lib")
    lib = place.identity("acme/lib")
    place.one(lib)
    (kept,) = (place.root / "cache/repositories").iterdir()
    kept.write_bytes(content)
    assert place.one(lib) == STAYED


def test_no_token_is_kept(place: Place) -> None:
    place.make("acme/lib")
    place.one(place.identity("acme/lib"))
    (kept,) = (place.root / "cache/repositories").iterdir()
    assert TOKEN not in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0


# ---- what goes wrong -------------------------------------------------------------------------------------------------


def test_where_a_limit_ends_it_the_next_run_goes_on(place: Place) -> None:
    paths = [f"acme/r{number}" for number in range(5)]
    libs = [place.identity(path) for path in paths]
    for path in paths:
        place.make(path)
    place.environ = {}
    place.forge.faults.add(faults.primary_limit(3_000), skip=2, times=None)
    found = place.ask(*libs)
    assert [found[lib] for lib in libs[:2]] == [STAYED] * 2
    words = f"{libs[0].host} has answered as many questions as its rate limit allows"
    assert {reason(found[lib]) for lib in libs[2:]} == {f"{words}: put a token for {libs[0].host} into FORGE_TOKEN"}
    assert place.asked == 3  # the others would be refused too
    place.forge.faults.clear()
    assert place.ask(*libs, now=NOW + 3_600) == dict.fromkeys(libs, STAYED)
    assert place.asked == 6


def test_those_that_were_never_asked_about_come_first_and_older_answers_stand_in(place: Place) -> None:
    """With a limit that ends every night after two, all are known after three, and no question is put in vain."""
    paths = [f"acme/r{number}" for number in range(5)]
    libs = [place.identity(path) for path in paths]
    for path in paths:
        place.make(path)
    known = []
    for night in range(4):
        place.forge.faults.clear()
        place.forge.faults.add(faults.primary_limit(3_000), skip=2, times=None)
        found = place.ask(*libs, now=NOW + night * DAY)
        known.append(sum(found[lib] == STAYED for lib in libs))
    assert known == [2, 4, 5, 5]


def test_a_limit_that_takes_longer_than_a_minute_is_not_waited_for(place: Place) -> None:
    lib = place.identity("acme/lib")
    place.forge.faults.add(faults.secondary_limit(90), times=None)
    assert "rate limit" in reason(place.one(lib))


def test_what_was_gone_yesterday_is_not_said_to_be_gone_where_nobody_could_be_asked(place: Place) -> None:
    place.environ = {}
    lib = place.identity("acme/lib")
    assert "is gone" in reason(place.one(lib))
    place.forge.faults.add(faults.primary_limit(3_000), times=None)
    assert "rate limit" in reason(place.one(lib, now=NOW + DAY))


def test_with_a_token_the_limit_names_no_variable(place: Place) -> None:
    lib = place.identity("acme/lib")
    place.forge.faults.add(faults.primary_limit(3_000), times=None)
    assert reason(place.one(lib)).endswith("rate limit allows; the next run goes on from here")


def test_a_token_that_is_not_taken_is_said_once_and_ends_the_questions(place: Place) -> None:
    libs = [place.identity(f"acme/r{number}") for number in range(3)]
    place.forge.faults.add(faults.answer(401, {"message": "Bad credentials"}), times=None)
    reasons = {reason(answer) for answer in place.ask(*libs).values()}
    assert len(reasons) == 1
    assert reasons.pop().endswith("Bad credentials: is the token in FORGE_TOKEN still valid?")
    assert place.asked == 1


@pytest.mark.parametrize("status", [403, 410, 451])
def test_a_refusal_is_one_repository_s_alone(place: Place, status: int) -> None:
    for path in ("acme/a", "acme/b"):
        place.make(path)
    first, second = place.identity("acme/a"), place.identity("acme/b")
    place.forge.faults.add(faults.answer(status, {"message": "Repository access blocked"}), path="acme/a", times=None)
    found = place.ask(first, second)
    assert "Repository access blocked" in reason(found[first])
    assert found[second] == STAYED


def test_a_server_that_does_not_answer_ends_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flakesync.forge.client._PAUSES_S", (0, 0, 0))
    place.make("acme/lib", "gitlab")
    down, up = place.identity("acme/lib"), place.identity("acme/lib", "gitlab")
    place.forge.faults.add(faults.drop_before, path="/repos/", times=None)
    found = place.ask(down, up)
    assert "the connection broke" in reason(found[down])
    assert found[up] == STAYED


def test_while_a_server_is_down_yesterday_s_answer_stands_in(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flakesync.forge.client._PAUSES_S", (0, 0, 0))
    place.make("acme/lib").archived = True
    lib = place.identity("acme/lib")
    place.one(lib)
    place.forge.faults.add(faults.drop_before, times=None)
    assert place.one(lib, now=NOW + DAY) == RepositoryEvidence(moved_to=None, archived=True)


def test_a_page_where_json_was_expected_is_not_known(place: Place) -> None:
    lib = place.identity("acme/lib")
    place.forge.faults.add(faults.html())
    assert "where JSON was expected" in reason(place.one(lib))


@pytest.mark.parametrize("name", ["../..", "corp/\u202elib", "corp", "", "corp/l b"])
def test_a_name_that_no_repository_can_have_is_no_place_to_move_to(place: Place, name: str) -> None:
    lib = place.identity("acme/lib")
    place.forge.faults.add(faults.answer(200, {"full_name": name, "archived": False}))
    words = reason(place.one(lib))
    assert "has a name that none can have" in words
    assert "\u202e" not in words


def test_a_token_is_sent_to_no_other_host(place: Place) -> None:
    lib = place.identity("acme/lib")
    elsewhere = f"https://localhost:{place.forge.open_port('codeberg.org')}/api/v1/repos/acme/lib"
    place.forge.faults.add(faults.answer(301, headers=(("Location", elsewhere),)))
    assert "the token is not sent there" in reason(place.one(lib))
    assert place.asked == 1


def test_each_host_is_asked_with_its_own_token(place: Place) -> None:
    for kind in HOSTS:
        place.make("acme/lib", kind)
        place.host(kind)
    place.environ = {"FORGE_TOKEN": TOKEN}
    assert set(place.ask(*(place.identity("acme/lib", kind) for kind in HOSTS)).values()) == {STAYED}
    assert all(exchange.request.secret == TOKEN for exchange in place.forge.log)


def test_a_variable_that_holds_no_token_is_not_known(place: Place) -> None:
    lib = place.identity("acme/lib")
    place.environ = {"FORGE_TOKEN": "two words"}
    assert "what FORGE_TOKEN holds cannot be a token" in reason(place.one(lib))


def test_a_run_that_is_stopped_raises_and_makes_no_answer_of_it(place: Place) -> None:
    lib = place.identity("acme/lib")
    with stopping(), pytest.raises(FlakesyncError) as caught:
        place.one(lib)
    assert caught.value.code == "interrupted"


def test_a_stop_in_the_middle_of_a_question_raises_too(place: Place) -> None:
    lib = place.identity("acme/lib")
    raised, left = Event(), Event()

    def stop_first(_request: Request, _perform: Callable[[], Answer]) -> None:
        with stopping():
            raised.wait(60)
        left.set()

    place.forge.faults.add(stop_first)
    try:
        with pytest.raises(FlakesyncError) as caught:
            place.one(lib)
    finally:
        raised.set()
        assert left.wait(60)
    assert caught.value.code == "interrupted"


def test_kept_answers_are_of_one_server(place: Place) -> None:
    place.make("acme/lib").archived = True
    place.make("acme/lib", "forgejo")
    assert place.one(place.identity("acme/lib")) != place.one(place.identity("acme/lib", "forgejo"))
    kept = [json.loads(each.read_bytes()) for each in (place.root / "cache/repositories").iterdir()]
    assert sorted(each["archived"] for each in kept) == [False, True]
