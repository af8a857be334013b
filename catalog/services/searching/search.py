"""Which items look like this one, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from catalog.attributes.vocabulary import fashion_vocabulary
from catalog.errors import InvalidRequest, ProductNotFound
from catalog.ports.models import ModelDescription, Models
from catalog.ports.vector_index import Filter, VectorIndex
from catalog.services.galleries.gallery_layout import HIST, PROB
from catalog.services.galleries.live_gallery import live_gallery, live_gallery_with
from catalog.services.photo_queries.query_embedding import QueryEmbedding
from catalog.services.queries.attribute_queries import ChangedQuery, in_taxonomy, prob_of
from catalog.services.queries.catalog_values import CatalogValues
from catalog.services.queries.catalog_words import CatalogWords, ReadWords
from catalog.services.queries.filter_advice import FilterAdvice, compared_prices
from catalog.services.queries.requested_attributes import split_changes, with_words, with_words_to_change
from catalog.services.queries.search_filter import search_filter
from catalog.services.queries.words_query import WordsQuery
from catalog.services.searching.changed_ranking import ChangedSearch, told_attributes
from catalog.services.searching.example_queries import checked_examples, query_of_examples
from catalog.services.searching.query_vectors import QueryVectors
from catalog.services.searching.ranked_search import RankedSearch
from catalog.services.searching.ranking_modes import ranked_search
from catalog.services.searching.reordered_search import ReorderedSearch
from catalog.services.searching.search_limits import checked, refuse_visual
from catalog.services.searching.search_pages import SearchedGallery, SearchPages
from catalog.services.searching.search_timings import Timings
from catalog.services.searching.search_turns import SearchTurns
from catalog.types import AttributeChanges, Examples, SearchAnswer, SearchFilters, SearchMode, SearchOptions
from catalog.unit_of_work import UnitOfWorkFactory
from embeddings.crop_box import CropBox

AT_ONCE: Final = 1
"""Of an index in this process, which computes under the interpreter's lock. At the same time searches are no more in a
second (200 of 5 ms each), and all of them end late where some could end early: of eight clients' searches 95 in 100
took 42 ms one at a time, 47 two at a time, and 82 without turns."""


@dataclass(frozen=True, slots=True)
class _StoredProduct:
    """A product of the catalog as something to search with."""

    product_id: int
    query: QueryVectors


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What hits shall have, whatever they are like.

    Args:
        filters, changes: What passes the index, and what changes the query, in the taxonomy's names.
        asked_filters, asked_changes: The same as it was asked for.
        read: The words of it.
    """

    filters: SearchFilters
    changes: AttributeChanges
    asked_filters: SearchFilters
    asked_changes: AttributeChanges
    read: ReadWords | None


class SearchService:
    """Answers searches in the merchant's live gallery.

    Args:
        at_once: So many searches compute at the same time, and the others wait for their turn; None where all may. One
            that waits for the query network lets another have its turn.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        index: VectorIndex,
        models: Models,
        queries: QueryEmbedding,
        *,
        at_once: int | None = None,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._index = index
        self._models = models
        self._queries = queries
        self._pages = SearchPages(unit_of_work, index)
        self._words = CatalogWords(unit_of_work)
        self._advice = FilterAdvice(CatalogValues(unit_of_work))
        self._turn: AbstractContextManager[object] = nullcontext() if at_once is None else SearchTurns(at_once)

    def versions(self) -> list[str]:
        """The model versions of all live galleries, which are on this machine then, and checked.

        Raises:
            embeddings.errors.UnusableModel: one of them is neither here nor in the shared store, or damaged.
            DatabaseUnavailable, ModelStoreUnavailable: what knows or keeps them does not answer.
        """
        with self._unit_of_work() as work:
            versions = list(work.galleries.live_versions())
        for version in versions:
            self._models.describe(version)
        return versions

    def load(self, version: str) -> None:
        """Make the network of one of ``versions`` ready, so that no query has to wait for it.

        Asks neither the database nor the shared store any more.

        Raises:
            embeddings.errors.UnusableModel: its folder is damaged.
            embeddings.errors.OutOfMemory: the memory does not hold it.
        """
        self._queries.load(version)

    def by_image(
        self,
        merchant: str,
        image: bytes,
        filters: SearchFilters | None = None,
        options: SearchOptions | None = None,
        crop: CropBox | None = None,
        changes: AttributeChanges | None = None,
        examples: Examples | None = None,
        words: str | None = None,
    ) -> SearchAnswer:
        """Items that look like a photo, or as it would with other attributes.

        Args:
            examples: What hits shall be like in addition, and what they shall not be like.
            words: In what else they shall differ: "but in blue, without floral, under 50 €".

        Raises:
            MerchantNotFound, GalleryNotFound: there is nothing to search.
            ProductNotFound: no such example, or none of its images is indexed.
            embeddings.errors.UnusableImage: the photo cannot be decoded.
            InvalidRequest: the options, filters, changes or examples have no meaning.
        """
        options = checked(options)
        examples = checked_examples(examples)
        timings = Timings()
        named = (*examples.like, *examples.unlike)
        searched, images = self._searched_with(merchant, named)
        model = searched.model
        # What has no meaning or does not exist is told before the network runs.
        wishes = self._wishes(searched, filters, changes, words, options, timings)
        search_filter(searched.merchant_id, wishes.filters)
        stored = self._stored(searched, named, images, timings)
        embedded = self._queries.embed(image, searched.gallery.model_version, crop)
        timings.add(embedded.timings_ms)
        photo = QueryVectors(embedded.features[model.visual_feature], embedded.features[PROB])
        with self._turn:
            query = _with_examples([photo], examples, stored, model)
            return self._answered(searched, query, wishes, stored, options, timings)

    def by_product(
        self,
        merchant: str,
        external_id: str,
        filters: SearchFilters | None = None,
        options: SearchOptions | None = None,
        changes: AttributeChanges | None = None,
        examples: Examples | None = None,
        words: str | None = None,
    ) -> SearchAnswer:
        """Other items that look like a product's main image, or as it would with other attributes. Runs no network.

        Args:
            examples: What hits shall be like in addition, and what they shall not be like. None of these is a hit.
            words: In what else they shall differ.

        Raises:
            ProductNotFound: no such product, or none of its images is indexed.
            InvalidRequest: the options, filters, changes or examples have no meaning.
        """
        examples = checked_examples(examples, external_id)
        examples = Examples((external_id, *examples.like), examples.unlike)
        with self._turn:
            return self._by_products(merchant, examples, filters, options, changes, words)

    def by_examples(
        self,
        merchant: str,
        examples: Examples,
        filters: SearchFilters | None = None,
        options: SearchOptions | None = None,
        changes: AttributeChanges | None = None,
        words: str | None = None,
    ) -> SearchAnswer:
        """Other items like some products, and not like others. Runs no network.

        Args:
            words: In what else they shall differ.

        Raises:
            ProductNotFound: no such product, or none of its images is indexed.
            InvalidRequest: nothing to be like is named; or the options, filters or changes have no meaning.
        """
        examples = checked_examples(examples)
        if not examples.like:
            raise InvalidRequest(
                "Nothing is named that hits shall be like",
                received=f"{len(examples.unlike)} products in unlike, none in like",
                expected="one product in like, or a photo or product to search with",
                remedy="name something to be like; what hits shall not have is said by filters",
            )
        with self._turn:
            return self._by_products(merchant, examples, filters, options, changes, words)

    def by_words(
        self,
        merchant: str,
        text: str,
        filters: SearchFilters | None = None,
        options: SearchOptions | None = None,
    ) -> SearchAnswer:
        """Items that are as words say: "red lace maxi dress under 50 €, without floral". Runs no network.

        Attributes that the gallery's model knows rank, first by what feeds say of them, then by what the network sees;
        the others, the category, prices and what is ruled out, filter.
        The answer tells what was understood.

        Raises:
            MerchantNotFound, GalleryNotFound: there is nothing to search.
            InvalidRequest: nothing was understood; or the options or filters have no meaning.
        """
        options = checked(options)
        refuse_visual(options, "words")
        with self._turn:
            return self._by_words(merchant, text, filters, options)

    def _by_words(
        self, merchant: str, text: str, filters: SearchFilters | None, options: SearchOptions
    ) -> SearchAnswer:
        timings = Timings()
        searched = self._searched(merchant)
        model = searched.model
        with timings.stage("understand"):
            read = self._words.read(searched.merchant_id, text)
        ranked, filtered = in_taxonomy(read.understood.all_of, model.taxonomy)
        self._advice.check(searched.merchant_id, filters or SearchFilters())
        filters = with_words(filters or SearchFilters(), read.understood, filtered)
        search = search_filter(searched.merchant_id, filters)
        answer = self._in_pages(searched, self._said(searched, ranked, search, options), search, options, timings)
        return self._told(answer, searched, filters, None, read, options)

    def _by_products(
        self,
        merchant: str,
        examples: Examples,
        filters: SearchFilters | None,
        options: SearchOptions | None,
        changes: AttributeChanges | None,
        words: str | None,
    ) -> SearchAnswer:
        options = checked(options)
        timings = Timings()
        named = (*examples.like, *examples.unlike)
        searched, images = self._searched_with(merchant, named)
        wishes = self._wishes(searched, filters, changes, words, options, timings)
        stored = self._stored(searched, named, images, timings, with_said=bool(wishes.changes))
        query = _with_examples([], examples, stored, searched.model)
        return self._answered(searched, query, wishes, stored, options, timings)

    def _searched(self, merchant: str) -> SearchedGallery:
        with self._unit_of_work() as work:
            gallery = live_gallery(work, merchant)
        return SearchedGallery(gallery.merchant_id, gallery, self._models.describe(gallery.model_version))

    def _searched_with(
        self, merchant: str, external_ids: Sequence[str]
    ) -> tuple[SearchedGallery, Mapping[str, Sequence[tuple[int, int]]]]:
        """The gallery, and (image id, product id) of the products that are searched with, in one round trip."""
        if not external_ids:
            return self._searched(merchant), {}
        with self._unit_of_work() as work:
            gallery, images = live_gallery_with(work, merchant, external_ids)
        return SearchedGallery(gallery.merchant_id, gallery, self._models.describe(gallery.model_version)), images

    def _wishes(
        self,
        searched: SearchedGallery,
        filters: SearchFilters | None,
        changes: AttributeChanges | None,
        words: str | None,
        options: SearchOptions,
        timings: Timings,
    ) -> _Wishes:
        """What hits shall have that what is searched with need not have; the words say more of the same."""
        filters, changes = filters or SearchFilters(), changes or AttributeChanges()
        self._advice.check(searched.merchant_id, filters, changes, searched.model.taxonomy)
        read = None
        if words is not None:
            with timings.stage("understand"):
                read = self._words.read(searched.merchant_id, words)
            filters, changes = with_words_to_change(filters, changes, read.understood)
        if not changes:
            return _Wishes(filters, changes, filters, changes, read)
        refuse_visual(options, "changed attributes")
        return _Wishes(*split_changes(filters, changes, searched.model.taxonomy), filters, changes, read)

    def _answered(
        self,
        searched: SearchedGallery,
        query: QueryVectors,
        wishes: _Wishes,
        stored: Mapping[str, _StoredProduct],
        options: SearchOptions,
        timings: Timings,
    ) -> SearchAnswer:
        search = search_filter(searched.merchant_id, wishes.filters, _product_ids(stored))
        answer = self._answer(searched, query, wishes.changes, search, options, timings)
        return self._told(answer, searched, wishes.asked_filters, wishes.asked_changes, wishes.read, options)

    def _told(
        self,
        answer: SearchAnswer,
        searched: SearchedGallery,
        filters: SearchFilters,
        changes: AttributeChanges | None,
        read: ReadWords | None,
        options: SearchOptions,
    ) -> SearchAnswer:
        """The answer with what to know of the filters, and of the words."""
        is_empty = not answer.hits and not options.page
        notes = self._advice.notes(searched.merchant_id, filters, changes, searched.model.taxonomy, is_empty=is_empty)
        if read is None:
            return replace(answer, notes=notes)
        return replace(answer, understood=read.understood, notes=(*compared_prices(filters, read.currencies), *notes))

    def _stored(
        self,
        searched: SearchedGallery,
        external_ids: Sequence[str],
        images: Mapping[str, Sequence[tuple[int, int]]],
        timings: Timings,
        *,
        with_said: bool = False,
    ) -> dict[str, _StoredProduct]:
        """What the gallery holds of products' main images, by the merchant's ids.

        Args:
            with_said: Whether with what their feeds say.
        """
        if not external_ids:
            return {}
        visual = searched.model.visual_feature
        with timings.stage("stored"):
            # All images are asked for, because the main one may wait for being indexed.
            ids = [image_id for of_product in images.values() for image_id, _ in of_product]
            points = {
                point.id: point
                for point in self._index.retrieve(
                    searched.gallery.collection, ids, (visual, HIST), with_payload=with_said
                )
            }
        stored: dict[str, _StoredProduct] = {}
        for external_id in external_ids:
            main = next((pair for pair in images.get(external_id, ()) if pair[0] in points), None)
            if main is None:
                raise ProductNotFound(
                    "None of the product's images is indexed yet"
                    if external_id in images
                    else "No such product in the gallery",
                    received=external_id,
                    expected="the id of an indexed product",
                    remedy="look the id up in the feed; `drape status` tells what waits to be indexed",
                )
            point = points[main[0]]
            said = told_attributes(point.payload) if with_said else ()
            query = QueryVectors(point.vectors[visual], point.vectors[HIST][:-1], said)
            stored[external_id] = _StoredProduct(main[1], query)
        return stored

    def _answer(
        self,
        searched: SearchedGallery,
        query: QueryVectors,
        changes: AttributeChanges | None,
        search: Filter,
        options: SearchOptions,
        timings: Timings,
    ) -> SearchAnswer:
        ranked = self._ranked(searched, query, changes, search, options)
        return self._in_pages(searched, ranked, search, options, timings)

    def _in_pages(
        self,
        searched: SearchedGallery,
        ranked: RankedSearch,
        search: Filter,
        options: SearchOptions,
        timings: Timings,
    ) -> SearchAnswer:
        """The page of a ranking, reordered where that is asked for."""
        shown = self._pages.shown(searched.merchant_id)
        if options.reordered_by:
            ranked = ReorderedSearch(ranked, self._index, searched.gallery.collection, shown, options)
        return self._pages.answer(searched, ranked, search, options, timings, shown)

    def _ranked(
        self,
        searched: SearchedGallery,
        query: QueryVectors,
        changes: AttributeChanges | None,
        search: Filter,
        options: SearchOptions,
    ) -> RankedSearch:
        """The ranking that the mode and the changes ask for."""
        model, collection = searched.model, searched.gallery.collection
        if changes:
            vocabulary, normalization = fashion_vocabulary(), model.prob_normalization
            changed = ChangedQuery(
                query.visual, query.prob, changes, model.taxonomy, vocabulary, normalization, query.said
            )
            return ChangedSearch(self._index, collection, model, changed, search, options)
        return ranked_search(self._index, collection, model, query, search, options)

    def _said(
        self, searched: SearchedGallery, names: Sequence[str], search: Filter, options: SearchOptions
    ) -> RankedSearch:
        """The ranking of words: by feeds and network among candidates, by the network where everything is compared.

        Args:
            names: What is asked for and in the model's taxonomy.
        """
        model, collection = searched.model, searched.gallery.collection
        if names and options.mode == SearchMode.RERANK:
            asked = WordsQuery(names, model.taxonomy, fashion_vocabulary(), model.prob_normalization)
            return ChangedSearch(self._index, collection, model, asked, search, options)
        prob = prob_of(names, model.taxonomy, model.prob_normalization)
        query = QueryVectors(np.zeros(model.feature_sizes[model.visual_feature], dtype=np.float32), prob)
        return ranked_search(self._index, collection, model, query, search, options)


def _with_examples(
    photos: Sequence[QueryVectors], examples: Examples, stored: Mapping[str, _StoredProduct], model: ModelDescription
) -> QueryVectors:
    return query_of_examples(
        [*photos, *(stored[name].query for name in examples.like)],
        [stored[name].query for name in examples.unlike],
        model.prob_normalization,
    )


def _product_ids(stored: Mapping[str, _StoredProduct]) -> tuple[int, ...]:
    return tuple(product.product_id for product in stored.values())
