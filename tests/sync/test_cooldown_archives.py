"""A cooled pin on an archive: it goes to the newest one that its server has named and that is old enough."""

from pathlib import Path

import pytest

from flakesync.survey.read import read_survey
from flakesync.terms import PinName, Rev
from flakesync.workspace.manifest import load_workspace
from tests.support.cooling import note_seen
from tests.support.nixspace import Space, run_sync
from tests.sync.test_archive_pins import Channel, channel, nix_writes

pytestmark = pytest.mark.usefixtures("use_nix")
__all__ = ["channel"]

NP = PinName("np")


def cooled(root: Path, channel: Channel) -> Path:
    """Return the manifest of a repo that has locked the first archive of a channel."""
    url = f"{channel.url}/first/n.tar.gz"
    flake_nix = f'{{ inputs.np.url = "{url}"; outputs = _: {{ }}; }}'
    nix_writes(root / "old", flake_nix)
    space = Space(root / "space")
    space.make("app", {"flake.nix": flake_nix, "flake.lock": (root / "old" / "flake.lock").read_text()})
    manifest = root / "space" / "workspace.toml"
    pin = f'[pins.np]\nsource = "{url}"\ncooldown = "7d"\n'
    manifest.write_text(f'[workspace]\nname = "acme"\n{pin}[repos.app]\npath = "app"\n')
    return manifest


def rev(version: int) -> Rev:
    return Rev(str(version) * 40)


def test_an_older_archive_that_was_named_when_it_was_new_is_locked(tmp_path: Path, channel: Channel) -> None:
    manifest = cooled(tmp_path, channel)
    channel.version = 2
    survey = read_survey(load_workspace(manifest))
    assert NP not in survey.targets
    note_seen(f"{channel.url}/first/n.tar.gz", {rev(2): 8})
    channel.version = 3
    target = read_survey(load_workspace(manifest)).targets[NP]
    assert target.rev == rev(2)
    assert target.locked is not None
    assert str(target.locked["url"]).startswith(f"{channel.url}/fixed/2/")
    ran = run_sync(manifest)
    assert ran.statuses == {"app": "updated"}
    assert ran["app"].changes[0].to == {"rev": rev(2)}
    assert run_sync(manifest).statuses == {"app": "unchanged"}


def test_a_commit_whose_archive_nobody_has_named_is_not_chosen(tmp_path: Path, channel: Channel) -> None:
    manifest = cooled(tmp_path, channel)
    note_seen(f"{channel.url}/first/n.tar.gz", {rev(2): 8})
    channel.version = 3
    survey = read_survey(load_workspace(manifest))
    assert NP not in survey.targets
    assert survey.decisions.pins[NP].choice.tip.rev == rev(3)
