"""`flakesync schema`."""

from typing import Annotated, Literal

import typer

from flakesync.cli import screen
from flakesync.cli.options import AlwaysJsonOption, Common, with_common
from flakesync.documents import DOCUMENTS, DocumentName
from flakesync.errors import EXIT_OK

SchemaName = Literal[DocumentName, "workspace"]


@with_common("verbose")
def schema(
    common: Common,
    name: Annotated[
        SchemaName,
        typer.Argument(
            metavar="NAME",
            show_choices=False,  # the help names them, in lines that fit
            help=f"The command whose JSON document it is ({', '.join(DOCUMENTS)}), or `workspace` for the manifest.",
        ),
    ],
    json: AlwaysJsonOption = False,
) -> int:
    """Print the JSON Schema of what a command answers with --json, or of workspace.toml.

    \b
    Examples:
      flakesync schema drift > drift.schema.json
      flakesync schema workspace > workspace.schema.json
    """
    from flakesync.report.documents import json_schema, schema_text

    if name == "workspace":
        from flakesync.workspace.schema.document import manifest_schema

        screen.answer_bytes(schema_text(manifest_schema()))
        return EXIT_OK
    screen.answer_bytes(json_schema(name))
    return EXIT_OK
