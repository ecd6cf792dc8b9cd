"""The baseline: what is there now is ignored for 90 days, and nothing else in the manifest changes by a byte."""

import os
import stat
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest

from flakesync.audit.baseline import Baseline, write_baseline
from flakesync.audit.ignores import covers
from flakesync.cli.main import run
from flakesync.documents.audit import AuditFinding, IgnoreReason
from flakesync.errors import ManifestError
from flakesync.workspace.audit import RuleId, Severity
from flakesync.workspace.manifest import load_workspace
from tests.support import locks, repos
from tests.support.locks import github
from tests.support.workspaces import flake_nix

DAY = date(2026, 11, 28)
TEXT = '# ours\n[repos.app]   # the app\nurl = "github:acme/app"\n'


def found(
    rule: RuleId = "foreign", *, repo: str = "app", path: str | None = "a/b", severity: Severity = "high",
    source: str | None = "github:evil/b", ignored: bool = False,
) -> AuditFinding:  # fmt: skip
    return AuditFinding(
        rule=rule, severity=severity, repo=repo, flake=".", input=path, line=1, source=source, locked_rev=None,
        message="m", fingerprint="f", ignored=IgnoreReason(reason="r", until=None) if ignored else None,
    )  # fmt: skip


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    file = tmp_path / "workspace.toml"
    file.write_text(TEXT)
    return file


def test_a_finding_becomes_a_table_with_a_reason_and_an_end(manifest: Path) -> None:
    assert write_baseline(manifest, [found()], DAY).tables == 1
    assert manifest.read_text() == (
        f"{TEXT}\n"
        "[[audit.ignore]]\n"
        'rule = "foreign"\n'
        'repo = "app"\n'
        'flake = "."\n'
        'input = "a/b"\n'
        'locked = "github:evil/b"\n'
        'reason = "baseline 2026-11-28"\n'
        "until = 2027-02-26\n"
    )


@pytest.mark.parametrize(
    "before", [b"", b"\n\n", b"x", TEXT.encode(), TEXT.encode().rstrip(), TEXT.replace("\n", "\r\n").encode()]
)
def test_what_was_there_stays_to_the_byte(manifest: Path, before: bytes) -> None:
    whole = before if b"[repos" in before else before.replace(b"x", b"# x") + b'\n[repos.app]\nurl = "github:acme/app"'
    manifest.write_bytes(whole)
    write_baseline(manifest, [found(), found(path=None)], DAY)
    after = manifest.read_bytes()
    assert after.startswith(whole)
    assert (b"\r\n" in after) == (b"\r\n" in whole)
    assert after.count(b"\n") == (after.count(b"\r\n") or after.count(b"\n"))


@pytest.mark.parametrize("name", ["a*", "a?c", "[x]", "]", "a]b", "[!a]", "a b", "ä", 'q"uote', "-", "a/b*c/[d]"])
def test_it_covers_exactly_that_input_whatever_it_is_called(manifest: Path, name: str) -> None:
    write_baseline(manifest, [found(path=name)], DAY)
    (ignore,) = load_workspace(manifest).audit.ignore
    assert covers(ignore, found(path=name))
    for other in (f"{name}x", f"x{name}", "aXc", "ab", "x"):
        assert not covers(ignore, found(path=other))


@pytest.mark.parametrize("name", ["a\u200bb", "a\x01b", "a\nb", "a\u202eb", " ", "\ud800"])
def test_a_name_that_no_manifest_may_hold_is_no_obstacle(manifest: Path, name: str) -> None:
    assert write_baseline(manifest, [found(path=name), found()], DAY) == Baseline(2, ())
    first, _ = load_workspace(manifest).audit.ignore
    assert covers(first, found(path=name))
    assert not covers(first, found(path=f"{name}x"))


def test_what_could_not_be_read_gets_none_and_what_is_ignored_has_one(manifest: Path) -> None:
    left = [
        found("unreachable", path=None),
        found("bad-lock", path=None),
        found(path="x" * 300),
        found(path=""),
        found(path="a//b"),
    ]
    written = write_baseline(manifest, [*left, found(ignored=True)], DAY)
    assert (written.tables, list(written.left)) == (0, left)
    assert manifest.read_text() == TEXT


def test_a_link_stays_one_and_the_mode_is_kept(manifest: Path, tmp_path: Path) -> None:
    real = tmp_path / "elsewhere.toml"
    manifest.rename(real)
    real.chmod(0o640)
    manifest.symlink_to(real)
    write_baseline(manifest, [found()], DAY)
    assert manifest.is_symlink()
    assert real.read_text().startswith(TEXT)
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_what_a_link_leads_to_is_read_as_lying_where_the_link_is(manifest: Path, tmp_path: Path) -> None:
    real = tmp_path / "shared" / "manifests" / "acme.toml"
    real.parent.mkdir(parents=True)
    (tmp_path / "app").mkdir()
    (tmp_path / "signers").write_text("")
    real.write_text('[audit]\nallowed-signers = "signers"\n[repos.app]\npath = "app"\n')
    manifest.unlink()
    manifest.symlink_to(real)
    assert write_baseline(manifest, [found()], DAY) == Baseline(1, ())
    assert manifest.is_symlink()
    assert [each.until for each in load_workspace(manifest).audit.ignore] == [date(2027, 2, 26)]


def test_an_error_names_the_manifest_and_leaves_it_alone(manifest: Path) -> None:
    broken = f"{TEXT}[repos.lib]\npath = 'gone'\n"  # by somebody else, since it was read
    manifest.write_text(broken)
    with pytest.raises(ManifestError) as raised:
        write_baseline(manifest, [found()], DAY)
    assert raised.value.message.startswith(f"{manifest}: repos.lib.path: ")
    assert manifest.read_text() == broken
    assert [each.name for each in manifest.parent.iterdir()] == ["workspace.toml"]


def test_one_flake_of_a_repo_is_left_and_the_next_is_not(manifest: Path) -> None:
    write_baseline(manifest, [msgspec.structs.replace(found(), flake="dev")], DAY)
    (ignore,) = load_workspace(manifest).audit.ignore
    covered = [covers(ignore, msgspec.structs.replace(found(), flake=flake)) for flake in ("dev", ".", "dev/x", None)]
    assert covered == [True, False, False, False]


@pytest.mark.parametrize("table", ['audit = {gate = "high"}\n', "[audit]\nignore = []\n", "audit.ignore = []\n"])
def test_a_manifest_that_cannot_be_appended_to_is_left_alone(manifest: Path, table: str) -> None:
    manifest.write_text(f"{table}{TEXT}")
    with pytest.raises(ManifestError) as raised:
        write_baseline(manifest, [found()], DAY)
    assert raised.value.code == "baseline"
    assert raised.value.hint is not None
    assert manifest.read_text() == f"{table}{TEXT}"
    assert [each.name for each in manifest.parent.iterdir()] == ["workspace.toml"]


def test_a_full_disk_leaves_the_manifest_as_it_was(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ManifestError, match="the manifest is as it was: "):
        write_baseline(manifest, [found()], DAY)
    assert manifest.read_text() == TEXT
    assert [each.name for each in manifest.parent.iterdir()] == ["workspace.toml"]


@pytest.fixture
def audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    inputs = {"x": github("acme", "x"), "old": github("NixOS", "nixpkgs", ref="nixos-20.09")}
    lock = locks.lock(inputs)
    lock["nodes"]["x"]["locked"]["owner"] = "evil"
    repos.make_repo(tmp_path / "app", {"flake.nix": flake_nix(inputs), "flake.lock": locks.to_bytes(lock).decode()})
    (tmp_path / "workspace.toml").write_text('[repos.app]\npath = "app"\n')
    monkeypatch.chdir(tmp_path)
    return lambda *argv: run(["audit", "--fail-on", "low", *argv])


def test_the_first_day_ends_well_and_the_second_adds_nothing(
    audited: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("time.time", lambda: datetime(2026, 12, 31, 23, 59, tzinfo=UTC).timestamp())
    assert audited() == 1
    assert audited("--write-baseline") == 0
    assert "2 ignores added to" in capsys.readouterr().err
    once = (tmp_path / "workspace.toml").read_bytes()
    assert once.count(b'reason = "baseline 2026-12-31"\nuntil = 2027-03-31\n') == 2
    assert audited("--write-baseline") == 0
    assert (tmp_path / "workspace.toml").read_bytes() == once
    assert audited() == 0
