"""The line that a `duplicate` tells to write, written: Nix takes it, and the second copy is gone."""

import re
import subprocess
from pathlib import Path

import pytest
import tomli_w

from tests.support import repos
from tests.support.nix import RealNix
from tests.support.nixspace import drift_of

NP = 'inputs.{name}.url = "git+file://{root}/np?ref=main";'
REPO = 'inputs.{name}.url = "git+file://{root}/{name}";'


def add(root: Path, nix: RealNix, name: str, flakes: dict[str, str]) -> None:
    """Make a repo of these flakes (folder → inputs) and lock its root."""
    files: dict[str, str | bytes | None] = {
        str(Path(dir, "flake.nix")): f"{{ {inputs.replace('{root}', str(root))} outputs = _: {{ }}; }}"
        for dir, inputs in flakes.items()
    }
    repos.make_repo(root / name, files)
    relock(root / name, nix)


def relock(path: Path, nix: RealNix, update: str = "") -> None:
    argv = ["flake", "lock"]
    if update:
        argv = ["flake", "update", update] if nix.version >= (2, 19) else [*argv, "--update-input", update]
    subprocess.run([str(nix.path), *argv], cwd=path, capture_output=True, check=True)
    repos.run_git("add", "--all", cwd=path)
    repos.run_git("commit", "--quiet", "--message", "Lock", cwd=path)


@pytest.mark.parametrize(
    ("flakes", "input", "file"),
    [
        ({"": NP.format(name="np", root="{root}") + REPO.format(name="tool", root="{root}")}, "tool/np", ""),
        (
            {
                "": 'inputs.here.follows = "pins/np";'
                + REPO.format(name="pins", root="{root}")
                + REPO.format(name="tool", root="{root}")
            },
            "tool/np",
            "",
        ),
        (
            {
                "": 'inputs.sub.url = "path:./sub";',
                "sub": NP.format(name="mine", root="{root}") + REPO.format(name="tool", root="{root}"),
            },
            "sub/tool/np",
            "sub",
        ),
    ],
)  # fmt: skip
def test_the_advice_removes_the_copy(
    flakes: dict[str, str], input: str, file: str, any_nix: RealNix, use_nix: RealNix, tmp_path: Path
) -> None:
    repos.make_repo(tmp_path / "np", {"flake.nix": "{ outputs = _: { }; }"})
    for name in ("pins", "tool"):
        add(tmp_path, any_nix, name, {"": NP.format(name="np", root="{root}")})
    add(tmp_path, any_nix, "app", flakes)
    repos.commit(tmp_path / "np", {"x": "y"})
    source = f"git+file://{tmp_path}/np?ref=main"
    manifest = tmp_path / "workspace.toml"
    document = {"workspace": {"name": "acme"}, "pins": {"np": {"source": source}}, "repos": {"app": {"path": "app"}}}
    manifest.write_text(tomli_w.dumps(document))
    (found,) = (each for each in drift_of(manifest, at="base") if each.kind == "duplicate")
    assert found.input == input
    line = re.search(r'inputs\.\S+ = "\S+"', found.detail)
    assert line is not None
    flake_nix = tmp_path / "app" / file / "flake.nix"
    flake_nix.write_text(flake_nix.read_text().replace("outputs", f"{line[0]}; outputs"))
    relock(tmp_path / "app", any_nix, file)
    assert [each for each in drift_of(manifest, at="base") if each.kind == "duplicate"] == []
