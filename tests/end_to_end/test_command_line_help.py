"""Every command explains itself, in its help and in the README, and loads nothing heavy to do so."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.main import get_command

from cli.main import app
from tests.conftest import REPOSITORY


def _commands() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, command in get_command(app).commands.items():
        nested = getattr(command, "commands", None)
        found.extend([(name,)] if nested is None else [(name, inner) for inner in nested])
    return found


def _command(path: tuple[str, ...]):
    command = get_command(app)
    for name in path:
        command = command.commands[name]
    return command


@pytest.mark.parametrize("path", _commands(), ids=" ".join)
def test_every_command_and_option_has_help(path):
    """A command without a sentence of help, or an option without one, is not finished."""
    command = _command(path)
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{' '.join(path)}: {parameter.name} has no help"


@pytest.mark.parametrize("path", _commands(), ids=" ".join)
def test_every_command_is_in_the_readme(path):
    """What the README does not mention, nobody finds."""
    assert f"drape {' '.join(path)}" in (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "told"), [(["search", "--help"], 0, "--words"), (["search", "--mode", "looks"], 2, "'looks'")]
)
def test_the_module_runs_as_the_command_does(arguments, code, told):
    """``python -m cli.main``, for where the command itself is not on the path."""
    ended = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments], capture_output=True, text=True, check=False, cwd=REPOSITORY
    )
    assert ended.returncode == code
    assert told in ended.stdout + ended.stderr


def test_help_loads_nothing_heavy():
    """No TensorFlow, NumPy, SQLAlchemy or Qdrant is imported to print help."""
    code = "import sys, cli.main; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["tensorflow", "keras", "numpy", "PIL", "sqlalchemy", "qdrant_edge", "qdrant_client", "pydantic"]
    ended = subprocess.run(
        [sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert ended.stdout.strip() == "[]"
