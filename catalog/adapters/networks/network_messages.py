"""What a process says to the one that runs networks for it, and what it is answered.

Over pipes that nobody else can have, so that pickled objects are as good as any.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from embeddings.errors import ExplainedError
from embeddings.taxonomy import Taxonomy

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Load:
    """Load a version's network; answered with a ``LoadedNetwork``."""

    version: str


@dataclass(frozen=True, slots=True)
class Embed:
    """Embed images, whose bytes are the next message; answered with features.

    Args:
        shape: (n, input_size, input_size, 3), of uint8.
        with_scale: Whether by ``Embedder.embed_with_scale``.
    """

    version: str
    shape: tuple[int, ...]
    with_scale: bool


@dataclass(frozen=True, slots=True)
class LoadedNetwork:
    """The attributes of an ``Embedder``."""

    version: str
    input_size: int
    taxonomy: Taxonomy
    feature_sizes: Mapping[str, int]
    visual_feature: str
    batch_size: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The answer where there is none."""

    error: Exception


def failure(error: Exception) -> Failed:
    """An error as it is told: one of the kind that callers know, or else what it says.

    Libraries' own kinds stay here: some cannot be sent, and others would have their library loaded where they arrive.
    """
    if isinstance(error, ExplainedError):
        return Failed(error.with_traceback(None))
    for known in (ValueError, MemoryError):
        if isinstance(error, known):
            return Failed(known(str(error)))
    _log.error("A network has failed", exc_info=error)
    return Failed(RuntimeError(f"{type(error).__name__}: {error}"))


def take_answer(answer: object) -> object:
    """What was answered.

    Raises:
        Exception: that is what was answered.
    """
    if isinstance(answer, Failed):
        raise answer.error
    return answer
