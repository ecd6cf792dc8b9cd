"""Random flake.nix files read here and by every installed Nix.

The oracle needs no network: a lock is made from what was read here, and Nix must take it without a change and name the
same references in it. What flakesync reads otherwise than Nix makes Nix ask for another source, which fails.
FLAKESYNC_FIDELITY is the number of files for each version (20 by default, 1,000 at most).
"""

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flakesync.errors import LockError
from flakesync.nix.expression.inputs import FlakeInputs, InputSpec, NotStatic, read_inputs
from tests.nix.flakefiles import REFUSED_BY_NIX, legal, lock_of, spoilt
from tests.nix.references import UNDERSTOOD
from tests.support.nix import RealNix

pytestmark = pytest.mark.nix

WENT_ON = re.compile("lock file changes|unable to download|resolve host|unable to access|Nix has")
"""What Nix says only after it has taken the flake.nix."""

BATCH = 10
BATCHES = min(int(os.environ.get("FLAKESYNC_FIDELITY", "20")), 1000) // BATCH or 1
"""Read at import: tests have an environment of their own."""

MODERN = (2, 26)


def read(text: str) -> FlakeInputs | NotStatic:
    return read_inputs(text.encode())


def one_url(text: str) -> FlakeInputs | NotStatic:
    return read(f"{{ inputs.a.url = ''{text}''; outputs = _: {{ }}; }}")


def specs(read: FlakeInputs | NotStatic) -> list[InputSpec]:
    assert isinstance(read, FlakeInputs)
    found = list(read.inputs.values())
    for spec in found:
        found += spec.inputs.values()
    return found


# Paths are left out: Nix looks at what is there.
SIMPLE = [text for text in UNDERSTOOD if not set(text) & set("\"'$\\") and not text.startswith((".", "/", "path:"))]
SURE = [text for text in SIMPLE if isinstance(one_url(text), FlakeInputs)]
PORTABLE = [text for text in SURE if all(spec.portable for spec in specs(one_url(text)))]


_SETTING = re.compile("flake configuration setting '.*' is a thunk")


def is_luck(nix: RealNix, wrong: str) -> bool:
    """Whether Nix 2.8 takes a setting that is another at other times: it goes by where their names lie in memory."""
    return nix.version == (2, 8) and _SETTING.search(wrong) is not None


def complaint(nix: RealNix, env: dict[str, str], folder: Path, text: str, wanted: FlakeInputs | None) -> str | None:
    """Return what Nix has against `text` with a lock of the inputs `wanted`; None: it agrees."""
    folder.mkdir(exist_ok=True)
    (folder / "flake.nix").write_bytes(text.encode())
    lock = None if wanted is None else lock_of(wanted)
    if lock is not None:
        (folder / "flake.lock").write_bytes(lock.to_bytes())
    argv = [str(nix.path), "flake", "metadata", "--json", "--no-update-lock-file", f"path:{folder}"]
    argv += ["--option", "connect-timeout", "1", "--option", "download-attempts", "1"]
    run = subprocess.run(argv, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if run.returncode:
        return run.stderr
    said = json.loads(run.stdout)["locks"]
    ours = {"nodes": {"root": {}}, "root": "root", "version": 7} if lock is None else json.loads(lock.to_bytes())
    return None if said == ours else f"Nix has {json.dumps(said)}\nnot {json.dumps(ours)}"


def fits(nix: RealNix, read: FlakeInputs) -> bool:
    """Whether this version has to read it as it was read here."""
    found = specs(read)
    if any(spec.relative for spec in found):
        return False  # Nix looks at what is there
    return nix.version >= MODERN or all(spec.portable for spec in found)


@pytest.mark.slow_between
@pytest.mark.parametrize("batch", range(BATCHES))
def test_what_is_read_is_what_nix_reads(nix: RealNix, tmp_path: Path, batch: int) -> None:
    env = nix.env()
    modern, asked = nix.version >= MODERN, 0
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        case = legal(seed, references=SURE if modern else PORTABLE, nested_references=modern)
        found = read(case.text)
        assert isinstance(found, FlakeInputs), f"{seed}: {found}\n{case.text}"
        if fits(nix, found):
            asked += 1
            wrong = complaint(nix, env, tmp_path / "flake", case.text, found)
            assert wrong is None or is_luck(nix, wrong), f"{seed}: {wrong}\n{case.text}"
    assert asked > BATCH // 3


@pytest.mark.slow_between
@pytest.mark.parametrize("batch", range(BATCHES))
def test_nothing_is_read_that_nix_refuses_or_reads_otherwise(nix: RealNix, tmp_path: Path, batch: int) -> None:
    env = nix.env()
    read_at_all = 0
    for seed in range(batch * 4 * BATCH, (batch + 1) * 4 * BATCH):
        text = spoilt(seed, references=PORTABLE)
        found = read(text)
        if isinstance(found, NotStatic) or not fits(nix, found):
            continue
        try:
            lock_of(found)
        except LockError:
            continue  # a follows to nowhere: Nix says so when it locks
        read_at_all += 1
        wrong = complaint(nix, env, tmp_path / "flake", text, found)
        assert wrong is None or is_luck(nix, wrong), f"{seed}: {wrong}\n{text}"
    assert read_at_all


@pytest.mark.slow_but_newest
def test_what_nix_refuses_is_refused(nix: RealNix, tmp_path: Path) -> None:
    env = nix.env()
    with ThreadPoolExecutor(2) as pool:
        folders = (tmp_path / str(number) for number in range(len(REFUSED_BY_NIX)))
        said = list(
            pool.map(lambda folder, text: complaint(nix, env, folder, text, None), folders, REFUSED_BY_NIX.values())
        )
    for (title, text), words in zip(REFUSED_BY_NIX.items(), said, strict=True):
        assert isinstance(read(text), NotStatic), title
        assert words is not None, title
        assert not WENT_ON.search(words), f"{title}: {words}"
