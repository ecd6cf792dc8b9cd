"""The report page as a whole."""

import base64
import gzip
import hashlib
import re

import msgspec
import pytest

from flakesync.documents.drift import DriftReport
from flakesync.report.html.given import PageDocuments
from flakesync.report.html.heat import heat_rows
from flakesync.report.html.page import render_page
from flakesync.report.html.repos import page_repos
from tests.report.html.small import (
    NEW,
    OLD,
    TARGET_AT,
    ReadPage,
    behind,
    edge,
    full_page,
    graph,
    history_line,
    pin,
    plain_page,
)
from tests.support.pages import page_documents


def section(page: str, name: str) -> ReadPage:
    found = re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)
    assert found is not None, name
    return ReadPage(found[0])


def article(page: str, name: str) -> str:
    found = re.search(rf'<article id="r-{name}">.*?</article>', page, re.DOTALL)
    assert found is not None, name
    return ReadPage(found[0]).text.strip()


@pytest.mark.parametrize("given", [plain_page(), full_page()])
def test_the_same_documents_make_the_same_bytes(given: PageDocuments) -> None:
    assert render_page(given) == render_page(given)


@pytest.mark.parametrize("given", [plain_page(), full_page(), page_documents(40, nights=9)])
def test_every_element_is_ended_every_id_is_there_once_and_every_link_inside_leads_somewhere(
    given: PageDocuments,
) -> None:
    page = ReadPage(render_page(given))
    assert page.unbalanced() == {}
    assert len(page.ids) == len({*page.ids})
    assert {link[1:] for link in page.links if link.startswith("#")} <= {*page.ids}
    described = [value for _, name, value in page.attributes if name == "aria-labelledby"]
    assert {*described} <= {*page.ids}


def test_the_policy_names_the_style_and_the_script_and_forbids_all_else() -> None:
    page = render_page(full_page())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    style, script = re.findall(r"<style>(.*?)</style>|<script>(.*?)</script>", page, re.DOTALL)
    assert policy is not None
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style[0], script[1])]
    assert policy[1] == (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    assert '<meta name="referrer" content="no-referrer">' in page


def test_nothing_is_loaded_and_only_repos_and_pull_requests_are_linked() -> None:
    page = ReadPage(render_page(full_page()))
    assert not {tag for tag, _ in page.shape} & {"img", "iframe", "object", "embed", "audio", "video", "base", "use"}
    assert [value for _, name, value in page.attributes if name in ("src", "srcset", "style")] == []
    outside = {link for link in page.links if not link.startswith("#")}
    assert outside == {"data:,", "https://github.com/acme/one-app", "https://github.com/acme/one-app/pull/7"}


def test_repos_in_step_have_a_page_without_the_parts_that_were_not_asked_for() -> None:
    page = render_page(plain_page())
    assert [each for each in ReadPage(page).ids if each in ("waiting", "held", "audit", "time", "pulls", "sync")] == []
    assert "in step: 2 repos, no drift" in page
    assert "Furthest behind" not in page
    assert article(page, "app") == "● app wave 2 · main at aaaaaaa · in step depends on lib"
    assert article(page, "lib") == "● lib wave 1 · main at aaaaaaa · in step dependents app"


def test_tiles_tell_how_the_workspace_stands() -> None:
    page = render_page(full_page())
    tiles = re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", page)
    assert tiles == [
        ("repos", "4"),
        ("in step", "1"),
        ("out of step", "2"),
        ("failed", "1"),
        ("furthest behind", "49 d"),
        ("update branches", "2"),
        ("pull requests", "1"),
        ("audit findings", "2"),
    ]


def test_the_graph_has_a_node_a_repo_an_edge_a_pair_and_says_which_is_which() -> None:
    page = render_page(full_page())
    nodes = re.findall(r'<a href="(#[^"]*)" data-i="(\d)" class="([^"]*)".*?<title>([^<]*)</title>', page)
    assert [(node[0], node[2]) for node in nodes] == [
        ("#r-two-lib", "n bad upd"),
        ("#r-for-ops", "n ok"),
        ("#r-one-app", "n late upd"),
        ("#r-tri-web", "n late upd"),
    ]
    assert nodes[2][3] == "one-app: 1 pin, 1 upstream"
    number = {node[0][3:]: node[1] for node in nodes}
    edges = {(up, down): style for up, down, style in re.findall(r"data-u=(\d) data-d=(\d)(?: class=(\w+))? ", page)}
    assert edges == {
        (number["two-lib"], number["one-app"]): "",
        (number["two-lib"], number["tri-web"]): "src",
        (number["one-app"], number["two-lib"]): "cyc",
    }
    assert "Cycle: one-app → two-lib → one-app" in section(page, "graph").text


def test_an_upstream_taken_as_a_flake_and_as_files_is_one_edge_that_is_not_dashed() -> None:
    edges = [
        edge("lib", "app", "source"),
        edge("lib", "app"),
        edge("lib", "web", "source"),
        edge("lib", "web", "source"),
    ]
    given = msgspec.structs.replace(plain_page(), graph=graph([["lib"], ["app", "web"]], edges))
    assert re.findall(r"data-u=0 data-d=(\d)( class=src)?", render_page(given)) == [("1", ""), ("2", " class=src")]


def test_drift_is_a_row_a_repo_worst_first() -> None:
    found = [
        pin(
            "nixpkgs",
            [(NEW, 0, ["at"]), (OLD, 7, ["week"]), (OLD, 8, ["month"]), (OLD, 60, ["two"]), (OLD, 61, ["old"])],
        ),
        pin("more", [(OLD, None, ["week"]), (OLD, -3, ["at"]), (OLD, 0, ["old"])]),
    ]
    names = ["at", "week", "month", "two", "old"]
    drift = DriftReport(pins=found, findings=[behind(name) for name in names[1:]])
    given = msgspec.structs.replace(plain_page(), graph=graph([names]), drift=drift)
    rows = heat_rows(found, page_repos(given, sections="all"), TARGET_AT)
    assert [(row.repo.name, *((cell.text, cell.style) for cell in row.cells)) for row in rows] == [
        ("old", ("61 d", "h4"), ("< 1 d", "h1")),
        ("two", ("60 d", "h3"), ("–", "")),
        ("month", ("8 d", "h2"), ("–", "")),
        ("week", ("7 d", "h1"), ("?", "hq")),
        ("at", ("at target", "h0"), ("3 d ahead", "ha")),
    ]


def test_of_a_repo_with_flakes_at_several_commits_the_worst_is_shown() -> None:
    found = [pin("nixpkgs", [(OLD, 40, ["app"]), (NEW, 0, ["app"])])]
    rows = heat_rows(found, page_repos(plain_page(), sections="all"), TARGET_AT)
    assert rows[0].cells[0].text == "40 d"


def test_where_the_date_of_a_target_is_not_known_days_are_an_upper_bound() -> None:
    found = [msgspec.structs.replace(pin("nixpkgs", [(OLD, 5, ["app"])]), target_last_modified=None)]
    rows = heat_rows(found, page_repos(plain_page(), sections="all"), TARGET_AT)
    assert rows[0].cells[0].text == "≤ 5 d"


def test_the_names_of_many_pins_stand_upright() -> None:
    for number, upright in ((5, False), (6, True)):
        drift = DriftReport(pins=[pin(f"pin-{place}", [(NEW, 0, ["app"])]) for place in range(number)], findings=[])
        page = render_page(msgspec.structs.replace(plain_page(), drift=drift))
        assert ('class="heat many"' in page) is upright


def test_what_waits_is_shown_with_what_is_asked_and_until_when() -> None:
    text = section(render_page(full_page()), "waiting").text
    assert "3 days old, by flakesync's record of tips; once the tip of its branch; checks passed" in text
    assert "no commit may be taken yet" in text
    assert "ddddddd until 2026-11-30: seen a day ago" in text
    assert "github:acme/tools external ddddddd" in text
    assert "nobody: CVE" in text


def test_held_inputs_are_shown_with_their_reasons_those_of_a_sync_too() -> None:
    text = section(render_page(full_page()), "held").text
    assert "two-lib nixpkgs bbbbbbb → aaaaaaa hold: waits for a fix" in text
    assert "one-app nixpkgs → aaaaaaa " in text
    assert "checks fail (since 2026-11-27; check: nix flake check; first with ddddddd) assertion failed" in text


def test_an_audit_is_shown_by_severity_with_what_is_ignored_and_what_was_not_checked() -> None:
    text = section(render_page(full_page()), "audit").text
    assert (
        "2 high, 0 medium, 0 low, 0 info; 1 ignored, 1 not checked. 5 sources in the locks of 3 repos, level mirror"
        in text
    )
    assert re.search(r"high\s*look-alike\s*look-alike is wrong\s*one-app dev#lib, tri-web dev#lib", text)
    assert "low, ignored" in text
    assert "old is wrong (frozen, until 2027-01-01)" in text
    assert "no answer: dates; tri-web" in text
    assert "the repo could not be read: all; for-ops" in text


def test_figures_over_time_stand_in_a_table_newest_first() -> None:
    page = section(render_page(full_page()), "time")
    assert [tag for tag, _ in page.shape].count("figure") == 2
    assert re.findall(r"2026-11-\d\d", page.text) == ["2026-11-04", "2026-11-03", "2026-11-02", "2026-11-01"]
    assert "2026-11-04 4 1 7 2 44 2026-11-03" in page.text
    assert "pin 7" in page.text
    assert "nixpkgs 44 d" in page.text


def test_a_line_of_the_history_without_a_day_is_left_out() -> None:
    odd = msgspec.structs.replace(history_line(1, 1), at="yesterday")
    given = msgspec.structs.replace(plain_page(), history=[odd])
    assert 'id="time"' not in render_page(given)
    assert 'id="time"' in render_page(msgspec.structs.replace(given, history=[odd, history_line(2, 0)]))


def test_updates_are_shown_with_stage_commit_link_checks_reviews_and_what_they_wait_for() -> None:
    text = section(render_page(full_page()), "pulls").text
    assert "1 update landed." in text
    assert re.search(r"one-app\s*open\s*aaaaaaa\s*#7 draft cannot be merged\s*failed\s*approved\s*two-lib", text)
    assert re.search(r"two-lib\s*failed\s*–\s*no answer forge-refused, because of two-lib\s*try later", text)


def test_results_of_a_sync_are_counted_and_what_failed_is_named() -> None:
    text = section(render_page(full_page()), "sync").text
    assert "1 failed, 1 updated, 1 skipped; run 0123456789ab" in text
    assert re.search(r"two-lib\s*failed\s*the check failed check-failed\s*read its output", text)
    assert re.search(r"one-app\s*updated\s*without two-lib", text)
    assert "nobody answered" in text


def test_a_repo_has_a_section_with_all_that_is_known_of_it() -> None:
    page = render_page(full_page())
    text = article(page, "one-app")
    for part in (
        "▲ one-app",
        "wave 2 · main at aaaaaaa · team-x",
        "depends on two-lib",
        "dependents two-lib",
        "pin nixpkgs bbbbbbb → aaaaaaa not at the target of one-app",
        "audit high, look-alike dev#lib look-alike is wrong",
        "update open, up at aaaaaaa",
    ):
        assert part in text
    assert "unknown-rev two-lib bbbbbbb not at" in article(page, "tri-web")
    assert "held: hold: waits for a fix" in article(page, "two-lib")
    assert "inert dev#two-lib bbbbbbb 2 commits behind two-lib, nothing of which reaches it" in article(page, "for-ops")


def test_repos_that_were_not_asked_for_are_drawn_and_not_judged() -> None:
    given = plain_page()
    repos = [msgspec.structs.replace(each, neighbour=each.name == "lib") for each in given.graph.repos]
    page = render_page(msgspec.structs.replace(given, graph=msgspec.structs.replace(given.graph, repos=repos)))
    assert 'class="n out"' in page
    assert "○ not asked for" in page
    assert "in step: 1 repo, no drift" in page
    assert "lib" not in section(page, "drift").text


@pytest.mark.parametrize("groups", [{}, {"infra": [f"repo-{n}" for n in range(30)], "web": ["repo-30"]}])
def test_above_two_thousand_repos_groups_are_drawn_and_only_findings_have_sections(
    groups: dict[str, list[str]],
) -> None:
    names = [f"repo-{number}" for number in range(2001)]
    edges = [edge("repo-0", "repo-30"), edge("repo-0", "repo-2000"), edge("repo-0", "repo-1")]
    drift = DriftReport(pins=[], findings=[behind("repo-30")])
    drawn = graph([names[:30], names[30:]], edges)
    given = msgspec.structs.replace(plain_page(), graph=drawn, drift=drift, groups=groups)
    page = render_page(given)
    read = ReadPage(page)
    wanted = ["g-infra", "g-no-group", "g-web"] if groups else []
    assert [each for each in read.ids if each.startswith("r-")] == ["r-repo-30"]
    ids = [each for each in read.ids if each.startswith("g-")]
    assert len(ids) == (3 if groups else 2)
    assert {link[1:] for link in read.links if link.startswith("#")} <= {*read.ids}
    assert not wanted or {"g-infra", "g-web"} <= {*ids}
    assert "1971 repos, 1 out of step" in page or "1 repo, 1 out of step" in page
    assert page.count("data-u=") == (2 if groups else 1)


def test_a_page_of_the_example_workspace_and_one_of_a_thousand_repos_keep_their_sizes() -> None:
    small = render_page(page_documents(8, nights=1)).encode()
    large = render_page(page_documents(1000)).encode()
    assert len(small) <= 40_000
    assert len(large) <= 1_300_000
    assert len(gzip.compress(large)) <= 150_000
