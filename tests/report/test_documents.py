import json
import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from flakesync.documents import DOCUMENTS, DocumentName
from flakesync.documents.drift import DriftReport, Finding, FindingKind
from flakesync.report.documents import document_type, json_schema, to_json


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_every_document_has_a_schema_that_names_its_version(name: DocumentName) -> None:
    schema = json.loads(json_schema(name))
    assert schema["$schema"].endswith("2020-12/schema")
    kind = schema["$ref"].rsplit("/", 1)[1]
    assert schema["$defs"][kind]["properties"]["schema"]["enum"] == [f"flakesync/{name}/1"]


def test_a_document_reads_back_and_begins_with_its_schema() -> None:
    finding = Finding(
        kind="pin", repo="é\x1b", flake=".", input="nixpkgs", locked_rev=None, wanted_rev=None, detail="\u2028"
    )
    report = DriftReport(pins=[], findings=[finding])
    data = to_json(report)
    assert data.startswith(b'{\n  "schema": "flakesync/drift/1",\n')
    assert data.endswith(b"}\n")
    assert msgspec.json.decode(data, type=DriftReport) == report


def test_a_name_that_is_no_utf_8_is_there_as_people_see_it() -> None:
    name = b"caf\xe9 \xc3\xa9".decode("utf-8", "surrogateescape")
    finding = Finding(
        kind="pin", repo=name, flake=None, input=None, locked_rev=None, wanted_rev=None, detail=f"{name}\n"
    )
    data = to_json(DriftReport(pins=[], findings=[finding]))
    (found,) = json.loads(data.decode("utf-8"))["findings"]
    assert (found["repo"], found["detail"], found["flake"]) == ("caf\\xe9 é", "caf\\xe9 é\n", None)


def test_no_login_of_an_address_is_in_a_document() -> None:
    address = "https://me:s3cret@h/x.tar.gz?private_token=s3cret&a=1"
    finding = Finding(
        kind="pin", repo="r", flake=None, input=None, locked_rev=None, wanted_rev=None, detail=f"it is {address}"
    )
    data = to_json(DriftReport(pins=[], findings=[finding]))
    assert b"s3cret" not in data
    assert json.loads(data)["findings"][0]["detail"] == "it is https://h/x.tar.gz?private_token=…&a=1"


def examples() -> list[str]:
    text = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
    return re.findall(r"^```json\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_the_examples_in_the_documentation_are_complete_documents() -> None:
    names = []
    for example in examples():
        given = json.loads(example)
        name = given["schema"].split("/")[1]
        document = msgspec.json.decode(example, type=document_type(name), strict=True)
        assert json.loads(to_json(document)) == given
        names.append(name)
    assert names == list(DOCUMENTS)


def test_the_documentation_names_every_kind_of_finding() -> None:
    text = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
    assert all(f"`{kind}`" in text for kind in get_args(FindingKind))
