"""How the house is built: no import circles, no room too full, comments where code is clever, words explained."""

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import networkx
import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "flakesync"
TERMS = ROOT / "docs/terms.md"
CLEVER = ("git/store", "nix/lock", "sync/lockers/native")
"""Folders whose code is written for speed, or mirrors another program's algorithm."""
MOST_MODULES = 14
MOST_ASSERTS = 15
COMMENTS_PER_100_LINES = 5
JOINING = frozenset({"at", "from", "to", "on", "with", "not", "new", "own", "plain", "unreadable", "found", "planned"})
"""Words that a class's name may have beside its terms."""


@cache
def modules() -> dict[str, Path]:
    """Return every module of flakesync by its full name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_bytes())


def runtime_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Give the nodes of a module, without what only type checkers see."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from (other, *runtime_nodes(other))
        else:
            yield child
            yield from runtime_nodes(child)


def imported(module: str) -> Iterator[str]:
    """Give the modules of flakesync that a module imports when it runs, inside functions too."""
    for node in runtime_nodes(tree(module)):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name in modules())
            case ast.ImportFrom(module=str(source), names=names, level=0):
                for name in names:
                    full = f"{source}.{name.name}"
                    yield from [full] if full in modules() else [source] if source in modules() else []
            case ast.ImportFrom(level=level):
                assert level == 0, f"{module} imports by a relative name"


@cache
def imports() -> "networkx.DiGraph[str]":
    graph: networkx.DiGraph[str] = networkx.DiGraph()
    graph.add_nodes_from(modules())
    graph.add_edges_from((module, other) for module in modules() for other in imported(module))
    return graph


def circles(graph: "networkx.DiGraph[str]") -> list[list[str]]:
    loops = [sorted(each) for each in networkx.strongly_connected_components(graph) if len(each) > 1]
    return sorted(loops) + [[each] for each in graph if graph.has_edge(each, each)]


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circles(imports()) == []


def room(module: str) -> str:
    """Return the top room of a module: `flakesync.nix` of `flakesync.nix.lock.file`."""
    return ".".join(module.split(".")[:2])


def test_no_room_imports_itself_by_way_of_others() -> None:
    rooms = {room(module) for module in modules()} - {"flakesync"}
    graph: networkx.DiGraph[str] = networkx.DiGraph()
    edges = ((room(one), room(other)) for one, other in imports().edges)
    graph.add_edges_from((one, other) for one, other in edges if one != other and {one, other} <= rooms)
    assert circles(graph) == []


def test_no_folder_has_too_many_modules() -> None:
    modules_in = Counter(path.parent for path in modules().values() if path.name != "__init__.py")
    counts = {folder.relative_to(PACKAGE).as_posix(): number for folder, number in modules_in.items()}
    assert {name: number for name, number in counts.items() if number > MOST_MODULES} == {}


def test_every_package_says_in_a_line_what_is_in_it() -> None:
    packages = {module for module, path in modules().items() if path.name == "__init__.py"}
    assert {module for module in packages if not ast.get_docstring(tree(module))} == set()


def keys_by_id(module: str) -> Iterator[str]:
    """Give the module-level dicts that something in the module keys by `id(…)`, in whatever way."""
    names = set()
    for node in tree(module).body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
    everything = list(ast.walk(tree(module)))
    by_id = set()  # variables that an id has gone into: `key = (id(node), path)`
    for each in everything:
        if isinstance(each, ast.Assign) and calls_id(each.value):
            by_id |= {target.id for target in each.targets if isinstance(target, ast.Name)}
    for each in everything:
        match each:
            case ast.Subscript(value=ast.Name(id=name), slice=key) if name in names:
                if calls_id(key) or (isinstance(key, ast.Name) and key.id in by_id):
                    yield name
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="get" | "setdefault"), args=[key, *_]):
                if name in names and (calls_id(key) or (isinstance(key, ast.Name) and key.id in by_id)):
                    yield name


def calls_id(node: ast.AST) -> bool:
    calls = (each.func for each in ast.walk(node) if isinstance(each, ast.Call))
    return any(isinstance(function, ast.Name) and function.id == "id" for function in calls)


def test_what_is_derived_from_a_value_lives_on_it_and_not_in_a_dict_by_its_id() -> None:
    assert {(module, name) for module in modules() for name in keys_by_id(module)} == set()


def count_lines(source: bytes) -> tuple[int, int]:
    """Return the lines with code and those with a comment for people (no `noqa`, no `type: ignore`, no heading)."""
    docstrings = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    code, comments = set(), set()
    layout = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER}
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if token.type == tokenize.COMMENT:
            if not re.match(r"#\s*(?:noqa(?![^#]* -- )|type: ignore|fmt:|-{4})", token.string):
                comments.add(token.start[0])
        elif token.type not in layout:
            code |= set(range(token.start[0], token.end[0] + 1))
    return len(code - docstrings), len(comments)


@pytest.mark.parametrize("folder", CLEVER)
def test_clever_code_says_why(folder: str) -> None:
    counts = [count_lines(path.read_bytes()) for path in (PACKAGE / folder).glob("*.py")]
    code, comments = (sum(numbers) for numbers in zip(*counts, strict=True))
    assert comments * 100 / code >= COMMENTS_PER_100_LINES, f"{comments} comments in {code} lines"


def words_of(text: str) -> set[str]:
    """Return the words of a name or a term, in lower case and the singular."""
    found = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", text)
    return {re.sub(r"(?<=ch)es$|s$", "", word.lower()) for word in found}


def public_classes() -> set[str]:
    """Return the public classes outside of the demo, but errors: each of these says itself what is wrong."""
    return {
        node.name
        for module in modules()
        if room(module) != "flakesync.demo"
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not node.name.endswith("Error")
    }


def test_every_word_in_the_name_of_a_class_is_a_term() -> None:
    rows = re.findall(r"^\| ([^|]+) \|", TERMS.read_text("utf-8"), re.MULTILINE)
    terms = set().union(*map(words_of, rows))
    unknown = {name: words_of(name) - terms - JOINING for name in public_classes()}
    assert {name: words for name, words in unknown.items() if words} == {}


def test_files_that_the_documents_name_are_there() -> None:
    texts = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    named = {name for text in texts for name in re.findall(r"`([\w./]+/\w+\.py)`", text.read_text("utf-8"))}
    assert {name for name in named if not (PACKAGE / name).exists() and not (ROOT / name).exists()} == set()


def test_assertions_are_few_because_types_say_what_is_there() -> None:
    """The last one: outside of the demo."""
    places = [
        f"{modules()[module].relative_to(ROOT)}:{node.lineno}"
        for module in modules()
        if room(module) != "flakesync.demo"
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Assert)
    ]
    assert len(places) <= MOST_ASSERTS, places
