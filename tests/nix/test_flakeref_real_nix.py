"""flakesync's reading of references against Nix's own parser, on every installed version.

`nix registry add` is the parser that all versions have; from 2.18 on `builtins.parseFlakeRef` reads many in one run.
"""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flakesync.errors import FlakeRefError
from flakesync.nix.reference.flakeref import FlakeRef
from tests.nix.references import CROSSED, DIFFERENCES, ODD, OTHERS, REFUSED, REV, STRICTER, UNDERSTOOD, difference
from tests.support.nix import RealNix

pytestmark = pytest.mark.nix

MODERN = (2, 26)
BATCHED = (2, 18)
"""From here on there is builtins.parseFlakeRef."""


def understood(text: str) -> dict[str, object] | None:
    try:
        return dict(FlakeRef.parse(text).to_attrs())
    except FlakeRefError:
        return None


def told(nix: RealNix, env: dict[str, str], folder: Path, text: str, number: int) -> dict[str, object] | None:
    """Return what Nix's parser makes of one reference; None: refused."""
    registry = folder / f"{number}.json"
    argv = [str(nix.path), "registry", "add", "--registry", str(registry), "zzz", text]
    run = subprocess.run(
        argv, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=folder, check=False
    )
    if run.returncode:
        return None
    attrs: dict[str, object] = json.loads(registry.read_text())["flakes"][0]["to"]
    return attrs


def told_at_once(nix: RealNix, env: dict[str, str], folder: Path, texts: list[str]) -> list[dict[str, object]] | None:
    """Return what Nix makes of all of them in one process; None: it refuses at least one, or has no such builtin."""
    (folder / "texts.json").write_text(json.dumps(texts))
    expr = f"map builtins.parseFlakeRef (builtins.fromJSON (builtins.readFile {folder}/texts.json))"
    argv = [str(nix.path), "eval", "--impure", "--json", "--expr", expr]
    run = subprocess.run(
        argv, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=folder, check=False
    )
    result: list[dict[str, object]] | None = None if run.returncode else json.loads(run.stdout)
    return result


def ask(nix: RealNix, folder: Path, texts: list[str]) -> dict[str, dict[str, object] | None]:
    """Return Nix's reading of each; those that should be accepted in one process where that is possible."""
    env = nix.env()
    easy = [text for text in texts if understood(text) and not difference(nix.version, text)]
    at_once = told_at_once(nix, env, folder, easy) if nix.version >= BATCHED else None
    answers: dict[str, dict[str, object] | None] = dict(zip(easy, at_once, strict=True)) if at_once else {}
    left = [text for text in texts if text not in answers]
    with ThreadPoolExecutor(2) as pool:
        one_by_one = pool.map(lambda pair: told(nix, env, folder, pair[1], pair[0]), enumerate(left))
        return answers | dict(zip(left, one_by_one, strict=True))


def canonical(version: tuple[int, int], attrs: dict[str, object] | None) -> dict[str, object] | None:
    """Return what `from_attrs` makes of what an old Nix wrote; a modern Nix must agree to the letter."""
    if attrs is None or version >= MODERN:
        return attrs
    return dict(FlakeRef.from_attrs(attrs).to_attrs())


def upper_case(text: str) -> bool:
    return REV.upper() in text


def wrong(version: tuple[int, int], text: str, theirs: dict[str, object] | None) -> str | None:
    ours, known = understood(text), difference(version, text)
    if known is None:
        if upper_case(text) and theirs:  # 2.34 keeps the case of a rev in some places; here it is lower everywhere
            theirs = {
                key: value.lower() if key == "rev" and isinstance(value, str) else value
                for key, value in theirs.items()
            }
        good = ours == canonical(version, theirs)
    else:
        good = {
            "refuses": theirs is None and ours is not None,
            "accepts": theirs is not None and ours is None,
            "differs": theirs is not None and ours is not None and theirs != ours,
        }[known.nix]
    return None if good else f"{text}\n  here: {ours}\n  Nix:  {theirs}\n  known difference: {known}"


@pytest.mark.slow_but_newest
def test_every_form_is_read_as_nix_reads_it(nix: RealNix, tmp_path: Path) -> None:
    # An old version reads one reference in a process: every third of what is only crossed is enough there.
    crossed = CROSSED if nix.version >= BATCHED else CROSSED[::3]
    texts = list(dict.fromkeys([*crossed, *OTHERS, *ODD, *REFUSED]))
    answers = ask(nix, tmp_path, texts)
    faults = [fault for text in texts if (fault := wrong(nix.version, text, answers[text]))]
    assert not faults, "\n".join(faults)
    used = {difference(nix.version, text) for text in texts}
    stale = [
        each for each in DIFFERENCES if each.since <= nix.version <= (each.until or nix.version) and each not in used
    ]
    assert not stale


def test_what_is_refused_here_alone_is_accepted_by_the_newest_nix(any_nix: RealNix, tmp_path: Path) -> None:
    env = any_nix.env()
    for number, (reason, text) in enumerate((reason, text) for reason, texts in STRICTER.items() for text in texts):
        assert understood(text) is None, reason
        if any_nix.version >= (2, 34):
            assert told(any_nix, env, tmp_path, text, number) is not None, (text, reason)


def since(version: tuple[int, int], nix_versions: list[RealNix]) -> list[RealNix]:
    found = [each for each in nix_versions if each.version >= version]
    if not found:
        pytest.skip(f"no nix from {version} on is installed")
    return found


def test_nix_reads_our_urls_as_the_reference_they_were_made_from(nix_versions: list[RealNix], tmp_path: Path) -> None:
    for nix in since(MODERN, nix_versions):
        texts = [text for text in UNDERSTOOD if not difference(nix.version, text)]
        refs = [FlakeRef.parse(text) for text in texts]
        read = told_at_once(nix, nix.env(), tmp_path, [ref.to_url() for ref in refs])
        assert read == [ref.to_attrs() for ref in refs], nix.id


def test_relative_paths_of_inputs_are_read_as_nix_writes_them_into_a_lock(
    nix_versions: list[RealNix], tmp_path: Path
) -> None:
    urls = {"a": "./sub", "b": "path:./sub", "c": "path:sub", "d": "./sub/../sub", "e": ".?dir=sub"}
    for nix in since(MODERN, nix_versions):
        flake = tmp_path / nix.id
        for folder in (flake, flake / "sub"):
            folder.mkdir()
            (folder / "flake.nix").write_text("{ outputs = _: { }; }")
        inputs = "".join(f'inputs.{name}.url = "{url}"; ' for name, url in urls.items())
        (flake / "flake.nix").write_text(f"{{ {inputs} outputs = _: {{ }}; }}")
        argv = [str(nix.path), "flake", "lock", f"path:{flake}"]
        subprocess.run(argv, env=nix.env(), check=True, capture_output=True, stdin=subprocess.DEVNULL)
        nodes = json.loads((flake / "flake.lock").read_text())["nodes"]
        for name, url in urls.items():
            assert nodes[nodes["root"]["inputs"][name]]["original"] == FlakeRef.parse(url).to_attrs(), (nix.id, url)


@pytest.mark.parametrize(
    "attrs",
    [
        {},
        {"type": "nonsense"},
        {"type": "github", "owner": "o"},
        {"type": "github", "owner": "o", "repo": "r", "colour": "blue"},
        {"type": "github", "owner": "o", "repo": "r", "ref": "a", "rev": REV},
        {"type": "git", "url": "https://h/x", "submodules": 1},
        {"type": "git", "url": "https://h/x", "rev": "01"},
        {"type": "git", "url": "h:o/r"},
        {"type": "tarball", "url": "not a url"},
        {"type": "indirect", "id": "a b"},
        {"type": "path"},
    ],
    ids=str,
)
def test_attribute_sets_that_are_refused_are_refused_by_the_newest_nix(
    any_nix: RealNix, tmp_path: Path, attrs: dict[str, object]
) -> None:
    with pytest.raises(FlakeRefError):
        FlakeRef.from_attrs(attrs)
    if any_nix.version >= (2, 34):
        (tmp_path / "attrs.json").write_text(json.dumps(attrs))
        expr = f"builtins.flakeRefToString (builtins.fromJSON (builtins.readFile {tmp_path}/attrs.json))"
        argv = [str(any_nix.path), "eval", "--impure", "--raw", "--expr", expr]
        run = subprocess.run(argv, env=any_nix.env(), capture_output=True, stdin=subprocess.DEVNULL, check=False)
        assert run.returncode != 0
