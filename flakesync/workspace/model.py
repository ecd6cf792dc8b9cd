"""The workspace as the rest of the program sees it: values, checked and filled in."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import msgspec

from flakesync.errors import ManifestError
from flakesync.nix.reference.flakeref import FlakeRef, Identity
from flakesync.terms import FlakeDir, InputPath, PinName, RepoName
from flakesync.workspace.audit import AuditSettings
from flakesync.workspace.settings.after import AfterCommand
from flakesync.workspace.settings.cooldown import Conditions, ExternalPolicy, conditions_for
from flakesync.workspace.settings.follow import OLDEST_NIX, Follow, FollowRules, NixVersion
from flakesync.workspace.settings.holds import Hold
from flakesync.workspace.settings.mirrors import Mirrors
from flakesync.workspace.settings.on_failure import OnFailure
from flakesync.workspace.values import did_you_mean, matches

External = Literal["hold", "latest", "newest-locked"]
"""What becomes of inputs that are neither pinned nor workspace repos."""

Propagate = Literal["content", "always"]
"""Which commits of a repo move those that take it. `content`: not those that change nothing but flake.lock files and
move nothing that reaches the dependent's own lock. `always`: all."""

ForgeKind = str
"""How a forge is spoken to: a key of `forge_kinds.KINDS`; `none`: not at all, branches are only pushed."""

Read = Literal["server", "local"]
"""Whose branches of a clone count where the manifest names its server."""

MergeMethod = Literal["default", "merge", "squash", "rebase", "fast-forward"]
"""How pull requests are merged; `default`: as the repository is set up."""


class ForgeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A forge that the manifest declares.

    api: base URL, None for the usual one of its kind. token_env: the variable with the token, None for the usual ones.
    ca_file: absolute, None for the authorities of the system.
    """

    kind: ForgeKind
    api: str | None = None
    token_env: str | None = None
    ca_file: Path | None = None


class PublishSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How pull requests look and are merged.

    title: a template (`schema.keys.TITLE_PLACEHOLDERS`); None: what moved, and where to if that is one commit. limit:
    how many pull requests a run opens at most; None: all.
    """

    labels: tuple[str, ...] = ()
    draft: bool = False
    reviewers: tuple[str, ...] = ()
    merge_method: MergeMethod = "default"
    title: str | None = None
    limit: int | None = None


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """A source that all repos share at one rev.

    target: `latest`, `newest-locked`, `repo:NAME` or a full rev. max_age_s: None means no age is reported.
    inputs: globs on input paths it governs (see `matches`); None: every root input of the same repository and ref.
    template: the source as it is written, where that has `{release}`. replaces: names of branches of the same
    repository that sync moves inputs on from, to this source. follow: what may follow the inputs that it governs.
    conditions: what a commit has to have before inputs move to it; idle for a target that is no commit of a branch.
    """

    name: PinName
    source: FlakeRef
    target: str = "latest"
    max_age_s: int | None = None
    inputs: tuple[str, ...] | None = None
    template: str | None = None
    replaces: tuple[str, ...] = ()
    follow: FollowRules = FollowRules()
    conditions: Conditions = Conditions()


class Repo(msgspec.Struct, frozen=True, kw_only=True):
    """One repo of the workspace, with the values of `[defaults]` and `[workspace]` filled in.

    url: the flake reference without ref, None for a repo known only by its folder. path: absolute folder of the
    local clone, None for a repo that is mirrored. base: None means the repo's own default branch. checks: argv of each.
    after: commands whose files enter the update commit.
    propagate: whether its commits that change only locks move those that take it, see Propagate.
    keep: as of a pin, for all pins. follow: in place of what the pins say; None: as they say.
    on_failure: what becomes of it when its checks fail.
    holds: inputs that stay for now; what was over when the manifest was read is not among them, so that a run decides
    once. identities: every identity that means this repo: of its url, its aliases and its folder.
    """

    name: RepoName
    url: FlakeRef | None = None
    path: Path | None = None
    base: str | None = None
    flakes: tuple[FlakeDir, ...] = (FlakeDir("."),)
    groups: tuple[str, ...] = ()
    aliases: tuple[Identity, ...] = ()
    hold: tuple[str, ...] = ()
    holds: tuple[Hold, ...] = ()
    checks: tuple[tuple[str, ...], ...] = ()
    after: tuple[AfterCommand, ...] = ()
    propagate: Propagate = "content"
    keep: tuple[str, ...] = ()
    follow: Follow | None = None
    on_failure: OnFailure = OnFailure()
    identities: frozenset[Identity] = frozenset()

    def hold_on(self, flake: FlakeDir, path: InputPath) -> Hold | None:
        """Return the hold with an end that keeps an input where it is, the one that ends last; None: there is none."""
        if not self.holds:  # nearly always, and asked of each input that moves
            return None
        covering = (each for each in self.holds if each.covers(flake, path))
        return max(covering, key=lambda each: each.until, default=None)

    def why_held(self, flake: FlakeDir, path: InputPath) -> str | None:
        """Return why an input is not moved, `hold` where it never is; None: it may move."""
        if self.hold and matches(self.hold, path):
            return "hold"
        found = self.hold_on(flake, path)
        return found.why if found is not None else None

    def held_by(self, flake: FlakeDir, path: InputPath) -> str | None:
        """Return why an input is not moved, as a phrase that names the key for what never is; None: it may move."""
        why = self.why_held(flake, path)
        return f"held (repos.{self.name}.hold)" if why == "hold" else why


class Workspace(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A checked manifest. repos and pins are in manifest order; branch is the update branch; author None: git's own.

    message: the template of the first line of update commits (`schema.keys.MESSAGE_PLACEHOLDERS`),
    None for Nix's own. sign_off: whether the author signs them off.

    release: what stands for `{release}` in the sources of pins. replaces: the releases before it that sync moves on.

    forges: by host, as it stands in the addresses of repos (lower case, an unusual port with it).
    seen: the file with the record of tips; None: the one in the cache directory. policies: see `external_conditions`.
    nix_min: the oldest Nix that reads the flakes. holds: as written, those that are over too.
    mirrors: who is asked in place of repositories' own servers. sources: the folder of the static cache that new
    sources are put into; None: none.
    """

    file: Path
    name: str
    base: str | None
    branch: str
    jobs: int
    external: External
    author: str | None
    message: str | None = None
    sign_off: bool = False
    pins: tuple[Pin, ...]
    repos: tuple[Repo, ...]
    forges: Mapping[str, ForgeSettings] = msgspec.field(default_factory=dict)
    publish: PublishSettings = PublishSettings()
    audit: AuditSettings = AuditSettings()
    read: Read = "server"
    seen: Path | None = None
    policies: tuple[ExternalPolicy, ...] = ()
    release: str | None = None
    replaces: tuple[str, ...] = ()
    nix_min: NixVersion = OLDEST_NIX
    holds: tuple[Hold, ...] = ()
    mirrors: Mirrors = Mirrors()
    sources: Path | None = None

    @cached_property
    def _by_name(self) -> Mapping[str, Repo]:
        return {repo.name: repo for repo in self.repos}

    @property
    def names(self) -> Collection[str]:
        """The names of the repos, in manifest order."""
        return self._by_name.keys()

    @property
    def root(self) -> Path:
        """The folder of the manifest; `path` values are relative to it."""
        return self.file.parent

    def external_conditions(self, reference: FlakeRef) -> Conditions:
        """Return what a commit of an external source has to have before inputs move to it."""
        return conditions_for(self.policies, reference)

    def repo(self, name: str) -> Repo:
        """Return the repo of that name. Raises ManifestError (`unknown-repo`)."""
        found = self._by_name.get(name)
        if found is None:
            raise ManifestError(
                "unknown-repo", f"{self.file}: no repo is called `{name}`", hint=did_you_mean(name, self.names)
            )
        return found


_SELECTING = ("--repo", "--group", "--exclude")


def select(
    workspace: Workspace, repos: Sequence[str], groups: Sequence[str], exclude: Sequence[str]
) -> frozenset[RepoName]:
    """Return the repos that `--repo`, `--group` and `--exclude` choose.

    With neither repos nor groups, all; otherwise those named and the members of the groups. `exclude` then takes away
    repos, or whole groups, by name.

    Raises:
        ManifestError: `unknown-repo`, `unknown-group`: nothing has that name. `nothing-selected`: no repo is left.
    """
    members: dict[str, set[RepoName]] = {}
    for repo in workspace.repos:
        for group in repo.groups:
            members.setdefault(group, set()).add(repo.name)
    chosen = {workspace.repo(name).name for name in repos}
    for group in groups:
        if group not in members:
            hint = did_you_mean(group, members)
            raise ManifestError(
                "unknown-group",
                f"{workspace.file}: no repo is in a group `{group}`",
                hint=hint if hint is not None else 'a repo joins a group by `groups = ["…"]`',
            )
        chosen |= members[group]
    if not repos and not groups:
        chosen = {repo.name for repo in workspace.repos}
    for name in exclude:
        if name not in members and name not in workspace.names:
            hint = did_you_mean(name, [*workspace.names, *members])
            raise ManifestError("unknown-repo", f"{workspace.file}: no repo and no group is called `{name}`", hint=hint)
        chosen -= {RepoName(name), *members.get(name, ())}
    if not chosen:
        options = zip(_SELECTING, (repos, groups, exclude), strict=True)
        given = " ".join(f"{option} {name}" for option, names in options for name in names)
        raise ManifestError(
            "nothing-selected", f"`{given}` leaves no repo", hint="exclude fewer, or name one that is left"
        )
    return frozenset(chosen)
