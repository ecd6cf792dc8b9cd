"""Inputs of inputs that a flake.nix overrides are judged by what it says, whichever Nix has written the lock."""

import json
import subprocess
from pathlib import Path

import pytest

from flakesync.audit.audit import Options, audit
from flakesync.cache.layout import cache_dir
from flakesync.documents.audit import AuditReport, Level
from flakesync.terms import RepoName
from flakesync.workspace.audit import RuleId
from flakesync.workspace.manifest import load_workspace
from tests.support.kept import Kept
from tests.support.locks import Json
from tests.support.nix import RealNix
from tests.support.nixspace import commit_info, drift_of, ref_in
from tests.support.repos import commit, make_repo

_PLAIN = "{ outputs = _: { }; }"
_LIB = 'lib.url = "AT/lib"; '
_TOP = 'top.url = "AT/top"; '
_DEEP = _TOP + 'top.inputs.lib.inputs.x.url = "AT/other";'
OVERRIDES = {
    "url": ("lib/x", _LIB + 'lib.inputs.x.url = "AT/other";'),
    "attributes": ("lib/x", 'lib = { url = "AT/lib"; inputs.x = { type = "git"; url = "file://ROOT/other"; }; };'),
    "source": ("lib/src", _LIB + 'lib.inputs.src = { url = "AT/other"; flake = false; };'),
    "source without a word of it": ("lib/src", _LIB + 'lib.inputs.src.url = "AT/other";'),
    "through a follows": ("lib/x", _TOP + _LIB + 'top.inputs.lib.follows = "lib"; lib.inputs.x.url = "AT/other";'),
    "of a flake in between": ("mid/lib/x", 'mid.url = "AT/mid";'),
    "of a folder's input": ("sub/x", 'sub.url = "path:./sub"; sub.inputs.x.url = "AT/other";'),
}
"""Where `other` takes the place of x, and the inputs of the flake.nix that ask for it."""


class Ground:
    """`lib` takes x, as a flake and as a source; `top` takes lib, `mid` takes lib with `other` in place of its x.

    A registry leads from the name of each to the repository. `app` and `mid` are repos of the workspace.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("x", "other", "evil"):
            make_repo(root / name, {"flake.nix": _PLAIN, "name": name})
        names = {name: {"type": "git", "url": f"file://{root / name}"} for name in ("x", "other", "lib")}
        flakes = [{"from": {"type": "indirect", "id": name}, "to": to} for name, to in names.items()]
        (root / "registry.json").write_text(json.dumps({"version": 2, "flakes": flakes}))
        self.lock("lib", 'x.url = "AT/x"; src = { url = "AT/x"; flake = false; };')
        self.lock("top", _LIB)
        self.lock("mid", OVERRIDES["url"][1])
        repos = {"app": "", "mid": f'url = "git+file://{root}/mid"'}
        tables = [f'[repos.{name}]\npath = "{name}"\n{more}\n' for name, more in repos.items()]
        (root / "workspace.toml").write_text("\n".join(['[workspace]\nname = "t"\n', *tables]))

    def lock(self, name: str, inputs: str) -> None:
        files = {"flake.nix": self.flake_nix(inputs), "sub/flake.nix": self.flake_nix('x.url = "AT/x";')}
        make_repo(self.root / name, files)
        nix = ["nix", "flake", "lock", "--option", "flake-registry", str(self.root / "registry.json")]
        subprocess.run([*nix, f"path:{self.root / name}"], check=True, capture_output=True)
        commit(self.root / name, {"flake.lock": (self.root / name / "flake.lock").read_text()})

    def flake_nix(self, inputs: str) -> str:
        text = inputs.replace("AT/", f"git+file://{self.root}/").replace("ROOT", str(self.root))
        return f"{{ inputs = {{ {text} }}; outputs = _: {{ }}; }}"

    def poison(self, path: str, *, noted: bool) -> None:
        """Lock an input of app to evil, whose commit and hash are true. noted: as if it had been asked for, too."""
        file = self.root / "app/flake.lock"
        lock = json.loads(file.read_text())
        node: Json = lock["nodes"]["root"]
        for name in path.split("/"):
            node = lock["nodes"][node["inputs"][name]]
        address = {"type": "git", "url": f"file://{self.root}/evil"}
        rev = ref_in(self.root / "evil", "refs/heads/main")
        assert rev is not None
        node["locked"] |= {**address, **commit_info(self.root / "evil", rev)}
        if noted:
            node["original"] = address
        commit(self.root / "app", {"flake.lock": json.dumps(lock, indent=2) + "\n"})

    def audit(self, *only: RuleId, level: Level = "offline") -> AuditReport:
        workspace = load_workspace(self.root / "workspace.toml")
        options = Options(only=frozenset(only), level=level)
        return audit(workspace, frozenset([RepoName("app")]), options, cache_dir()).report

    def said(self, *only: RuleId) -> list[tuple[str, str | None, str]]:
        found = self.audit(*only).findings
        return [(each.rule, each.input, each.message) for each in found if each.rule != "local-path"]


@pytest.fixture
def ground(use_nix: RealNix, kept: Kept) -> Ground:
    return kept.again(f"overridden-{use_nix.id}", Ground)


@pytest.mark.slow_between
@pytest.mark.parametrize("case", OVERRIDES)
@pytest.mark.parametrize("noted", [False, True])
def test_what_an_override_asks_for_is_no_finding_and_anything_else_is(
    nix: RealNix, ground: Ground, case: str, noted: bool
) -> None:
    path, inputs = OVERRIDES[case]
    ground.lock("app", inputs)
    assert ground.said() == []
    assert ground.said("foreign") == []
    ground.poison(path, noted=noted)
    ((rule, where, message),) = ground.said("foreign")
    assert (rule, where) == ("foreign", path)
    assert message.startswith(f"{ground.root}/other is locked to {ground.root}/evil ")


def test_a_deeper_override_is_what_is_asked_for_though_nix_up_to_2_29_passes_over_it(
    nix: RealNix, ground: Ground
) -> None:
    ground.lock("app", _DEEP)
    passed_over = nix.version < (2, 30)
    assert {rule for rule, _, _ in ground.said()} == ({"flake-nix-differs", "foreign"} if passed_over else set())
    ground.poison("top/lib/x", noted=True)
    ((_, where, message),) = ground.said("foreign")
    assert where == "top/lib/x"
    assert message.startswith(f"{ground.root}/other is locked to {ground.root}/evil ")


def test_an_override_by_a_name_of_the_registry_may_lead_anywhere(nix: RealNix, ground: Ground) -> None:
    ground.lock("app", _LIB + 'lib.inputs.x.url = "other";')
    report = ground.audit("foreign")
    assert report.findings == []
    ((where, reason),) = [(each.input, each.reason) for each in report.unchecked]
    assert where == "lib/x"
    assert "`other` lead to" in reason


def test_an_override_of_what_only_follows_asks_for_nothing(nix: RealNix, ground: Ground) -> None:
    ground.lock("app", _TOP + 'lib.follows = "top/lib"; lib.inputs.x.url = "AT/other";')
    assert ground.said() == []


def test_an_override_that_is_not_locked_yet_is_said_once_by_each_rule(nix: RealNix, ground: Ground) -> None:
    ground.lock("app", _LIB)
    commit(ground.root / "app", {"flake.nix": ground.flake_nix(OVERRIDES["url"][1])})
    assert [(rule, where) for rule, where, _ in ground.said()] == [("flake-nix-differs", "lib/x"), ("foreign", "lib/x")]


def test_drift_says_the_same_of_the_inputs_of_a_folder(nix: RealNix, ground: Ground) -> None:
    path, inputs = OVERRIDES["of a folder's input"]
    ground.lock("app", inputs)
    assert "foreign" not in {each.kind for each in drift_of(ground.root / "workspace.toml", at="base")}
    ground.poison(path, noted=False)
    (found,) = [each for each in drift_of(ground.root / "workspace.toml", at="base") if each.kind == "foreign"]
    assert (found.input, found.detail) == (path, f"flake.nix names {ground.root}/other, the lock {ground.root}/evil")


@pytest.mark.slow_between
@pytest.mark.parametrize("noted", [False, True])
def test_an_override_of_a_flake_that_is_no_repo_is_known_where_its_files_are_fetched(
    nix: RealNix, ground: Ground, noted: bool
) -> None:
    manifest = ground.root / "workspace.toml"
    manifest.write_text(manifest.read_text().partition("[repos.mid]")[0])
    path, inputs = OVERRIDES["of a flake in between"]
    ground.lock("app", inputs)
    offline = ground.audit()
    assert [each.rule for each in offline.findings if each.severity == "high" and each.rule != "local-path"] == (
        ["foreign"] if nix.version < (2, 20) else []
    )
    report = ground.audit(level="mirror")
    assert {each.rule for each in report.findings} <= {"local-path"}
    assert report.unchecked == []
    ground.poison(path, noted=noted)
    found = [(each.rule, each.input) for each in ground.audit(level="mirror").findings]
    assert ("foreign", path) in found
