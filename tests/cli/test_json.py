"""What the commands print with --json, held against what `flakesync schema` says of it."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from flakesync.cli.app import COMMANDS
from flakesync.documents import DOCUMENTS
from tests.cli.conftest import Ran
from tests.support.landing import Landing
from tests.support.nixspace import chain

Flakesync = Callable[..., Ran]
ARGUMENTS = {
    "bisect": ("r1", "--run", "true"),
    "why": ("r0",),
    "move": ("--check",),
    "plan": ("--out", "plan.json"),
    "task": ("r0", "--plan", "plan.json"),
    "history": ("out",),
    "bundled": ("-o", "bundle", "--partial"),
    "imported": ("bundle", "--cache", "sources"),
}
BY = {"history": "report", "bundled": "bundle", "imported": "import"}
"""The commands that documents are not called after."""
AS_ANOTHER = {"collect"}
"""Commands that answer with the document of another one."""

pytestmark = pytest.mark.usefixtures("use_nix")


@pytest.fixture
def workspace(any_nix: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two repos on a plain git server, one of which takes the other; nixpkgs has moved on."""
    monkeypatch.chdir(tmp_path)
    space = chain(tmp_path, 2)
    return Landing(space, plain=space.names).file


def require_valid(flakesync: Flakesync, document: str, name: str) -> None:
    schema = json.loads(flakesync("schema", name).out)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(document))


def test_schema_describes_every_command_that_answers_with_json(flakesync: Flakesync) -> None:
    with_json = {name for name in COMMANDS if "Answer with a JSON document." in flakesync(name, "--help").out}
    assert with_json == {BY.get(name, name) for name in DOCUMENTS} | AS_ANOTHER
    told = flakesync("schema", "--help").out.replace("\n", "").replace(" ", "")
    assert f"({','.join(DOCUMENTS)}),or`workspace`" in told


def test_what_every_command_prints_is_as_its_schema_says(flakesync: Flakesync, workspace: Path) -> None:
    statuses = {}
    for name in DOCUMENTS:
        ran = flakesync(BY.get(name, name), *ARGUMENTS.get(name, ()), "--json", "-w", str(workspace))
        assert json.loads(ran.out)["schema"] == f"flakesync/{name}/1"
        require_valid(flakesync, ran.out, name)
        statuses[name] = ran.status
    waiting, drifts, nothing_found, to_write = 4, 1, 1, 1
    assert statuses == {
        **dict.fromkeys(DOCUMENTS, 0), "drift": drifts, "follow": to_write, "bisect": nothing_found, "land": waiting
    }  # fmt: skip


def test_documents_with_errors_are_as_their_schemas_say(flakesync: Flakesync, workspace: Path) -> None:
    flakesync("sync", "-q", "-w", str(workspace))
    text = workspace.read_text()
    workspace.write_text(text.replace(f"file://{workspace.parent}/r0", f"file://{workspace.parent}/gone"))
    for name in DOCUMENTS:
        ran = flakesync(BY.get(name, name), *ARGUMENTS.get(name, ()), "--json", "-w", str(workspace))
        reads_no_repo = name in ("seen", "hold", "imported")
        never_fails_for_a_repo = reads_no_repo or name == "history"
        assert ran.status == (0 if never_fails_for_a_repo else 1), (name, ran.err)
        require_valid(flakesync, ran.out, name)
