"""Flake references: both spellings, round trips, and what is asked of them (real Nix: test_flakeref_real_nix)."""

import copy
import json
import pickle
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flakesync.errors import FlakeRefError
from flakesync.nix.reference.flakeref import Attr, FlakeRef, is_full_rev
from flakesync.terms import Rev
from tests.corpus.real_locks import CORPUS, needs_real_locks
from tests.nix.references import REFUSED, STRICTER, UNDERSTOOD

REV = Rev("0123456789abcdef0123456789abcdef01234567")
NEW = Rev("fedcba9876543210fedcba9876543210fedcba98")

WORD = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=6)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)
REVS = st.text("0123456789abcdef", min_size=40, max_size=40)
REFS = st.lists(WORD, min_size=1, max_size=3).map("/".join)
URLS = st.builds(
    "{}://{}/{}{}".format,
    st.sampled_from(["https", "http"]),
    st.sampled_from(["h.example", "u@h:8080", "[::1]"]),
    st.lists(st.one_of(WORD, st.sampled_from(["~u", "%2Fx", "a%20b", "%2A", "..", ":@"])), min_size=1, max_size=3).map(
        "/".join
    ),
    st.sampled_from(["", "?a=b", "?a=b/c&d=%26", "/", "?e="]),
)


def attributes(
    type_: str, required: dict[str, st.SearchStrategy[Attr]], **optional: st.SearchStrategy[Attr]
) -> st.SearchStrategy[dict[str, Attr]]:
    return st.fixed_dictionaries({"type": st.just(type_), **required}, optional={"dir": TEXT, **optional})


def unless_both(attrs: dict[str, Attr]) -> dict[str, Attr]:
    """Drop the ref where there is a rev: forges take one of them."""
    return {key: value for key, value in attrs.items() if key != "ref" or "rev" not in attrs}


FLAGS = ("shallow", "submodules", "lfs", "allRefs", "exportIgnore", "verifyCommit")
HOSTS = st.builds("h{}-{}.example".format, st.integers(0, 9), st.sampled_from("ab"))
PATHS = st.one_of(TEXT, TEXT.map("/".__add__), TEXT.map("./".__add__))
NUMBERS = st.integers(0, 2**63)
CARRIED = st.one_of(
    *(
        attributes(forge, {"owner": TEXT, "repo": TEXT}, ref=REFS, rev=REVS, host=HOSTS, narHash=TEXT).map(unless_both)
        for forge in ("github", "gitlab", "sourcehut")
    ),
    attributes("git", {"url": URLS}, ref=REFS, rev=REVS, publicKeys=TEXT, **dict.fromkeys(FLAGS, st.booleans())),
    attributes("hg", {"url": URLS}, ref=REFS, rev=REVS),
    attributes("tarball", {"url": URLS}, rev=REVS, narHash=TEXT, revCount=NUMBERS, lastModified=NUMBERS),
    attributes("file", {"url": URLS}, narHash=TEXT),
    attributes("path", {"path": PATHS}, rev=REVS, narHash=TEXT, revCount=NUMBERS, lastModified=NUMBERS),
    attributes("indirect", {"id": WORD.map("n".__add__)}, ref=WORD, rev=REVS),
)
"""Attribute sets that a URL can carry whole."""


@given(CARRIED)
def test_a_url_reads_back_as_the_reference_it_was_made_from(attrs: dict[str, Attr]) -> None:
    ref = FlakeRef.from_attrs(attrs)
    assert FlakeRef.parse(ref.to_url()) == ref


@given(CARRIED)
def test_attributes_read_back_as_the_reference_they_were_made_from(attrs: dict[str, Attr]) -> None:
    ref = FlakeRef.from_attrs(attrs)
    assert FlakeRef.from_attrs(ref.to_attrs()) == ref
    assert ref.to_attrs().keys() == attrs.keys()


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_every_form_comes_back_the_same_from_both_spellings(text: str) -> None:
    ref = FlakeRef.parse(text)
    assert FlakeRef.parse(ref.to_url()) == ref == FlakeRef.from_attrs(ref.to_attrs())
    assert hash(ref) == hash(FlakeRef.from_attrs(ref.to_attrs()))


@given(st.text(max_size=30))
def test_any_text_is_understood_or_refused_with_a_reason(text: str) -> None:
    try:
        ref = FlakeRef.parse(text)
    except FlakeRefError:
        return
    assert FlakeRef.parse(ref.to_url()) == ref


@pytest.mark.parametrize("text", [*REFUSED, *(text for texts in STRICTER.values() for text in texts)])
def test_what_is_no_reference_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(FlakeRefError) as caught:
        FlakeRef.parse(text)
    assert caught.value.code == "flake-ref"
    assert "is not a flake reference: " in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("git@h:o/r.git", "write git+ssh://git@h/o/r.git"),
        ("ssh://git@h/o/r", "write git+ssh://git@h/o/r"),
        ("GitHub:o/r", "the scheme is written in lower case"),
        ("1abc", None),
    ],
)
def test_the_error_says_what_to_write_instead(text: str, hint: str | None) -> None:
    with pytest.raises(FlakeRefError) as caught:
        FlakeRef.parse(text)
    assert caught.value.hint == hint


def test_credentials_are_never_shown() -> None:
    for text in ("https://token@h/x.zip", "git+https://u:secret@h/x", "git+ssh://u:secret@h/x", "git+http://token@h/x"):
        assert not {"token", "secret"} & set(str(FlakeRef.parse(text)).replace("@", ":").replace("/", ":").split(":"))
        with pytest.raises(FlakeRefError) as caught:
            FlakeRef.parse(f"{text}#fragment")
        assert "token" not in caught.value.message
        assert "secret" not in caught.value.message
    assert str(FlakeRef.parse("git+ssh://git@h/x")) == "git+ssh://git@h/x"


@pytest.mark.parametrize(
    ("text", "attrs"),
    [
        ("github:o/r/a/b", {"type": "github", "owner": "o", "repo": "r", "ref": "a/b"}),
        ("github:o/r/deadbeef", {"type": "github", "owner": "o", "repo": "r", "ref": "deadbeef"}),
        (f"gitlab:o/r/{REV.upper()}", {"type": "gitlab", "owner": "o", "repo": "r", "rev": REV}),
        ("gitlab:a%2Fb/r", {"type": "gitlab", "owner": "a/b", "repo": "r"}),
        ("git+ssh://git@h/r?submodules=true&x=y", {"type": "git", "url": "ssh://git@h/r?x=y", "submodules": False}),
        ("https://h/x", {"type": "tarball", "url": "https://h/x"}),
        ("./x?dir=y", {"type": "path", "path": "./x", "dir": "y"}),
        (".", {"type": "path", "path": "."}),
        ("nixpkgs/x", {"type": "indirect", "id": "nixpkgs", "ref": "x"}),
    ],
)
def test_a_url_has_the_attributes_that_nix_gives_it(text: str, attrs: dict[str, Attr]) -> None:
    assert FlakeRef.parse(text).to_attrs() == attrs


def test_without_a_flake_a_url_that_is_no_tarball_is_a_file() -> None:
    assert FlakeRef.parse("https://h/x", flake=False).type == "file"
    assert FlakeRef.parse("https://h/x.tar.gz", flake=False).type == "tarball"
    assert FlakeRef.parse("tarball+https://h/x", flake=False).type == "tarball"


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("git@h:o/r.git", "ssh://git@h/o/r.git"),
        ("/a b/c", "file:///a%20b/c"),
        ("git+https://h/x", "https://h/x"),
        ("https://h/a*b?dir=sub", "https://h/a%2Ab"),
    ],
)
def test_the_url_of_a_git_attribute_set_is_mended_as_nix_mends_it(written: str, canonical: str) -> None:
    assert FlakeRef.from_attrs({"type": "git", "url": written, "dir": "sub"}).attrs == {"url": canonical, "dir": "sub"}


@pytest.mark.parametrize(
    "attrs",
    [
        {"type": "git", "url": "https://h/x", "ref": "--upload-pack=x"},
        {"type": "git", "url": "ext::sh -c x"},
        {"type": "git", "url": "git+ext://sh"},
        {"type": "git", "url": "https://h/x", "revCount": True},
        {"type": "git", "url": "https://h/x", "revCount": -1},
        {"type": "github", "owner": "o", "repo": 5},
        {"type": "github", "owner": "o\0", "repo": "r"},
        {"type": ["github"]},
    ],
    ids=str,
)
def test_a_hostile_attribute_set_is_refused(attrs: dict[str, object]) -> None:
    with pytest.raises(FlakeRefError):
        FlakeRef.from_attrs(attrs)


def test_an_internal_mark_of_nix_is_no_attribute() -> None:
    attrs = {"type": "github", "owner": "o", "repo": "r", "__final": True}
    assert FlakeRef.from_attrs(attrs) == FlakeRef.parse("github:o/r")


def test_the_questions_have_answers() -> None:
    ref = FlakeRef.parse("git+https://h/x?ref=main&dir=d")
    assert (ref.ref, ref.rev, ref.dir) == ("main", None, "d")
    assert FlakeRef.parse(f"github:o/r/{REV}").rev == REV
    assert is_full_rev(REV)
    assert is_full_rev(REV + "0" * 24)
    assert not any(map(is_full_rev, ("", "main", REV[:-1], REV.upper(), REV + "0", f"{REV}\n")))


@pytest.mark.parametrize(
    ("text", "ref", "wanted"),
    [
        ("github:o/r/main?dir=d&host=h&narHash=x", None, f"github:o/r/{NEW}?dir=d&host=h"),
        ("github:o/r/main", "update", f"github:o/r/{NEW}"),
        ("gitlab:a%252Fb/r", None, f"gitlab:a%252Fb/r/{NEW}"),
        ("git+https://h/x?ref=main&submodules=1&shallow=0&dir=d&k=v", None, f"git+https://h/x?dir=d&k=v&rev={NEW}&shallow=0&submodules=1"),
        (f"git+ssh://git@h/x?rev={REV}&lfs=1", "flakesync/update", f"git+ssh://git@h/x?lfs=1&ref=flakesync/update&rev={NEW}"),
        (f"flake:nixpkgs/x/{REV}", None, f"flake:nixpkgs/{NEW}"),
    ],
)  # fmt: skip
def test_a_reference_at_a_commit_keeps_what_matters_for_fetching(text: str, ref: str | None, wanted: str) -> None:
    assert FlakeRef.parse(text).at(NEW, ref).to_url() == wanted


def test_a_locked_node_at_another_commit_forgets_the_facts_about_the_old_one() -> None:
    locked = {
        "type": "git",
        "url": "https://h/x",
        "rev": REV,
        "ref": "a",
        "narHash": "n",
        "revCount": 3,
        "lastModified": 4,
    }
    assert FlakeRef.from_attrs(locked).at(NEW).to_attrs() == {"type": "git", "url": "https://h/x", "rev": NEW}


@pytest.mark.parametrize("text", ["path:/x", "https://h/x.tar.gz", "file+https://h/x"])
def test_a_source_without_commits_cannot_be_fixed_at_one(text: str) -> None:
    with pytest.raises(FlakeRefError) as caught:
        FlakeRef.parse(text).at(NEW)
    assert caught.value.code == "no-rev"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("github:o/r/x?dir=d", "https://github.com/o/r"),
        ("github:o/r?host=ghe.example", "https://ghe.example/o/r"),
        ("gitlab:a%2Fb/r", "https://gitlab.com/a/b/r.git"),
        ("gitlab:a%252Fb/r?host=g.example", "https://g.example/a/b/r.git"),
        ("sourcehut:~u/r", "https://git.sr.ht/~u/r"),
        ("git+ssh://git@h/x?ref=a&dir=d", "ssh://git@h/x"),
        ("git+file:///x/y", "file:///x/y"),
        ("git://h/x", "git://h/x"),
        ("hg+https://h/x", None),
        ("https://h/x.tar.gz", None),
        ("path:/x", None),
        ("nixpkgs", None),
    ],
)
def test_git_gets_a_url_that_it_can_fetch(text: str, url: str | None) -> None:
    assert FlakeRef.parse(text).git_url() == url


def test_a_reference_is_a_value() -> None:
    ref = FlakeRef.parse("git+https://h/x?ref=main&submodules=1")
    assert ref == copy.deepcopy(ref) == pickle.loads(pickle.dumps(ref))
    assert len({ref, FlakeRef.parse("git+https://h/x?submodules=1&ref=main"), FlakeRef.parse("git+https://h/x")}) == 2


@needs_real_locks
def test_the_attributes_in_real_locks_are_canonical() -> None:
    for file in CORPUS.glob("*/*/*/flake.lock"):
        for node in json.loads(file.read_bytes())["nodes"].values():
            for attrs in filter(None, (node.get("locked"), node.get("original"))):
                assert FlakeRef.from_attrs(attrs).to_attrs() == attrs
