"""What a run of `report` says."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from flakesync.report.history.text import render_history_line
from flakesync.report.text import to_text
from tests.report.test_widths import require_within
from tests.support.pages import page_documents

LINE = page_documents(8, nights=1).history[-1]


def test_it_says_where_the_page_is_and_how_the_workspace_stands() -> None:
    one = msgspec.structs.replace(LINE, repos=1, in_step=0, findings={"pin": 1})
    more = msgspec.structs.replace(LINE, repos=8, in_step=8, findings={})
    said = [render_history_line(each, page="out/index.html", days=2, width=200) for each in (one, more)]
    assert [to_text(each) for each in said] == [
        "out/index.html: 1 repo, 0 in step, 1 finding; history of 2 days\n",
        "out/index.html: 8 repos, 8 in step, 0 findings; history of 2 days\n",
    ]


@given(st.sampled_from(("out/index.html", f"{'x' * 70}/日本/index.html")), st.integers(40, 200))
def test_it_is_no_wider_than_the_terminal(page: str, width: int) -> None:
    require_within(render_history_line(LINE, page=page, days=366, width=width), width)
