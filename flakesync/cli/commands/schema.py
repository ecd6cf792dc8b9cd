"""`flakesync schema`."""

from typing import Annotated

import typer

from flakesync.cli import screen
from flakesync.cli.options import Common, with_common
from flakesync.documents import DocumentName
from flakesync.errors import EXIT_OK


@with_common("verbose")
def schema(
    common: Common,
    name: Annotated[DocumentName, typer.Argument(help="The command whose JSON document it is.")],
) -> int:
    """Print the JSON Schema of what a command answers with --json.

    \b
    Example:
      flakesync schema drift > drift.schema.json
    """
    from flakesync.report.documents import json_schema

    screen.answer_text(json_schema(name).decode())
    return EXIT_OK
