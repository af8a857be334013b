"""Errors with their facts as fields: the base that all of Drape's errors share, and those of the embeddings."""

from __future__ import annotations


class ExplainedError(Exception):
    """A failure with what happened, what was received, what was expected and what to do.

    Args:
        message: One sentence that says what went wrong.
        received: What was found, as a person would recognise it.
        expected: What would have been right.
        remedy: What to do about it.
    """

    def __init__(
        self, message: str, *, received: str | None = None, expected: str | None = None, remedy: str | None = None
    ) -> None:
        self.message = message
        self.received = received
        self.expected = expected
        self.remedy = remedy
        super().__init__(message)

    def __str__(self) -> str:
        facts = [("received", self.received), ("expected", self.expected), ("to do", self.remedy)]
        return "; ".join([self.message, *(f"{name}: {value}" for name, value in facts if value is not None)])


class EmbeddingsError(ExplainedError):
    """A failure of images, networks or model versions."""


class UnusableImage(EmbeddingsError):
    """The bytes are no image that can be decoded within the limits. Trying again does not help."""


class UnusableWeights(EmbeddingsError):
    """A weights file is missing, truncated, altered or made for another network."""


class UnusableModel(EmbeddingsError):
    """A model version's folder is missing, incomplete or contradicts its manifest."""


class InvalidVersionName(EmbeddingsError, ValueError):
    """A text cannot name a model version."""


class OutOfMemory(EmbeddingsError):
    """The memory of the GPU, or of the machine, does not hold a batch, not even half of the first one tried."""


class TrainingFailed(EmbeddingsError):
    """Training cannot go on: its numbers diverged, its state cannot be kept, or is that of another training."""
