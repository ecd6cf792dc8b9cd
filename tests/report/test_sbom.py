"""A bill of materials is what CycloneDX's schema asks for, and names each source once."""

import json
import random
import re
from functools import cache

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import example, given, settings
from hypothesis import strategies as st
from packageurl import PackageURL

from flakesync.report.audit.sbom import render_sbom
from tests.support.locks import Input, Inputs, Json, folder, git, github, nar_hash_of, random_lock, rev_of, tarball
from tests.support.workspaces import Scene, commit_id, scene

CORPUS = 40
_PATH: Json = {"type": "path", "path": "/srv/lib"}
LOCAL = Input(_PATH | {"narHash": nar_hash_of("lib")}, _PATH)


@cache
def _validator() -> JsonStrictValidator:
    return JsonStrictValidator(SchemaVersion.V1_6)


def _bill(found: Scene) -> Json:
    data = render_sbom("acme", found.snapshot().states.values()).decode()
    assert _validator().validate_str(data) is None
    bill: Json = json.loads(data)
    refs = [each["bom-ref"] for each in bill["components"]]
    assert len({*refs}) == len(refs)
    assert {each["ref"] for each in bill["dependencies"]} == {*refs, "workspace"}
    for each in bill["components"]:
        if "purl" in each:
            again = PackageURL.from_string(each["purl"]).to_string()
            # The library writes hex digits of names of GitHub in lower case, against RFC 3986.
            assert re.sub("%..", lambda digits: digits[0].upper(), again) == each["purl"]
    return bill


def _of(**repos: Inputs) -> Json:
    return _bill(scene(repos))


def _component(bill: Json, name: str) -> Json:
    (component,) = (each for each in bill["components"] if each["name"] == name)
    found: Json = component
    return found


def _inputs(bill: Json) -> dict[str, list[str]]:
    names = {each["bom-ref"]: each["name"] for each in bill["components"]} | {"workspace": "workspace"}
    return {names[each["ref"]]: [names[ref] for ref in each.get("dependsOn", ())] for each in bill["dependencies"]}


def test_a_source_is_a_component_with_its_commit_and_a_nar_hash_that_is_no_digest_of_a_file() -> None:
    rev = rev_of("new")
    component = _component(_of(app={"nixpkgs": github("NixOS", "nixpkgs", rev=rev)}), "nixpkgs")
    assert component == {
        "type": "library",
        "bom-ref": f"source:github.com/nixos/nixpkgs@{rev}",
        "name": "nixpkgs",
        "group": "nixos",
        "version": rev,
        "purl": f"pkg:github/nixos/nixpkgs@{rev}",
        "properties": [{"name": "nix:narHash", "value": nar_hash_of(rev)}],
    }


@pytest.mark.parametrize(
    ("source", "purl"),
    [
        (git("https://github.com/Acme/Lib.git"), "pkg:github/acme/lib@REV"),
        (git("ssh://git@git.acme.org/group/sub/Lib.git"), "pkg:generic/Lib@REV?vcs_url=git%2Bssh://git.acme.org/group/sub/Lib%40REV"),
        (git("https://bot:s3cret@git.acme.org/lib"), "pkg:generic/lib@REV?vcs_url=git%2Bhttps://git.acme.org/lib%40REV"),
        (git("https://git.acme.org/a%20b/c%2Bd"), "pkg:generic/c%2Bd@REV?vcs_url=git%2Bhttps://git.acme.org/a%20b/c%2Bd%40REV"),
        (git("http://git.acme.org:8080/lib"), "pkg:generic/lib@REV?vcs_url=git%2Bhttp://git.acme.org:8080/lib%40REV"),
        (tarball("https://github.com/acme/lib/archive/v1.tar.gz"), "pkg:github/acme/lib"),
        (tarball("https://github.com/acme/lib/releases/download/1/x.tgz"), "pkg:generic/x.tgz?download_url=https://github.com/acme/lib/releases/download/1/x.tgz"),
        (LOCAL, "pkg:generic/lib"),
        (tarball("https://acme.org/x.tar.gz?a=b&c=d"), "pkg:generic/x.tar.gz%3Fa%3Db%26c%3Dd?download_url=https://acme.org/x.tar.gz%3Fa%3Db%26c%3Dd"),
    ],
)  # fmt: skip
def test_a_package_url_is_by_its_specification_and_has_no_login(source: object, purl: str) -> None:
    bill = _of(app={"lib": source})  # type: ignore[dict-item]
    (component,) = (each for each in bill["components"] if each["type"] == "library")
    assert component["purl"] == purl.replace("REV", component.get("version", ""))
    assert "s3cret" not in json.dumps(bill)


def test_a_source_of_many_locks_and_spellings_is_one_component() -> None:
    rev = rev_of("new")
    bill = _of(
        a={"nixpkgs": github("NixOS", "nixpkgs", rev=rev)},
        b={"pkgs": github("nixos", "Nixpkgs", rev=rev), "old": github("NixOS", "nixpkgs", rev=rev_of("old"))},
        c={"nixpkgs": git("https://github.com/NixOS/nixpkgs.git", rev=rev)},
    )
    versions = [each["version"] for each in bill["components"] if each["name"] == "nixpkgs"]
    assert sorted(versions) == sorted([rev, rev_of("old")])


def test_two_hashes_of_one_commit_are_both_said() -> None:
    true = github("acme", "ext")
    false = github("acme", "ext")
    false.locked["narHash"] = nar_hash_of("evil")
    hashes = [each["value"] for each in _component(_of(a={"x": true}, b={"x": false}), "ext")["properties"]]
    assert hashes == sorted([nar_hash_of(rev_of("acme/ext")), nar_hash_of("evil")])


def test_dependencies_are_the_edges_of_the_locks_with_follows_resolved() -> None:
    ext = github("other", "ext", inputs={"nixpkgs": ("nixpkgs",), "utils": github("other", "utils")})
    inputs = _inputs(_of(app={"ext": ext, "nixpkgs": github("NixOS", "nixpkgs")}))
    assert inputs == {
        "workspace": ["app"], "app": ["nixpkgs", "ext"], "ext": ["nixpkgs", "utils"], "nixpkgs": [], "utils": []
    }  # fmt: skip


@pytest.mark.parametrize("old", [False, True])
def test_what_a_folder_of_a_flake_takes_the_flake_takes(old: bool) -> None:
    inputs = _inputs(_of(app={"sub": folder("./sub", {"utils": github("other", "utils")}, old=old)}))
    assert inputs == {"workspace": ["app"], "app": ["utils"], "utils": []}


def test_a_repo_that_another_takes_at_its_commit_is_the_same_component() -> None:
    at, before = commit_id("lib", "base"), rev_of("before")
    found = scene(
        {"lib": {}, "app": {"lib": github("acme", "lib", rev=at)}, "old": {"lib": github("acme", "lib", rev=before)}}
    )
    tip = next(state for state in found.snapshot().states.values() if state.name == "lib")
    rev = getattr(tip, "rev", None)
    assert rev is not None
    found = scene(
        {"lib": {}, "app": {"lib": github("acme", "lib", rev=rev)}, "old": {"lib": github("acme", "lib", rev=before)}}
    )
    bill = _bill(found)
    depends = {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]}
    assert depends["repo:app"] == ["repo:lib"]
    assert depends["repo:old"] == [f"source:github.com/acme/lib@{before}"]


def test_control_characters_get_nowhere() -> None:
    bill = _of(app={"x": git("https://git.acme.org/\x1b[31mx\u202ey")})
    text = json.dumps(bill, ensure_ascii=False)
    assert not [word for word in ("\\u001b", "\x1b", "\u202e", "%1B", "%E2%80%AE") if word in text]
    (name,) = (each["name"] for each in bill["components"] if each["type"] == "library")
    assert name == "\\x1b[31mx\\u202ey"


@settings(max_examples=25)
@given(st.text(min_size=1), st.text(min_size=1))
@example("\x1b[31m", "x")
@example("\x07", "\x07")
@example("a/b", " ")
@example("0", "0 ")
@example("bot:s3cret@git.acme.org", "%2F..")
def test_any_name_makes_a_valid_bill(owner: str, name: str) -> None:
    odd = "".join(each for each in name if each.isprintable() and each not in "?#")
    _of(
        app={
            "a": github(owner, name),
            "b": git(f"https://git.acme.org/{odd}"),
            "c": tarball(f"https://github.com/{odd}"),
        }
    )


@pytest.mark.parametrize("seed", range(CORPUS))
def test_the_bill_of_any_lock_is_valid_and_the_same_in_any_order(seed: int) -> None:
    repos = {name: {".": random_lock(seed + number)} for number, name in enumerate(("a", "b", "c"))}
    found = scene(repos)
    _bill(found)
    states = [*found.snapshot().states.values()]
    first = render_sbom("acme", states)
    random.Random(seed).shuffle(states)
    assert render_sbom("acme", states) == first
