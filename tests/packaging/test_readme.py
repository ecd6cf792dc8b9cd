"""The README as a package index shows it: nothing in it needs a file that is not there."""

import email
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from tests.packaging import built

TEXT = """\
# Title

![a picture](docs/a.svg)

See [docs/a.md](docs/a.md#b), [below](#title) and [elsewhere](https://acme.example/).

```toml
x = "[a](docs/a.md)"
```
"""


@pytest.fixture(scope="module")
def readme() -> Any:
    spec = importlib.util.spec_from_file_location("readme", built.ROOT / ".ci/readme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_to_files_become_their_text_where_no_address_is_known(readme: Any) -> None:
    assert readme.for_index(TEXT, None).splitlines()[:3] == [
        "# Title",
        "",
        "See docs/a.md, [below](#title) and [elsewhere](https://acme.example/).",
    ]


def test_links_to_files_lead_to_where_these_are_on_the_web(readme: Any) -> None:
    text = readme.for_index(TEXT, "https://acme.example/v1/")
    assert "[docs/a.md](https://acme.example/v1/docs/a.md#b), [below](#title)" in text
    assert text.endswith('x = "[a](docs/a.md)"\n```\n')


@pytest.mark.packaging
def test_what_an_index_renders_has_no_link_to_a_file(wheel: Path) -> None:
    markdown = pytest.importorskip("markdown", reason="markdown is missing: `make tools` installs it")
    (metadata,) = [text for name, text in built.members(wheel).items() if name.endswith(".dist-info/METADATA")]
    message = email.message_from_bytes(metadata)
    assert message["Description-Content-Type"] == "text/markdown"
    page = markdown.markdown(str(message.get_payload()), extensions=["fenced_code", "tables"])
    assert "<h1>flakesync</h1>" in page
    assert [
        each for each in re.findall(r'(?:href|src)="([^"]*)"', page) if not each.startswith(("https://", "#"))
    ] == []
