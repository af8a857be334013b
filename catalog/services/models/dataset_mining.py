"""Mining the texts of a data set's images, by the same rules as a catalog's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from catalog.attributes.mining import AttributeMiner
from catalog.attributes.product_texts import ProductTexts
from catalog.attributes.report import AttributeTally
from catalog.attributes.vocabulary import fashion_vocabulary, read_vocabulary
from catalog.services.models.attribute_mining import MiningOptions
from catalog.types import AttributeSource
from embeddings.datasets.records import Dataset, DatasetImage


def mine_dataset_images(images: Sequence[DatasetImage], options: MiningOptions) -> list[DatasetImage]:
    """The images with the attributes that their annotations, their texts or both give, in the same order.

    Raises:
        VocabularyUnusable: the vocabulary file cannot be used.
    """
    if options.source is AttributeSource.FEED:
        return list(images)
    vocabulary = fashion_vocabulary() if options.vocabulary is None else read_vocabulary(options.vocabulary)
    texts = [ProductTexts(title="", description=image.text, feed_attributes=image.attributes) for image in images]
    if options.learn_words:
        tally = AttributeTally()
        miner = AttributeMiner(vocabulary)
        for text in texts:
            tally.add(miner.mine(text, options.source))
        vocabulary = vocabulary.with_learned(tally.words.worth_learning(options.learn_words, max(options.min_count, 2)))
    miner = AttributeMiner(vocabulary)
    return [
        replace(image, attributes=miner.mine(text, options.source).names)
        for image, text in zip(images, texts, strict=True)
    ]


def with_mined_attributes(dataset: Dataset, options: MiningOptions) -> Dataset:
    """The data set with queries and gallery judged by the attributes that annotations, texts or both give.

    Raises:
        VocabularyUnusable: the vocabulary file cannot be used.
    """
    if options.source is AttributeSource.FEED:
        return dataset
    # Each image once, however often it stands in the two: the words to learn are counted.
    images = list({id(image): image for image in (*dataset.queries, *dataset.gallery)}.values())
    mined = dict(zip(map(id, images), mine_dataset_images(images, options), strict=True))
    return replace(
        dataset,
        queries=tuple(mined[id(image)] for image in dataset.queries),
        gallery=tuple(mined[id(image)] for image in dataset.gallery),
        notes=(*dataset.notes, judged_by(options.source)),
    )


def judged_by(source: AttributeSource) -> str:
    """What a reader of attribute IoU should know of attributes that were mined."""
    return f"Attributes are those of {'the texts' if source is AttributeSource.TEXT else 'annotations and texts'}."
