"""The ``drape`` command. Each group of commands has a file of its own; what they need is imported when they run."""

from __future__ import annotations

import sys

import typer

from catalog.errors import DrapeError
from cli import demo, ingest, models, search, status
from cli.failures import exit_code, report
from embeddings.errors import EmbeddingsError

app = typer.Typer(
    name="drape",
    help="Visual search for fashion catalogs: which items look like this one, and why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("ingest")(ingest.ingest)
app.command("search")(search.search)
app.command("similar")(search.similar)
app.command("train")(models.train)
app.command("reindex")(models.reindex)
app.add_typer(models.app, name="model")
app.command("status")(status.status)


def main() -> None:
    """Run the command line and leave with its exit code."""
    try:
        app()
    except (DrapeError, EmbeddingsError) as error:
        report(error, as_json="--json" in sys.argv)
        sys.exit(exit_code(error))
    except BrokenPipeError:
        # Whoever read the output has seen enough (`drape search … | head`). Nothing more can be written there.
        sys.stderr.close()
        sys.exit(1)
