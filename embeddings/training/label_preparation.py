"""From labelled images to what is trained on: the split, the taxonomy, and what was left out of either."""

from __future__ import annotations

from dataclasses import dataclass

from embeddings.errors import EmbeddingsError
from embeddings.taxonomy import Taxonomy
from embeddings.training.held_out_items import num_asked_for
from embeddings.training.labelled_images import LabelledImages

_MOST_NAMED = 8
# With fewer of what was asked for, the scores of held-out images are worth noticeably less.
_CLEARLY_FEWER = 0.75


class Untrainable(EmbeddingsError):
    """There is too little to train on: images, attributes, or differences between them."""


@dataclass(frozen=True, slots=True)
class PreparedData:
    """What is trained on and measured with.

    Args:
        training: Every image has at least one attribute of the taxonomy.
        held_out: Other pictures, of items of other groups; None where nothing is held out.
        taxonomy: At least two attributes; each is on at least one training image.
        notes: What was left out, in sentences.
    """

    training: LabelledImages
    held_out: LabelledImages | None
    taxonomy: Taxonomy
    notes: tuple[str, ...]


def prepare_labels(data: LabelledImages, *, min_count: int, held_out_share: float, seed: int) -> PreparedData:
    """Split the images by item (``LabelledImages.split``) and settle which attributes are trained.

    Attributes that fewer than ``min_count`` images have are left out, and so are those that only held-out images
    have: the network would learn that they never occur.

    Args:
        data: All images.
        min_count: Of images, at least 1.
        held_out_share: Share of the items, in [0, 1), that is measured on and not trained on.
        seed: Decides which.

    Raises:
        Untrainable: fewer than two items or two attributes are left (the loss compares attributes of an image with
            each other), or all training images have the same attributes.
        ValueError: ``held_out_share`` is outside [0, 1).
    """
    if not 0 <= held_out_share < 1:
        raise ValueError(f"held_out_share must lie in [0, 1), received {held_out_share}")
    counts: dict[str, int] = {}
    for attributes in data.attributes:
        for name in set(attributes):
            counts[name] = counts.get(name, 0) + 1
    frequent = sorted(name for name, count in counts.items() if count >= min_count)
    if len(frequent) < 2 or data.num_items < 2:
        raise Untrainable(
            "There is too little to train on",
            received=f"{len(data)} images, {len(frequent)} attributes on at least {min_count} of them",
            expected="at least two products and two attributes: the loss compares attributes with each other",
            remedy="lower --min-count, or give images with attributes",
        )
    notes: list[str] = []
    training, held_out = data, None
    if held_out_share:
        training, held_out = data.split(held_out_share, seed)
        notes.extend(_notes_on_split(data.num_items, 0 if held_out is None else held_out.num_items, held_out_share))
    seen = {name for attributes in training.attributes for name in attributes}
    if unseen := [name for name in frequent if name not in seen]:
        notes.append(f"Left out, because no training image has them: {_listed(unseen)}.")
    trained = [name for name in frequent if name in seen]
    known = frozenset(trained)
    labels = [known.intersection(attributes) for attributes in training.attributes]
    labelled = [position for position, label in enumerate(labels) if label]
    if len(trained) < 2 or len({labels[position] for position in labelled}) < 2:
        raise Untrainable(
            "The training images do not differ in their attributes",
            received=f"{len(training)} images to train on, attributes {_listed(trained)}",
            expected="images with different attributes",
            remedy="give more images, or hold out fewer",
        )
    if len(labelled) < len(training):
        notes.append(
            f"{len(training) - len(labelled):,} of {len(training):,} training images have none of the "
            f"{len(trained)} attributes and are left out."
        )
        training = training.subset(labelled)
    return PreparedData(training, held_out, Taxonomy(tuple(trained)), tuple(notes))


def _notes_on_split(num_items: int, num_held_out: int, share: float) -> list[str]:
    num_asked = num_asked_for(share, num_items)
    if num_held_out >= _CLEARLY_FEWER * num_asked:
        return []
    return [
        f"{num_held_out:,} of {num_items:,} items are held out, where {num_asked:,} were asked for: items that share a "
        "photo or an item group stay together, and where more than that belong together, they are trained on."
    ]


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMED])
    return shown + (f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else "")
