"""The closed, ordered list of attributes a network is trained on, in normal form ``group=value``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SPACES = re.compile(r"\s+")
_FREE_GROUP = "tag"


def normalize_attribute(text: str) -> str:
    """The normal form of an attribute: ``group=value``, case folded, white space collapsed.

    A bare value belongs to the group ``tag``. Either ``=`` or ``:`` may separate group and value.

    Raises:
        ValueError: nothing is left of the group or of the value.

    >>> normalize_attribute("Color: Dark  Red")
    'color=dark red'
    >>> normalize_attribute("lace")
    'tag=lace'
    """
    folded = _SPACES.sub(" ", text).strip().casefold()
    separators = [position for position in (folded.find("="), folded.find(":")) if position >= 0]
    if separators:
        at = min(separators)
        group, value = folded[:at].strip(), folded[at + 1 :].strip()
    else:
        group, value = _FREE_GROUP, folded
    if not group or not value:
        raise ValueError(f"an attribute needs a name and a value, received {text!r}")
    return f"{group}={value}"


def split_attribute(name: str) -> tuple[str, str]:
    """Group and value of an attribute in normal form.

    >>> split_attribute("color=dark red")
    ('color', 'dark red')
    """
    group, _, value = name.partition("=")
    return group, value


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """The attributes in the order of the network's outputs.

    Args:
        names: Attributes in normal form, without repeats, at least one.

    Raises:
        ValueError: names are empty, repeated or not in normal form.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.names:
            raise ValueError("a taxonomy needs at least one attribute")
        if len(set(self.names)) != len(self.names):
            raise ValueError("a taxonomy's attributes must differ from each other")
        for name in self.names:
            if normalize_attribute(name) != name:
                raise ValueError(f"{name!r} is not in normal form, expected {normalize_attribute(name)!r}")

    @classmethod
    def from_items(cls, items: Iterable[Sequence[str]], min_count: int = 1) -> Taxonomy:
        """Every attribute that at least ``min_count`` items have, in alphabetical order."""
        counts: dict[str, int] = {}
        for attributes in items:
            for name in set(attributes):
                counts[name] = counts.get(name, 0) + 1
        return cls(tuple(sorted(name for name, count in counts.items() if count >= min_count)))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def spans(self) -> Mapping[str, tuple[int, int]]:
        """For each group whose attributes stand together, its first position and the one past its last.

        Attributes in alphabetical order always stand together.

        >>> Taxonomy(("color=blue", "color=red", "tag=lace")).spans
        {'color': (0, 2), 'tag': (2, 3)}
        """
        positions: dict[str, list[int]] = {}
        for position, name in enumerate(self.names):
            positions.setdefault(split_attribute(name)[0], []).append(position)
        return {
            group: (found[0], found[-1] + 1)
            for group, found in positions.items()
            if found[-1] - found[0] == len(found) - 1
        }

    def encode(self, items: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        """Multi-hot targets, (len(items), K) float32 in {0, 1}; attributes outside the taxonomy are left out."""
        index = {name: position for position, name in enumerate(self.names)}
        targets = np.zeros((len(items), len(self.names)), dtype=np.float32)
        for row, attributes in enumerate(items):
            for name in attributes:
                position = index.get(name)
                if position is not None:
                    targets[row, position] = 1.0
        return targets
