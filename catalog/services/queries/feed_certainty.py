"""Whether a product has an attribute by what its feed says of it, which is surer than what a network sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum, auto

from catalog.attributes.normalizer import fashion_normalizer
from catalog.attributes.product_texts import TAG_GROUP
from catalog.attributes.vocabulary import Vocabulary
from embeddings.taxonomy import split_attribute


def may_have_several(group: str, vocabulary: Vocabulary) -> bool:
    """Whether a value of the group tells nothing of its others (details, occasions)."""
    known = vocabulary.groups.get(group)
    return group == TAG_GROUP or (known is not None and known.additive)


def excludes_others(name: str, vocabulary: Vocabulary) -> bool:
    """Whether an item that has this attribute alone has no other value of its group.

    Args:
        name: In normal form.
    """
    group, value = split_attribute(name)
    if may_have_several(group, vocabulary):
        return False
    known = vocabulary.groups.get(group)
    if known is None:
        return True
    return value in known.value_names and (known.comparison is None or value not in known.comparison.unspecific)


class Told(Enum):
    """What a feed tells of whether an item has what is wanted."""

    YES = auto()
    BESIDE_OTHERS = auto()
    """Red and white: how much of it is red the feed leaves to the photo."""
    NO = auto()
    NOTHING = auto()


class FeedCertainty:
    """Whether products have one of some attributes by their feeds.

    A feed that names other values of a group says that these are not there, except where an item may have several
    values of the group, or all that is named leaves open which it is: multicolor, or a shop's own word for a colour
    that the vocabulary does not know.

    Args:
        names: Of one group, at least one, in normal form.
    """

    def __init__(self, names: Sequence[str], vocabulary: Vocabulary) -> None:
        self._wanted = frozenset(names)
        self._group = split_attribute(names[0])[0]
        self._vocabulary = vocabulary
        # Many products of a catalog say the same: each attribute is worked out once.
        self._telling: dict[str, frozenset[str]] = {}

    def of(self, said: Iterable[str]) -> Told:
        """Whether a product has one of the attributes.

        Args:
            said: Attributes of the product's feed, in normal form; the vocabulary's names or the merchant's own.

        >>> from catalog.attributes.vocabulary import fashion_vocabulary
        >>> red = FeedCertainty(["color=red"], fashion_vocabulary())
        >>> [red.of([said]).name for said in ("colour=scarlet", "color=navy", "color=red/white", "color=multicolor")]
        ['YES', 'NO', 'BESIDE_OTHERS', 'NOTHING']
        """
        told: set[str] = set()
        for attribute in said:
            telling = self._telling.get(attribute)
            if telling is None:
                telling = self._telling[attribute] = self._told_by(attribute)
            if telling:
                told |= telling
        if not told:
            return Told.NOTHING
        if told <= self._wanted:
            return Told.YES
        return Told.BESIDE_OTHERS if told & self._wanted else Told.NO

    def _told_by(self, attribute: str) -> frozenset[str]:
        """The attributes of the group that this one stands for and that tell something."""
        meant = {attribute, *fashion_normalizer().names_of(attribute)}
        of_group = {name for name in meant if split_attribute(name)[0] == self._group}
        return frozenset(name for name in of_group if name in self._wanted or excludes_others(name, self._vocabulary))
