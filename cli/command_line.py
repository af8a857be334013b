"""The command that is running, as the model versions that it makes tell it."""

from __future__ import annotations

import shlex
import sys


def command_line() -> str:
    """What to type into a shell to run it once more."""
    return shlex.join(["drape", *sys.argv[1:]])
