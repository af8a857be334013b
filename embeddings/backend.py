"""The door to Keras and its backend: starts it without its chatter, and lets it take GPU memory as it needs it.

Importing this module takes seconds. Import it before anything else that imports Keras, and take ``keras`` from it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# TensorFlow writes these to stderr on every start, whatever its log level is, because it logs them before it has read
# the level. They tell a user nothing.
_CHATTER = (b"All log messages before absl::InitializeLog()", b"oneDNN custom operations are on")


@contextmanager
def _without_chatter() -> Iterator[None]:
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


def _start() -> None:
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # The first tensor starts TensorFlow's runtime, which has its own chatter.
        tf.constant(0)


# By default TensorFlow takes all memory of a GPU, which then nothing else can use.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
if _LOG_LEVEL in os.environ:
    # Whoever set the level wants to see what TensorFlow says.
    _start()
else:
    os.environ[_LOG_LEVEL] = "2"
    with _without_chatter():
        _start()

import keras  # noqa: E402  The backend must have been started quietly before.

__all__ = ["keras"]
