"""`flakesync doctor`."""

from flakesync.cli import screen
from flakesync.cli.options import Common, with_common
from flakesync.errors import EXIT_FINDINGS, EXIT_OK


@with_common()
def doctor(common: Common) -> int:
    """Look whether tonight's run can succeed: programs, settings, tokens, folders, clocks.

    Asks the forges what the tokens may do, and git whether it may push to each repo;
    with --offline nobody. Writes nothing, and shows no secret. Works without a
    workspace.toml, and with a broken one. Exits with 1 when something will fail.

    \b
    Examples:
      flakesync doctor
      flakesync doctor --repo lib --json
      flakesync doctor --offline
    """
    import os

    from flakesync.cli.opening import with_options
    from flakesync.doctor.doctor import examine, find_place
    from flakesync.report.doctor.text import render_doctor

    place = find_place(
        common.workspace,
        os.environ,
        choose=lambda workspace: with_options(common, workspace),
        chosen=(common.repo, common.group, common.exclude),
        offline=common.offline,
    )
    with screen.busy("looking", quiet=common.quiet):
        document = examine(place)
    if common.json:
        screen.answer_json(document)
    else:
        screen.answer(render_doctor(document, width=screen.width(), full=common.verbose))
    return EXIT_FINDINGS if any(row.how == "fails" for row in document.rows) else EXIT_OK
