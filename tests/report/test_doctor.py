"""What doctor has found, as text."""

from flakesync.documents.doctor import DoctorDocument, DoctorRow
from flakesync.report.doctor.text import render_doctor
from flakesync.report.text import UNLIMITED, to_text

DOCUMENT = DoctorDocument(
    manifest="/srv/acme/workspace.toml",
    rows=[
        DoctorRow(group="programs", what="git", how="ok", detail="2.39.5"),
        DoctorRow(group="programs", what="nix", how="not-looked-at", detail="there is none", hint="install it"),
        DoctorRow(
            group="forges",
            what="token for github.com",
            how="fails",
            detail="the token in GITHUB_TOKEN has scopes read:org, and not `repo`",
            hint="make one with the scope `repo`",
            repos=["lib", "app", "api", "cli", "web"],
        ),
        DoctorRow(group="machine", what="room", how="warning", detail="1 GiB\x1b[2J free"),
    ],
)


def test_rows_stand_below_their_group_with_what_to_do_about_them() -> None:
    assert (
        to_text(render_doctor(DOCUMENT, width=UNLIMITED))
        == """\
programs
  ok       git                   2.39.5
  –        nix                   there is none
           hint: install it

forges
  fails    token for github.com  5 repos: lib, app, api and 2 more: \
the token in GITHUB_TOKEN has scopes read:org, and not `repo`
           hint: make one with the scope `repo`

machine
  warning  room                  1 GiB free

1 will fail, 1 warning, 1 ok, 1 not looked at
"""
    )


def test_in_a_narrow_terminal_the_detail_goes_below() -> None:
    text = to_text(render_doctor(DOCUMENT, width=40))
    assert "  ok       git\n           2.39.5\n" in text
    assert max(map(len, text.splitlines())) <= 40


def test_all_repos_are_named_on_request() -> None:
    assert "lib, app, api, cli, web: the token" in to_text(render_doctor(DOCUMENT, width=UNLIMITED, full=True))


def test_nothing_that_was_looked_at_is_still_an_answer() -> None:
    nothing = DoctorDocument(manifest=None, rows=[])
    assert to_text(render_doctor(nothing, width=80)) == "0 will fail, 0 warnings, 0 ok\n"
