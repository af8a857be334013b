"""Off a terminal every line that a worker logs is one JSON object, with the fields it was given."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys

import pytest

from workers.logs import configure


@pytest.fixture
def _logging_as_it_was():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("celery.app.trace", "kombu")}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    logging.captureWarnings(False)


@pytest.mark.usefixtures("_logging_as_it_was")
def test_fields_stand_beside_the_message():
    stream = io.StringIO()
    configure(stream)
    logging.getLogger("workers.tasks").info("%d embedded", 32, extra={"queue": "embed", "embedded": 32})
    logging.getLogger("celery.app.trace").info("Task succeeded")
    (line,) = stream.getvalue().splitlines()
    told = json.loads(line)
    assert told.pop("time")
    assert told.pop("process") > 0
    assert told == {
        "level": "INFO",
        "logger": "workers.tasks",
        "message": "32 embedded",
        "queue": "embed",
        "embedded": 32,
    }


@pytest.mark.usefixtures("_logging_as_it_was")
def test_an_error_keeps_its_traceback_on_its_line():
    stream = io.StringIO()
    configure(stream)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("workers").exception("It failed")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: broken" in json.loads(line)["exc_info"]


def test_log_lines_are_not_held_back_with_what_libraries_write():
    """Nor lost with a process that ends while a network is loaded."""
    program = (
        "import logging, os; from embeddings.quiet_start import without_chatter; from workers.logs import configure; "
        "configure(); holding = without_chatter(); holding.__enter__(); "
        "os.write(2, b'chatter'); logging.info('Stopped'); os._exit(0)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    (line,) = ended.stderr.splitlines()
    assert json.loads(line)["message"] == "Stopped"
