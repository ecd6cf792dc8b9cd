"""`foreign` of a folder of the flake itself: it is in no repository, so nothing may be locked in its place."""

import pytest

from flakesync.audit.rules.source import foreign
from tests.audit.rules.ask import ask, said
from tests.support import locks
from tests.support.locks import Input, Json, folder, github

SUB: Json = {"type": "path", "path": "./sub"}


@pytest.mark.parametrize("parent", [(), None, ("lib",)])
@pytest.mark.parametrize("path", ["./sub", "sub", "../evil", ".", ""])
def test_a_folder_that_is_locked_to_a_repository_is_foreign(path: str, parent: tuple[str, ...] | None) -> None:
    evil = Input(github("evil", "x").locked, {"type": "path", "path": path}, parent=parent)
    inputs: locks.Inputs = {"lib": github("o", "lib", inputs={"sub": evil} if parent else {})} | (
        {} if parent else {"sub": evil}
    )
    ((where, severity, message),) = said(ask(foreign.RULE, inputs))
    assert (where, severity) == ("lib/sub" if parent else "sub", "high")
    assert " is locked to github.com/evil/x " in message


@pytest.mark.parametrize(
    "input",
    [
        folder("./sub", {}),
        folder("./sub", {}, old=True),
        Input({"type": "path", "path": "/nix/store/abc-source/sub", "narHash": locks.nar_hash_of("x")}, SUB),
    ],
)
def test_a_folder_as_any_nix_locks_it_is_not_foreign(input: Input) -> None:
    assert not ask(foreign.RULE, {"sub": input}).findings
