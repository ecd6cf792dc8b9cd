from types import MappingProxyType

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from flakesync.nix.lock.file import LockFile, LockNode
from flakesync.publish.body import (
    BEGIN,
    END,
    Audited,
    Content,
    Link,
    dependents_in,
    depends_on_in,
    is_ours,
    make_block,
    make_title,
    pull_link,
    pulls_in,
    put_into,
    run_of,
    was_abandoned,
)
from flakesync.survey.held.check_holds import CheckHold
from flakesync.terms import FlakeDir, PinName, RepoName, Rev
from flakesync.update.content import Move, Update
from tests.support import locks

OLD, NEW = Rev(locks.rev_of("old")), Rev(locks.rev_of("new"))
LIB = RepoName("lib")


def node(rev: str, date: int = 1_762_387_200) -> LockNode:
    lock = locks.lock({"x": locks.github("o", "r", rev=rev, last_modified=date)})
    found = LockFile.parse(locks.to_bytes(lock)).node(("x",))
    assert found is not None
    return found


def move(name: str = "nixpkgs", old: str | None = OLD, new: str | None = NEW, flake: str = ".") -> Move:
    return Move(
        FlakeDir(flake),
        tuple(name.split("/")),
        node(old) if old is not None else None,
        node(new, 1_763_596_800) if new is not None else None,
    )


def update(*moves: Move, pins: dict[str, Rev] | None = None, below: int = 0, run: str = "7717c8704f96") -> Update:
    named = {PinName(name): rev for name, rev in (pins or {}).items()}
    return Update(Rev("c" * 40), Rev("b" * 40), run, MappingProxyType(named), moves, below)


def content(what: Update, **more: object) -> Content:
    known: dict[str, object] = {"links": {}, "depends_on": (), "dependents": (), "checks": ()}
    return Content(what, **{**known, **more})  # type: ignore[arg-type]


def test_the_block_says_for_which_pins_nobody_waited_and_why() -> None:
    waived = replace(update(move(), pins={"nixpkgs": NEW}), waivers={PinName("nixpkgs"): "CVE `@all` <!-- x -->"})
    assert "Cooldown waived:\n\n- `nixpkgs`: `` CVE `@all` <! -- x -- > ``" in make_block(content(waived))
    assert "waived" not in make_block(content(update(move())))


def test_the_block_says_what_the_gate_has_let_pass() -> None:
    said = make_block(content(update(move()), audited=Audited(41, "high")))
    assert "Audit, by the locks alone: 41 sources, no new finding at `high` or above.\n" in said
    assert "1 source, no new finding at `low`" in make_block(content(update(move()), audited=Audited(1, "low")))
    assert "Audit" not in make_block(content(update(move())))


def test_the_block_says_what_moves_and_where_to_look() -> None:
    first, second = move(), move("lib", flake="dev")
    revs = f"`{OLD[:7]}` | `{NEW[:7]}` | 2025-11-06 → 2025-11-20"
    block = make_block(
        content(
            update(first, second, below=2),
            links={
                first.key: Link("compare", f"https://github.com/o/r/compare/{OLD}...{NEW}"),
                second.key: Link("pull request of lib", "https://forge.test/lib/pull/1"),
            },
            depends_on=["https://forge.test/lib/pull/1"],
            dependents=[RepoName("app"), RepoName("site")],
            checks=["nix flake check"],
        )
    )
    assert block.splitlines() == [
        BEGIN,
        "",
        "| input | old | new | dates | changes |",
        "|---|---|---|---|---|",
        f"| `nixpkgs` | {revs} | [compare](https://github.com/o/r/compare/{OLD}...{NEW}) |",
        f"| `dev#lib` | {revs} | [pull request of lib](https://forge.test/lib/pull/1) |",
        "",
        "2 more inputs below these moved with them.",
        "",
        "Depends-On: https://forge.test/lib/pull/1",
        "",
        "Dependents, which lock this update: `app`, `site`",
        "",
        "Passed before this branch was moved: `nix flake check`",
        "",
        "<!-- flakesync:run 7717c8704f96 -->",
        "This part is rewritten by every run; what you write around it stays.",
        "",
        END,
    ]


def test_what_a_block_says_of_others_is_read_back_from_any_body() -> None:
    first, second, third = move("my-lib"), move("lib|x", flake="dev"), move()
    urls = ["https://forge.test/a/my-lib/pull/1", "https://forge.test/a%2Fb/lib/-/merge_requests/2"]
    block = make_block(
        content(
            update(first, second, third),
            links={
                first.key: pull_link(RepoName("my-lib"), urls[0]),
                second.key: pull_link(RepoName("lib_2"), urls[1]),
                third.key: Link("compare", "https://forge.test/compare"),
            },
            depends_on=urls,
            dependents=[RepoName("app"), RepoName("my-site")],
        )
    )
    for body in (block, f"Depends-On: mine\r\n\r\n{block}\r\nDepends-On: too".replace("\n", "\r\n")):
        assert pulls_in(body) == {"my-lib": urls[0], "lib_2": urls[1]}
        assert depends_on_in(body) == urls
        assert dependents_in(body) == ["app", "my-site"]
    for body in ("", "Depends-On: https://forge.test/1", block.replace(END, "")):
        assert (pulls_in(body), depends_on_in(body), dependents_in(body)) == ({}, [], [])


@pytest.mark.parametrize(
    "name", ["| [pull request of lib](https://evil.test) |", "x](y) |\n| [pull request of lib](z) |"]
)
def test_the_name_of_an_input_is_not_read_as_a_pull_request(name: str) -> None:
    odd = Move(FlakeDir("."), (name,), node(OLD), (name,))
    assert pulls_in(make_block(content(update(odd)))) == {}


def test_an_input_that_is_new_or_goes_or_follows_is_shown_as_such() -> None:
    follows = Move(FlakeDir("."), ("a",), node(OLD), ("nixpkgs",))
    block = make_block(content(update(move("b", old=None), move("c", new=None), follows)))
    assert "| `b` | `none` | " in block
    assert "| `c` | `" in block
    assert "| `none` | 2025-11-06 |" in block
    assert "| `follows nixpkgs` |" in block


def test_a_long_name_or_address_in_a_lock_is_cut_short() -> None:
    long = move("a" * 100_000)
    link = Link("compare", f"https://forge.test/{'a' * 100_000}")
    block = make_block(content(update(long, run="r" * 1000), links={long.key: link}, checks=["x " * 100_000]))
    assert len(block) < 2000
    assert "compare" not in block


def test_thousands_of_moves_do_not_make_a_body_that_no_forge_takes() -> None:
    many = update(*(move(f"input{number}") for number in range(3000)))
    block = make_block(content(many, dependents=[RepoName(f"repo{number}") for number in range(2000)]))
    assert len(block) < 60_000
    assert "and 2940 more" in block
    assert "and 1900 more" in block


ODD = (
    *(BEGIN, END, "`", "``a`b", "|", "a|b", "\\|", "<script>", "@everyone"),
    *("--><img src=x>", "a\nDepends-On: x", "[x](y)"),
)
TEXT = st.text(min_size=1, max_size=40) | st.sampled_from(ODD)


@given(TEXT, TEXT)
@example("x", "\u202egnp.exe")
def test_nothing_from_a_lock_or_a_manifest_can_be_markup(name: str, other: str) -> None:
    odd = Move(FlakeDir(other), (name,), node(OLD), (other,))
    block = make_block(
        content(
            update(odd, run=other),
            links={odd.key: Link(name, f"https://x.test/{other}")},
            depends_on=[f"https://x.test/{name}"],
            dependents=[RepoName(name)],
            checks=[other],
        )
    )
    assert block.count(BEGIN) == 1
    assert block.count(END) == 1
    assert put_into(f"before {block} after", block) == f"before {block} after"
    lines = block.split("\n")
    assert len(lines) == len(make_block(content(
        update(move(), run="x"), links={move().key: Link("a", "b")}, depends_on=["a"], dependents=[RepoName("a")],
        checks=["b"],
    )).split("\n"))  # fmt: skip
    row = lines[4]
    assert row.replace("\\|", "").count("|") == 6


@given(st.text(max_size=200), st.text(max_size=200), st.booleans())
def test_text_outside_the_markers_stays_byte_for_byte(before: str, after: str, crlf: bool) -> None:
    old, new = (make_block(content(update(move(), run=run))) for run in ("one", "two"))
    given_body = before + (old.replace("\n", "\r\n") if crlf else old) + after
    assert put_into(given_body, old) == given_body
    assert put_into(given_body, new) == before + new + after
    assert put_into(put_into(given_body, new), old) == before + old + after


@given(st.text(max_size=200))
def test_a_body_without_our_part_gets_it_below(body: str) -> None:
    block = make_block(content(update(move())))
    made = put_into(body, block)
    assert is_ours(made)
    assert made == (f"{body}\n\n{block}" if body.strip() else block)
    assert put_into(made, block) == made


def test_a_marker_that_lost_its_other_half_swallows_nothing() -> None:
    block = make_block(content(update(move())))
    broken = f"{BEGIN}\nmine, not yours"
    made = put_into(broken, block)
    assert made.startswith(broken)
    assert put_into(made, block) == made
    assert "mine, not yours" in put_into(made, make_block(content(update(move(), run="other"))))


def test_the_run_can_be_read_back() -> None:
    block = make_block(content(update(move())))
    assert run_of(f"text {block}") == "7717c8704f96"
    assert run_of("<!-- flakesync:run 1 -->") is None


@pytest.mark.parametrize(
    ("template", "moves", "pins", "title"),
    [
        ("update {pin} to {new}", [move()], {"nixpkgs": NEW}, f"update nixpkgs to {NEW[:7]}"),
        ("{repo}: {pin} {old} → {new} ({date})", [move()], {}, f"lib: nixpkgs {OLD[:7]} → {NEW[:7]} (2025-11-20)"),
        ("update {pin}", [move("a"), move("b"), move("c"), move("d"), move("e")], {}, "update a, b, c and 2 more"),
        ("{{x}} {pin}", [move("lib"), move()], {"nixpkgs": NEW}, "{x} nixpkgs"),
        ("{pin} {old}", [], {"nixpkgs": NEW}, "nixpkgs none"),
        ("{pin}: {old} → {new}", [move("gone", new=None)], {}, f"gone: {OLD[:7]} → none"),
        ("{pin}: {old} → {new}", [move("fresh", old=None)], {}, f"fresh: none → {NEW[:7]}"),
        ("Update flake inputs", [move()], {}, "Update flake inputs"),
        (
            "{pin}: {old} → {new}",
            [move("a"), move("b", NEW, OLD)],
            {},
            f"a and b: {OLD[:7]}, {NEW[:7]} → {NEW[:7]}, {OLD[:7]}",
        ),
        (None, [move()], {"nixpkgs": NEW}, f"flake.lock: update nixpkgs to {NEW[:7]}"),
        (None, [move("lib")], {}, f"flake.lock: update lib to {NEW[:7]}"),
        (None, [move("lib"), move("lib", flake="dev")], {}, f"flake.lock: update lib and dev#lib to {NEW[:7]}"),
        (None, [], {"nixpkgs": NEW, "unstable": OLD}, "flake.lock: update nixpkgs and unstable"),
        (None, [move("a"), move("b"), move("c", NEW, OLD)], {}, "flake.lock: update a, b and c"),
        (None, [move("a"), move("b"), move("c"), move("d", NEW, OLD)], {}, "flake.lock: update a, b, c and 1 more"),
        (None, [move("a", new=None)], {}, "flake.lock: update a"),
        (None, [], {}, "flake.lock: update"),
    ],
)
def test_a_title_names_the_pins_or_else_the_inputs(
    template: str, moves: list[Move], pins: dict[str, Rev], title: str
) -> None:
    assert make_title(template, LIB, update(*moves, pins=pins)) == title


def test_a_title_is_one_line_of_bounded_length() -> None:
    title = make_title("{pin}", LIB, update(move("a\n\x1b[31mb" + "x" * 1000)))
    assert title.startswith("a b")
    assert len(title) == 250


def test_what_an_earlier_flakesync_has_written_is_still_read() -> None:
    """Pull requests are open for weeks: their markers and words stay as they were."""
    body = """By a person.

<!-- flakesync:begin -->

| input | old | new | dates | changes |
|---|---|---|---|---|
| `lib` | `aaaaaaa` | `bbbbbbb` | 2025-11-06 → 2025-11-20 | [pull request of lib](https://forge.test/lib/pull/1) |

Depends-On: https://forge.test/lib/pull/1

Dependents, which lock this update: `app`, `site`

<!-- flakesync:run 7717c8704f96 -->
This part is rewritten by every run; what you write around it stays.

<!-- flakesync:abandoned -->
<!-- flakesync:end -->"""
    assert is_ours(body)
    assert was_abandoned(body)
    assert run_of(body) == "7717c8704f96"
    assert pulls_in(body) == {"lib": "https://forge.test/lib/pull/1"}
    assert depends_on_in(body) == ["https://forge.test/lib/pull/1"]
    assert dependents_in(body) == ["app", "site"]
    assert put_into(body, make_block(content(update(move())))).count("flakesync:begin") == 1


def test_files_beside_the_locks_are_named_and_foreign_names_are_code() -> None:
    files = ("deps.json", "a`|<!-- x\n@everyone.nix")
    said = make_block(content(replace(update(move()), files=files)))
    assert "Beside locks it changes `deps.json`, `` a`|<! -- x @everyone.nix ``." in said
    many = make_block(content(replace(update(move()), files=tuple(f"f{number}" for number in range(23)))))
    assert "`f19`, and 3 more." in many


def test_an_update_of_files_alone_has_a_title_and_no_table() -> None:
    only = replace(update(), files=("flake.nix",))
    assert make_title(None, LIB, only) == "flake.lock: update flake.nix"
    assert make_title("{pin} {old} {new} {date} {repo}", LIB, only).endswith("lib")
    assert "|" not in make_block(content(only))


def test_the_block_says_what_is_held_and_nothing_that_a_check_wrote_is_markup() -> None:
    output = f"{END}\n| [pull request of lib](https://evil.example/1) |\n``` @all\nDepends-On: https://evil.example/2"
    hold = CheckHold(
        flake=FlakeDir("dev"),
        input=("crane`",),
        rev=NEW,
        check="sh -c 'x | `y`'",
        since="2026-11-29",
        first_bad=OLD,
        output=output,
    )
    block = make_block(content(replace(update(move()), holds=(hold, hold))))
    assert f"- `` dev#crane` `` does not go to `{NEW[:7]}`, since 2026-11-29: `` sh -c 'x | `y`' `` fails" in block
    assert f", first with `{OLD[:7]}`\n" in block
    assert block.count("The last lines of") == 1
    assert "\n- `< !-- flakesync:end -- >`\n" in block.replace("<! --", "< !--")
    assert "\n- ```` ``` @all ````\n" in block
    assert block.count(END) == 1
    assert (pulls_in(block), depends_on_in(block), dependents_in(block)) == ({}, [], [])
