"""Where tables are printed: fitted to a terminal, and uncut in a pipe."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from rich.console import Console

_NO_LIMIT = 100_000


def table_console(file: TextIO | None = None, *, markup: bool = False) -> Console:
    """A console as wide as the terminal (or as COLUMNS says); in a pipe one uncoloured, uncut line per row.

    Args:
        markup: Whether texts may hold rich's markup.
    """
    target = file or sys.stdout
    console = Console(file=target, markup=markup, emoji=False, highlight=False)
    if console.is_terminal or "COLUMNS" in os.environ:
        return console
    return Console(file=target, markup=markup, emoji=False, highlight=False, width=_NO_LIMIT, color_system=None)
