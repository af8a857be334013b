"""Mining the texts of a data set's images, by the same rules as a catalog's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from catalog.attributes.mining import AttributeMiner
from catalog.attributes.product_texts import ProductTexts
from catalog.attributes.report import AttributeTally
from catalog.attributes.vocabulary import fashion_vocabulary, read_vocabulary
from catalog.services.attribute_mining import MiningOptions
from catalog.types import AttributeSource
from embeddings.datasets.records import DatasetImage


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
