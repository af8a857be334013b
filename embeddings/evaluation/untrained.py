"""Networks to compare with that have learnt no attributes: ImageNet's, or random ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from embeddings.errors import EmbeddingsError

RANDOM = "random"
_TRUNKS = ("vgg16", "resnet50", "compact")
_PUBLISHED = ("vgg16", "resnet50")


class UnknownNetwork(EmbeddingsError):
    """A text names no network to compare with."""


@dataclass(frozen=True, slots=True)
class UntrainedNetwork:
    """A trunk as it was before anything was trained on attributes.

    Args:
        trunk: ``vgg16``, ``resnet50`` or ``compact``.
        weights: Its weights file. None: the published ones, or random ones where ``is_random``.
        is_random: Every weight drawn by a fixed seed.
        preprocessing: How those weights expect their pixels; None is the trunk's usual way.
        input_size: Edge of the square input in pixels; None is the trunk's usual one.
    """

    trunk: str
    weights: Path | None = None
    is_random: bool = False
    preprocessing: str | None = None
    input_size: int | None = None

    @property
    def name(self) -> str:
        """As it is called in tables: ``resnet50 (untrained)``."""
        return f"{self.trunk} ({RANDOM if self.is_random else 'untrained'})"


def parse_untrained(text: str, *, preprocessing: str | None = None, input_size: int | None = None) -> UntrainedNetwork:
    """The network that ``TRUNK``, ``TRUNK:FILE`` or ``TRUNK:random`` names.

    Raises:
        UnknownNetwork: no such trunk, no such file, or nothing published to take.

    >>> parse_untrained("compact:random").name
    'compact (random)'
    """
    trunk, colon, place = text.partition(":")
    if trunk not in _TRUNKS or (colon and not place):
        raise UnknownNetwork(
            f"{text!r} names no network to compare with",
            received=text,
            expected=f"TRUNK, TRUNK:WEIGHTS-FILE or TRUNK:{RANDOM} with a trunk of {', '.join(_TRUNKS)}",
        )
    if place == RANDOM:
        return UntrainedNetwork(trunk, None, True, preprocessing, input_size)
    if not place and trunk not in _PUBLISHED:
        raise UnknownNetwork(
            f"Nobody publishes weights of {trunk}",
            received=text,
            expected=f"{trunk}:WEIGHTS-FILE, {trunk}:{RANDOM}, or a trunk of {', '.join(_PUBLISHED)}",
        )
    path = Path(place).expanduser() if place else None
    if path is not None and not path.is_file():
        raise UnknownNetwork(
            "The weights of a network to compare with are not there", received=place, expected="a weights file"
        )
    return UntrainedNetwork(trunk, path, False, preprocessing, input_size)
