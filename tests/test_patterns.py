"""Regular expressions that are compiled when they are first used."""

import ast
import copy
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import flakesync
from flakesync.patterns import pattern


def test_a_pattern_is_compiled_at_its_first_use_and_never_again(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[object] = []
    real = re.compile

    def compile_noted(text: str, flags: int) -> re.Pattern[str]:
        compiled.append((text, flags))
        return real(text, flags)

    monkeypatch.setattr(re, "compile", compile_noted)
    word = pattern("a+", re.IGNORECASE)
    assert compiled == []
    found = word.fullmatch("AAA")
    assert found is not None
    assert (found[0], word.sub("b", "xax"), word.findall("aAb"), word.pattern) == ("AAA", "xbx", ["aA"], "a+")
    assert compiled == [("a+", re.IGNORECASE)]


def test_threads_that_use_a_pattern_first_at_the_same_time_find_the_same() -> None:
    words = [pattern(rf"(\d+)-{number}") for number in range(50)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: words[number % 50].findall(f"7-{number % 50}"), range(800)))
    assert found == [["7"]] * 800


def test_an_expression_that_is_wrong_is_told_at_its_use_and_what_python_looks_for_is_not_compiled() -> None:
    wrong = pattern("(")
    assert isinstance(copy.copy(wrong), type(wrong))
    with pytest.raises(re.error):
        wrong.search("")


def test_every_constant_is_a_sound_expression() -> None:
    sound = 0
    for file in Path(flakesync.__file__).parent.rglob("*.py"):
        calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
        for call in calls:
            if isinstance(call.func, ast.Name) and call.func.id == "pattern" and isinstance(call.args[0], ast.Constant):
                assert isinstance(call.args[0].value, str)
                re.compile(call.args[0].value)
                sound += 1
    assert sound > 20
