"""Which tests run which statements: the suite is run once on a copy whose modules make a note at every statement.

A note is one byte in a file that is mapped into memory. So notes of threads, forked processes and freshly started
programs count too, and cost next to nothing; a tracer would see the one process it was started in.
"""

import ast
import json
import mmap
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import changes
import pytest
import tree

_NOTES = "__notes__"
_NOTES_MODULE = """\
import mmap, os

_handle = os.open({path!r}, os.O_RDWR)
__notes__ = mmap.mmap(_handle, {size})
os.close(_handle)
"""


def instrument(folder: Path, modules: Iterable[str]) -> list[str]:
    """Make the modules of a copy note their statements; return the statements' keys, by number."""
    keys: list[str] = []
    for module in modules:
        parsed = ast.parse((folder / module).read_bytes())
        numbers = {}
        for statement, key, inside in changes.statements(module, parsed):
            if inside:
                numbers[id(statement)] = len(keys)
                keys.append(key)
        _insert(parsed.body, numbers)
        # After the docstring and imports from __future__.
        first = sum(isinstance(each, ast.Expr) or _is_future(each) for each in parsed.body[:3])
        parsed.body.insert(first, ast.parse(f"from flakesync._notes import {_NOTES}").body[0])
        tree.write(folder / module, ast.unparse(ast.fix_missing_locations(parsed)).encode())
    path = folder / "notes"
    path.write_bytes(bytes(len(keys)))
    (folder / "flakesync/_notes.py").write_text(_NOTES_MODULE.format(path=str(path), size=len(keys)))
    return keys


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _insert(body: list[ast.stmt], numbers: dict[int, int]) -> None:
    result = []
    for place, statement in enumerate(body):
        number = numbers.get(id(statement))
        docstring = place == 0 and isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if number is not None and not docstring and not isinstance(statement, ast.Global | ast.Nonlocal):
            result += ast.parse(f"{_NOTES}[{number}] = 1").body
        result.append(statement)
        for each in changes.bodies(statement):
            _insert(each, numbers)
    body[:] = result


class Recorder:
    """A pytest plugin: writes a line of JSON for each test that passes: its name, its seconds, its statements."""

    def __init__(self, folder: Path, out: Path) -> None:
        with (folder / "notes").open("r+b") as notes:
            self._notes = mmap.mmap(notes.fileno(), 0)
        self._out = out.open("w")
        self._passed = False
        self._seconds = 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Start with no notes, and keep those that were made."""
        self._notes[:] = bytes(len(self._notes))
        self._passed, self._seconds = False, 0.0
        result = yield
        if self._passed:
            reached = [number for number, note in enumerate(self._notes[:]) if note]
            print(json.dumps([item.nodeid, round(self._seconds, 3), reached]), file=self._out, flush=True)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add up the time, and see whether the test itself passed."""
        self._seconds += report.duration
        if report.when == "call":
            self._passed = report.passed


@dataclass(frozen=True)
class Reach:
    """What is known of the tests that passed. seconds: by test; tests: by statement; statements: those there were."""

    seconds: dict[str, float]
    tests: dict[str, list[str]]
    statements: frozenset[str]

    @staticmethod
    def read(path: Path) -> "Reach":
        """Return what `write` kept."""
        keys, tests = json.loads(path.read_bytes())
        by_statement: dict[str, list[str]] = {}
        for name, _, reached in tests:
            for number in reached:
                by_statement.setdefault(keys[number], []).append(name)
        return Reach({name: seconds for name, seconds, _ in tests}, by_statement, frozenset(keys))

    @cached_property
    def _by_module(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for key, names in self.tests.items():
            found.setdefault(key.split("|")[0], set()).update(names)
        return found

    @cached_property
    def _by_function(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for key, names in self.tests.items():
            found.setdefault("|".join(key.split("|")[:2]), set()).update(names)
        return found

    @cached_property
    def _shares(self) -> dict[str, dict[str, int]]:
        """How many statements of each module a test runs, by test."""
        found: dict[str, dict[str, int]] = {}
        for key, names in self.tests.items():
            module = key.partition("|")[0]
            for name in names:
                of_test = found.setdefault(name, {})
                of_test[module] = of_test.get(module, 0) + 1
        return found

    def _nearness(self, name: str, module: str) -> float:
        """Return the share (0 to 1) of a module in the statements that a test runs: how much the test is about it."""
        shares = self._shares.get(name, {})
        return shares.get(module, 0) / max(sum(shares.values()), 1)

    def of(self, mutant: changes.Mutant) -> list[str]:
        """Return the tests that run a mutant's statement, nearest first.

        Statements that are new since, and those that run when a module is imported, are reached by whatever runs
        something of their function or module; where it has no functions, by all tests of its room.
        """
        module, function, *_ = mutant.statement.split("|")
        names: Iterable[str]
        if mutant.statement in self.statements:
            names = self.tests.get(mutant.statement, ())
        else:
            names = self._by_function.get(f"{module}|{function}", ()) or self._by_module.get(module, ())
        if not names and mutant.statement not in self.statements:
            room = "tests/" + module.split("/")[1] + "/"
            names = [name for name in self.seconds if name.startswith(room)]
        return sorted(names, key=lambda name: (-self._nearness(name, module), self.seconds[name], name))


def write(path: Path, keys: list[str], parts: Iterable[Path]) -> None:
    """Keep what the recorders have written."""
    tests = [json.loads(line) for part in parts for line in part.read_text().splitlines()]
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps([keys, tests]))
    temporary.rename(path)
