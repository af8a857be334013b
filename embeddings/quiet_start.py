"""Holds back what libraries write to stderr past Python, whatever they are told, and that tells a user nothing."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# TensorFlow writes the first two on every start, whatever its log level is, because it logs them before it has read
# the level; its converter and LiteRT write the others.
_CHATTER = (
    b"All log messages before absl::InitializeLog()",
    b"oneDNN custom operations are on",
    b"fully_quantize: ",
    b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
)


@contextmanager
def without_chatter() -> Iterator[None]:
    """Hold back what is written to stderr meanwhile, then write all of it but the known chatter."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held_back:
        stderr = os.dup(2)
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held_back.seek(0)
            for line in held_back:
                if not any(words in line for words in _CHATTER):
                    os.write(2, line)
