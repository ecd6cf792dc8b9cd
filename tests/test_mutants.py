"""The mutation runner (.ci/mutants): what is changed, and which tests a change meets. `make mutants` runs it whole."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

MUTANTS = Path(__file__).parents[1] / ".ci/mutants"
SOURCE = b'''\
"""A module."""

def close(near: set[str], far, *, limit=3) -> bool:
    """A function."""
    if limit < 1 and not far:
        raise ValueError("no")
    far.seen = [each for each in sorted(near) if each]
    return any(far.seen)
'''


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, MUTANTS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load


def test_mutants_are_of_every_kind_and_none_is_of_a_docstring_or_an_annotation(load: Any) -> None:
    changes = load("changes")
    found = [each for each in changes.mutants("m.py", SOURCE) if each.is_valid(SOURCE)]
    assert sorted((each.line, each.kind, each.before, each.after) for each in found) == [
        (3, "constant", "3", "(2)"),
        (3, "constant", "3", "(4)"),
        (5, "and/or", "limit < 1 and not far", "(limit < 1 or not far)"),
        (5, "comparison", "limit < 1", "(limit <= 1)"),
        (5, "condition", "limit < 1 and not far", "(not (limit < 1 and (not far)))"),
        (5, "condition", "limit < 1 and not far", "False"),
        (5, "condition", "limit < 1 and not far", "True"),
        (5, "constant", "1", "(0)"),
        (5, "constant", "1", "(2)"),
        (5, "not dropped", "not far", "(far)"),
        (5, "operand dropped", "limit < 1 and not far", "(limit < 1)"),
        (5, "operand dropped", "limit < 1 and not far", "(not far)"),
        (6, "statement dropped", 'raise ValueError("no")', "pass"),
        (6, "string", '"no"', "('noX')"),
        (7, "filter dropped", "[each for each in sorted(near) if each]", "([each for each in sorted(near)])"),
        (7, "sorted dropped", "sorted(near)", "(list(near))"),
        (7, "statement dropped", "far.seen = [each for each in sorted(near) if each]", "pass"),
        (8, "any/all", "any(far.seen)", "(all(far.seen))"),
        (8, "return dropped", "return any(far.seen)", "return None"),
    ]
    compared = next(each for each in found if each.kind == "comparison")
    assert b"if (limit <= 1) and not far:" in compared.apply(SOURCE)


def test_a_statement_is_found_again_after_changes_elsewhere(load: Any) -> None:
    changes = load("changes")
    longer = SOURCE.replace(b"    far.seen", b"    far.more = 1\n    far.seen").replace(b"A module", b"A\nmodule")
    before, after = ({each.statement for each in changes.mutants("m.py", each)} for each in (SOURCE, longer))
    assert before < after
    assert len(after) == len(before) + 1


def test_a_module_notes_what_runs_in_other_processes_too(load: Any, tmp_path: Path) -> None:
    load("changes")
    load("tree")
    reach = load("reach")
    package = tmp_path / "flakesync"
    package.mkdir()
    (package / "__init__.py").touch()
    module = "flakesync/some.py"
    (tmp_path / module).write_bytes(SOURCE)
    keys = reach.instrument(tmp_path, [module])
    code = "from flakesync.some import close; close({'a'}, close)"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    notes = (tmp_path / "notes").read_bytes()
    assert [key.split("|")[2] for key, note in zip(keys, notes, strict=True) if note] == [
        "if limit < 1 and (not far):",
        "far.seen = [each for each in sorted(near) if each]",
        "return any(far.seen)",
    ]


def test_a_mutant_meets_the_tests_that_run_it_nearest_first(load: Any) -> None:
    changes = load("changes")
    load("tree")
    reach = load("reach")
    mutants = {each.line: each for each in changes.mutants("flakesync/room/m.py", SOURCE)}
    raises, returns = mutants[6].statement, mutants[8].statement
    tests = {
        returns: ["tests/cli/test_a.py::a", "tests/room/test_m.py::b", "tests/room/test_m.py::c"],
        "flakesync/other.py||x|1": ["tests/room/test_m.py::b", "tests/cli/test_a.py::a"],
        "flakesync/other.py||y|1": ["tests/cli/test_a.py::a"],
    }
    seconds = dict.fromkeys(tests[returns], 1.0)
    known = reach.Reach(seconds, tests, frozenset({*tests, raises}))
    assert known.of(mutants[8]) == ["tests/room/test_m.py::c", "tests/room/test_m.py::b", "tests/cli/test_a.py::a"]
    assert known.of(mutants[6]) == []
    # A module of constants alone is reached by the tests of its room.
    constant = next(iter(changes.mutants("flakesync/room/constants.py", b"LIMIT = 3")))
    assert set(known.of(constant)) == {"tests/room/test_m.py::b", "tests/room/test_m.py::c"}
    # What was not there when the suite was run is reached by what reaches something of its function.
    assert known.of(mutants[7]) == known.of(mutants[8])
