"""The door to Keras and its backend: starts it without its chatter, and lets it take GPU memory as it needs it.

Importing this module takes seconds. Import it before anything else that imports Keras, and take ``keras`` from it.
"""

from __future__ import annotations

import os

from embeddings.quiet_start import without_chatter

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# Whoever sets these levels wants to see what TensorFlow says.
_TALKATIVE = ("0", "1")


def _start() -> None:
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # The first tensor starts TensorFlow's runtime, which has its own chatter.
        tf.constant(0)


# By default TensorFlow takes all memory of a GPU, which then nothing else can use.
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
if os.environ.setdefault(_LOG_LEVEL, "2") in _TALKATIVE:
    _start()
else:
    # Also where a parent process has set the level for itself, which its children inherit.
    with without_chatter():
        _start()

import keras  # noqa: E402  The backend must have been started quietly before.

__all__ = ["keras"]
