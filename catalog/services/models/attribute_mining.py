"""Mining a merchant's catalog: attributes by product from its feed and its texts, and a report of what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from catalog.attributes.mining import AttributeMiner, ProductAttributes
from catalog.attributes.normalizer import AttributeNormalizer
from catalog.attributes.product_texts import TAG_GROUP, texts_of_product
from catalog.attributes.report import AttributeTally, MiningReport, ReportCounter
from catalog.attributes.vocabulary import Vocabulary, fashion_vocabulary, read_vocabulary
from catalog.errors import InvalidRequest
from catalog.services.galleries.gallery_layout import category_keyword, category_keywords
from catalog.types import AttributeSource
from catalog.unit_of_work import UnitOfWorkFactory
from embeddings.taxonomy import split_attribute

PAGE = 500


@dataclass(frozen=True, slots=True)
class MiningOptions:
    """How to mine.

    Args:
        source: The feed's own attributes, what the texts say, or both (the feed wins where they contradict).
        min_count: Attributes that fewer products have are left out, at least 1.
        vocabulary: A vocabulary file of the merchant's own; None takes the one that comes with Drape.
        learn_words: How many of the most frequent words and pairs of words that are in no vocabulary become attributes
            ``word=…``; 0 for none.

    Raises:
        InvalidRequest: a number is too small.
    """

    source: AttributeSource = AttributeSource.BOTH
    min_count: int = 1
    vocabulary: Path | None = None
    learn_words: int = 0

    def __post_init__(self) -> None:
        if self.min_count < 1 or self.learn_words < 0:
            raise InvalidRequest(
                "These are no options of mining",
                received=f"min_count={self.min_count}, learn_words={self.learn_words}",
                expected="min_count of at least 1, learn_words of at least 0",
            )


FEED_ALONE = MiningOptions(source=AttributeSource.FEED)


@dataclass(frozen=True, slots=True)
class MinedAttributes:
    """A catalog's attributes.

    Args:
        by_product: Attributes in normal form, sorted, by the id of the product's row; products without any are there
            with none.
        report: What was found, in numbers.
    """

    by_product: Mapping[int, tuple[str, ...]]
    report: MiningReport


class AttributeMiningService:
    """Mines catalogs. Reads page by page, in short transactions; mines outside of them."""

    def __init__(self, unit_of_work: UnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    def mine(self, merchant: str, category: str | None = None, options: MiningOptions | None = None) -> MinedAttributes:
        """The attributes of every product of the merchant, or of one category (a level's name, or a path of levels).

        Memory grows with the number of products by their attributes alone, not by their texts.

        Raises:
            MerchantNotFound: no such merchant.
            InvalidRequest: no product is in that category.
            VocabularyUnusable: the vocabulary file cannot be used.
        """
        by_product: dict[int, tuple[str, ...]] = {}
        report = self._mine(merchant, category, options or MiningOptions(), by_product)
        return MinedAttributes(by_product, report)

    def report(self, merchant: str, category: str | None = None, options: MiningOptions | None = None) -> MiningReport:
        """The report of ``mine`` without the attributes: memory does not grow with the number of products.

        Raises:
            As ``mine``.
        """
        return self._mine(merchant, category, options or MiningOptions(), None)

    def _mine(
        self,
        merchant: str,
        category: str | None,
        options: MiningOptions,
        by_product: dict[int, tuple[str, ...]] | None,
    ) -> MiningReport:
        vocabulary = fashion_vocabulary() if options.vocabulary is None else read_vocabulary(options.vocabulary)
        with self._unit_of_work() as work:
            merchant_id = work.merchants.id_of(merchant)
        rare: frozenset[str] = frozenset()
        learned: list[str] = []
        if options.learn_words:
            tally = AttributeTally()
            for _, product in self._products(merchant_id, category, vocabulary, options.source):
                tally.add(product)
            learned = tally.words.worth_learning(options.learn_words, max(options.min_count, 2))
            vocabulary = vocabulary.with_learned(learned)
        if options.min_count > 1:
            # Which attributes are rare is known only when all products have been seen.
            tally = AttributeTally()
            for _, product in self._products(merchant_id, category, vocabulary, options.source):
                tally.add(product)
            rare = tally.rarer_than(options.min_count)
        counter = ReportCounter(min_count=options.min_count, rare=rare, learned=tuple(learned))
        for product_id, product in self._products(merchant_id, category, vocabulary, options.source):
            names = counter.add(product)
            if by_product is not None:
                by_product[product_id] = names
        report = counter.report()
        if category is not None and not report.num_products:
            raise InvalidRequest(
                "No product is in this category",
                received=category,
                expected=f"a level of a category of {merchant}'s feed, or a path: Women > Dresses",
            )
        return report

    def _products(
        self, merchant_id: int, category: str | None, vocabulary: Vocabulary, source: AttributeSource
    ) -> Iterator[tuple[int, ProductAttributes]]:
        miner = AttributeMiner(vocabulary)
        # The feed alone is the feed as it was ingested; beside texts, its words mean what this vocabulary says.
        normalizer = None if source is AttributeSource.FEED else AttributeNormalizer(vocabulary)
        # Compared as searches compare it, and not by PostgreSQL, whose lower case depends on the server's locale.
        keyword = None if category is None else category_keyword(category)
        after = 0
        while True:
            with self._unit_of_work() as work:
                page = work.products.described(merchant_id, after, PAGE)
            if not page:
                return
            for product in page:
                if keyword is None or keyword in category_keywords(product.category):
                    feed = product.attributes
                    if normalizer is not None:
                        feed = tuple(_feed_names(normalizer, product.given_attributes))
                    texts = texts_of_product(product.title, product.description, feed, product.raw)
                    yield product.id, miner.mine(texts, source)
            after = page[-1].id


def _feed_names(normalizer: AttributeNormalizer, attributes: tuple[str, ...]) -> Iterator[str]:
    """What a feed's attributes mean. Bare ones stay as they are: the miner reads them among the texts."""
    for name in attributes:
        if split_attribute(name)[0] == TAG_GROUP:
            yield name
        else:
            yield from normalizer.names_of(name)
