"""The ``drape`` command. Each group of commands has a file of its own; what they need is imported when they run."""

from __future__ import annotations

import sys

import typer

from catalog.errors import DrapeError
from cli.demo import demo
from cli.failures import exit_code, report
from cli.ingest import ingest
from cli.models import app as model_app
from cli.models import reindex
from cli.search import search, similar
from cli.status import status
from cli.train import train
from embeddings.errors import EmbeddingsError

app = typer.Typer(
    name="drape",
    help="Visual search for fashion catalogs: which items look like this one, and why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (demo, ingest, search, similar, train, reindex, status):
    app.command()(command)
app.add_typer(model_app, name="model")


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
