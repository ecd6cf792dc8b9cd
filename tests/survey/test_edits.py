"""Which references are moved on, in whichever form they stand; what stays, and why."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from flakesync.nix.expression.edit import SetRef
from flakesync.nix.reference.flakeref import FlakeRef
from flakesync.survey.edits import apply
from flakesync.survey.edits.apply import with_edits
from flakesync.survey.edits.planned import planned_edits
from flakesync.terms import RepoName
from flakesync.workspace.manifest import load_workspace
from flakesync.workspace.snapshot import FlakeState, PlainFolder, Snapshot, read_snapshot
from tests.support import locks
from tests.support.releases import Releases

OLD, NEW = "nixos-25.11", "nixos-26.05"
SOURCE = "github:NixOS/nixpkgs/nixos-{release}"
CHANNEL = "https://channels.nixos.org/nixos-{release}/nixexprs.tar.xz"
HUB = "https://flakehub.com/f/NixOS/nixpkgs/0.{release}.*.tar.gz"
NIXPKGS = locks.github("NixOS", "nixpkgs", ref=OLD)


@dataclass
class Folder:
    """A workspace whose one repo is a plain folder."""

    root: Path

    def read(self, inputs: str, lock: locks.Inputs, *, source: str = SOURCE, more: str = "") -> Snapshot:
        """Return the snapshot without edits. inputs: of flake.nix, as text."""
        app = self.root / "app"
        app.mkdir(exist_ok=True)
        (app / "flake.nix").write_text(f"{{\n  inputs = {{\n{inputs}\n  }};\n  outputs = _: {{ }};\n}}\n")
        (app / "flake.lock").write_bytes(locks.to_bytes(locks.lock(lock)))
        (self.root / "workspace.toml").write_text(
            f'[workspace]\nrelease = "26.05"\nreplaces = ["25.05", "25.11"]\n[repos.app]\npath = "app"\n{more}'
            f'[pins.nixpkgs]\nsource = "{source}"\n'
        )
        return read_snapshot(load_workspace(self.root / "workspace.toml"), cache=self.root / "cache", offline=True)


def app_of(snapshot: Snapshot) -> FlakeState:
    state = snapshot.states[RepoName("app")]
    assert isinstance(state, PlainFolder)
    return state.flakes[0]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def archive(url: str) -> locks.Input:
    attrs = FlakeRef.parse(url).to_attrs()
    locked = {**attrs, "narHash": locks.nar_hash_of(url), "rev": locks.rev_of(url)}
    return locks.Input(locked, dict(attrs))


REGISTRY = locks.Input(NIXPKGS.locked, {"type": "indirect", "id": "nixpkgs", "ref": OLD})
FORMS = {
    "url": (f'np.url = "github:NixOS/nixpkgs/{OLD}";', NIXPKGS, SOURCE),
    "full ref": (
        f'np.url = "github:nixos/nixpkgs?ref=refs/heads/{OLD}";',
        locks.github("nixos", "nixpkgs", ref=f"refs/heads/{OLD}"),
        SOURCE,
    ),
    "set": (f'np = {{ type = "github"; owner = "NixOS"; repo = "nixpkgs"; ref = "{OLD}"; }};', NIXPKGS, SOURCE),
    "registry": (f'np.url = "nixpkgs/{OLD}";', REGISTRY, SOURCE),
    "archive": (
        f'np.url = "https://github.com/NixOS/nixpkgs/archive/{OLD}.tar.gz";',
        archive(f"https://github.com/NixOS/nixpkgs/archive/{OLD}.tar.gz"),
        SOURCE,
    ),
    "channel": (
        f'np.url = "https://nixos.org/channels/{OLD}/nixexprs.tar.xz";',
        archive(f"https://nixos.org/channels/{OLD}/nixexprs.tar.xz"),
        CHANNEL,
    ),
    "flakehub": (
        'np.url = "https://flakehub.com/f/NixOS/nixpkgs/0.2511.*";',
        archive("https://flakehub.com/f/NixOS/nixpkgs/0.2511.*"),
        HUB,
    ),
    "release before that": (
        'np.url = "github:NixOS/nixpkgs/nixos-25.05";',
        locks.github("NixOS", "nixpkgs", ref="nixos-25.05"),
        SOURCE,
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_reference_is_moved_and_disagrees_with_the_lock_then(folder: Folder, form: str) -> None:
    text, node, source = FORMS[form]
    flake = app_of(with_edits(folder.read(text, {"np": node}, source=source)))
    (edit,) = flake.edits
    assert isinstance(edit.edit, SetRef)
    assert (edit.file, edit.line, edit.pin) == ("flake.nix", 3, "nixpkgs")
    assert edit.after == ("0.2605.*" if form == "flakehub" else NEW)
    assert [(each.input, each.kind) for each in flake.stale] == [(("np",), "reference")]
    assert edit.after.replace("*", "%2A") in str(flake.stale[0].original).replace("*", "%2A")
    assert flake.unedited == ()


def test_both_inputs_of_a_branch_are_moved_and_a_new_one_too(folder: Folder) -> None:
    url = f'"github:NixOS/nixpkgs/{OLD}"'
    flake = app_of(
        with_edits(folder.read(f"a.url = {url};\nb.url = {url};\nc.url = {url};", {"a": NIXPKGS, "b": NIXPKGS}))
    )
    assert sorted(each.input[0] for each in flake.edits) == ["a", "b", "c"]
    assert [(each.input[0], each.kind) for each in flake.stale] == [
        ("a", "reference"),
        ("b", "reference"),
        ("c", "new"),
    ]


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ('np.url = "github:NixOS/nixpkgs/nixos-unstable";', locks.github("NixOS", "nixpkgs", ref="nixos-unstable")),
        ('np.url = "github:someone/nixpkgs/nixos-25.11";', locks.github("someone", "nixpkgs", ref=OLD)),
        ('np.url = "github:NixOS/nixpkgs/nixos-125.110";', locks.github("NixOS", "nixpkgs", ref="nixos-125.110")),
        ('np.url = "github:NixOS/nixpkgs/nixos-26.05";', locks.github("NixOS", "nixpkgs", ref=NEW)),
        ('np.url = "github:NixOS/nixpkgs";', locks.github("NixOS", "nixpkgs")),
    ],
)
def test_what_is_of_another_branch_or_repository_stays(folder: Folder, text: str, node: locks.Input) -> None:
    snapshot = folder.read(text, {"np": node})
    assert planned_edits(snapshot) == {}
    assert with_edits(snapshot) is snapshot


@pytest.mark.parametrize(
    ("text", "node", "more", "why"),
    [
        (f'np.url = "github:NixOS/nixpkgs/{OLD}";', NIXPKGS, 'hold = ["np"]\n', "held"),
        (
            f'np.url = "github:NixOS/nixpkgs/{OLD}";',
            NIXPKGS,
            '[[hold]]\nrepo = "app"\ninput = ".#np"\nuntil = 2099-01-01\nreason = "why"\n',
            "held",
        ),
        (f'np = let x = "{OLD}"; in {{ url = x; }};', NIXPKGS, "", "cannot-edit"),
        ('np.url = "nixpkgs";', locks.Input(NIXPKGS.locked, {"type": "indirect", "id": "nixpkgs"}), "", "indirect"),
    ],
)
def test_what_is_not_edited_says_why(folder: Folder, text: str, node: locks.Input, more: str, why: str) -> None:
    flake = app_of(with_edits(folder.read(text, {"np": node}, more=more)))
    assert [each.why for each in flake.unedited] == [why]
    assert flake.edits == ()
    assert flake.stale == ()


def test_what_edits_make_of_a_commit_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = Releases(tmp_path / "w").manifest()
    snapshot = read_snapshot(load_workspace(manifest), cache=tmp_path / "cache", offline=True)
    first = with_edits(snapshot, cache=tmp_path / "cache")
    assert first == with_edits(snapshot)

    def never(source: bytes, edits: object) -> None:
        raise AssertionError(edits)

    monkeypatch.setattr(apply, "edit_inputs", never)
    assert with_edits(snapshot, cache=tmp_path / "cache") == first
