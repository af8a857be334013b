"""What names the images that a command works on, from its options: a data set's choices, where attributes come from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from catalog.types import AttributeSource

if TYPE_CHECKING:
    from catalog.services.models.attribute_mining import MiningOptions
    from embeddings.datasets.dataset_options import DatasetOptions


def dataset_options(
    dataset: str | None,
    choices: Sequence[str] | None,
    *,
    category: str | None,
    gallery: Literal["same", "all"] = "same",
) -> DatasetOptions:
    """The options of the data set that ``KIND:PATH`` names; None is a merchant's catalog, which has no choices.

    Raises:
        InvalidRequest: a choice is unknown to that kind of data set, or outside its range.
    """
    from catalog.errors import InvalidRequest
    from embeddings.datasets.dataset_options import DatasetOptions, named_options

    if choices and dataset is None:
        raise InvalidRequest(
            "A catalog has no choices of a data set",
            received=f"--dataset-option {choices[0]}",
            expected="--dataset KIND:PATH with it",
        )
    try:
        named = named_options((dataset or "").partition(":")[0], choices or ())
        return DatasetOptions(category=category, gallery=gallery, **named)  # type: ignore[arg-type]  # By field.
    except ValueError as error:
        raise InvalidRequest("A choice of the data set has no meaning", received=str(error)) from error


def mining_options(
    source: AttributeSource,
    vocabulary: Path | None,
    learn_words: int,
    *,
    min_count: int = 1,
    source_option: str = "--attributes",
) -> MiningOptions:
    """Where attributes come from.

    Args:
        source_option: What the command calls the option that gives ``source``, for the error.

    Raises:
        InvalidRequest: words are given, and no text is read.
    """
    from catalog.errors import InvalidRequest
    from catalog.services.models.attribute_mining import MiningOptions

    if source is AttributeSource.FEED and (vocabulary is not None or learn_words):
        raise InvalidRequest(
            "No text is read for the attributes of the feed",
            received="--vocabulary" if vocabulary is not None else "--learn-words",
            expected=f"{source_option} text or both with it",
        )
    return MiningOptions(source, min_count=min_count, vocabulary=vocabulary, learn_words=learn_words)
