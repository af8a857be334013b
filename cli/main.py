"""The ``drape`` command. Each group of commands has a file of its own; what they need is imported when they run."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

import typer

from catalog.errors import DrapeError
from cli.attributes import attributes
from cli.demo import demo
from cli.evaluate import evaluate
from cli.failures import FAILED, INTERRUPTED, USAGE, exit_code, failure_of_system, not_text, report
from cli.feeds import app as feed_app
from cli.ingest import ingest
from cli.jobs import app as jobs_app
from cli.keys import app as keys_app
from cli.models import app as model_app
from cli.reconcile import reconcile
from cli.reindex import reindex
from cli.search import search, similar
from cli.serve import serve
from cli.snapshots import app as snapshot_app
from cli.status import status
from cli.stopping import interruptions_kept
from cli.tag import tag
from cli.train import train
from cli.webhooks import app as webhooks_app
from cli.worker import worker
from embeddings.errors import EmbeddingsError

app = typer.Typer(
    name="drape",
    help="Visual search for fashion catalogs: which items look like this one, and why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (
    *(demo, ingest, search, similar, tag, attributes),
    *(train, evaluate, reindex, reconcile, status, serve, worker),
):
    app.command()(command)
app.add_typer(feed_app, name="feed")
app.add_typer(model_app, name="model")
app.add_typer(jobs_app, name="jobs")
app.add_typer(keys_app, name="keys")
app.add_typer(webhooks_app, name="webhooks")
app.add_typer(snapshot_app, name="snapshot")


def main() -> None:
    """Run the command line and leave with its exit code."""
    # What a terminal cannot show is shown as its escape; a title must not end a search.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        sys.exit(_run())
    except BrokenPipeError:
        # Whoever read the output has seen enough (`drape search … | head`). The interpreter would complain once more
        # when it flushes what is left, so that goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        os._exit(FAILED)


def _run() -> int:
    """The exit code."""
    as_json = "--json" in sys.argv
    try:
        with interruptions_kept():
            app()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else FAILED
    except KeyboardInterrupt:
        code = INTERRUPTED
    except (DrapeError, EmbeddingsError) as error:
        report(error, as_json=as_json)
        code = exit_code(error)
    except BrokenPipeError:
        raise
    except OSError as error:
        # A full disk, a folder that cannot be written: nothing that a traceback would help with.
        report(failure_of_system(error), as_json=as_json)
        code = FAILED
    except UnicodeEncodeError as error:
        report(not_text(error), as_json=as_json)
        code = USAGE
    if code == INTERRUPTED:
        print("Interrupted. What was done stays; the same command continues from there.", file=sys.stderr)
    sys.stdout.flush()
    return code


if __name__ == "__main__":
    main()
