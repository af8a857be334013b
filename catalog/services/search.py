"""Which items look like this one, and why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from catalog.attributes.mentions import fashion_reader
from catalog.attributes.vocabulary import fashion_vocabulary
from catalog.errors import GalleryNotFound, InvalidRequest, ProductNotFound
from catalog.ports.models import ModelDescription, Models
from catalog.ports.vector_index import Filter, VectorIndex
from catalog.services.attribute_queries import ChangedQuery, in_taxonomy, prob_of
from catalog.services.changed_ranking import ChangedSearch
from catalog.services.gallery_layout import HIST, PROB, search_filter
from catalog.services.query_embedding import QueryEmbedding
from catalog.services.query_vectors import QueryVectors
from catalog.services.query_words import understand
from catalog.services.ranked_search import RankedSearch
from catalog.services.ranking import ranked_search
from catalog.services.requested_attributes import split_changes, with_words
from catalog.services.search_limits import checked, refuse_visual
from catalog.services.search_pages import SearchedGallery, SearchPages
from catalog.services.search_timings import Timings
from catalog.types import AttributeChanges, SearchAnswer, SearchFilters, SearchOptions
from catalog.unit_of_work import UnitOfWorkFactory
from embeddings.crop_box import CropBox


class SearchService:
    """Answers searches in the merchant's live gallery."""

    def __init__(
        self, unit_of_work: UnitOfWorkFactory, index: VectorIndex, models: Models, queries: QueryEmbedding
    ) -> None:
        self._unit_of_work = unit_of_work
        self._index = index
        self._models = models
        self._queries = queries
        self._pages = SearchPages(unit_of_work, index)

    def load(self) -> None:
        """Make the networks of all live galleries ready, so that no query has to wait for that."""
        with self._unit_of_work() as work:
            versions = list(work.galleries.live_versions())
        for version in versions:
            self._queries.load(version)

    def by_image(
        self,
        merchant: str,
        image: bytes,
        filters: SearchFilters | None = None,
        options: SearchOptions | None = None,
        crop: CropBox | None = None,
        changes: AttributeChanges | None = None,
    ) -> SearchAnswer:
        """Items that look like a photo, or as it would with other attributes.

        Raises:
            MerchantNotFound, GalleryNotFound: there is nothing to search.
            embeddings.errors.UnusableImage: the photo cannot be decoded.
            InvalidRequest: the options, filters or changes have no meaning.
        """
        options = checked(options)
        timings = Timings()
        searched = self._searched(merchant)
        model = searched.model
        filters, changes = _with_changes(filters or SearchFilters(), changes, model, options)
        search = search_filter(searched.merchant_id, filters)
        embedded = self._queries.embed(image, searched.gallery.model_version, crop)
        timings.add(embedded.timings_ms)
        query = QueryVectors(embedded.features[model.visual_feature], embedded.features[PROB])
        return self._answer(searched, query, changes, search, options, timings)

    def by_product(
        self,
        merchant: str,
        external_id: str,
        filters: SearchFilters | None = None,
        options: SearchOptions | None = None,
        changes: AttributeChanges | None = None,
    ) -> SearchAnswer:
        """Other items that look like a product's main image, or as it would with other attributes. Runs no network.

        Raises:
            ProductNotFound: no such product, or none of its images is indexed.
            InvalidRequest: the options, filters or changes have no meaning.
        """
        options = checked(options)
        timings = Timings()
        searched = self._searched(merchant)
        model = searched.model
        with timings.stage("stored"):
            query, product_id = self._stored(searched, external_id)
        filters, changes = _with_changes(filters or SearchFilters(), changes, model, options)
        search = search_filter(searched.merchant_id, filters, not_product=product_id)
        return self._answer(searched, query, changes, search, options, timings)

    def by_words(
        self,
        merchant: str,
        text: str,
        filters: SearchFilters | None = None,
        options: SearchOptions | None = None,
    ) -> SearchAnswer:
        """Items that are as words say: "red lace maxi dress under 50 €, without floral". Runs no network.

        Attributes that the gallery's model knows rank; the others, the category, prices and what is ruled out, filter.
        The answer tells what was understood.

        Raises:
            MerchantNotFound, GalleryNotFound: there is nothing to search.
            InvalidRequest: nothing was understood; or the options or filters have no meaning.
        """
        options = checked(options)
        refuse_visual(options, "words")
        timings = Timings()
        searched = self._searched(merchant)
        model = searched.model
        with timings.stage("understand"):
            with self._unit_of_work() as work:
                categories = work.facets.categories(searched.merchant_id)
                currencies = work.facets.currencies(searched.merchant_id)
            currency = currencies[0] if len(currencies) == 1 else None
            understood = understand(text, fashion_reader(), categories, currency)
        if not understood.asks_for_something:
            raise InvalidRequest(
                "Nothing in these words can be searched for",
                received=text,
                expected="attributes, categories or prices, such as: red lace maxi dress under 50 EUR",
                remedy="use words of the catalog's attributes and categories, or search by a photo",
            )
        ranked, filtered = in_taxonomy(understood.all_of, model.taxonomy)
        search = search_filter(searched.merchant_id, with_words(filters or SearchFilters(), understood, filtered))
        prob = prob_of(ranked, model.taxonomy, model.prob_normalization)
        query = QueryVectors(np.zeros(model.feature_sizes[model.visual_feature], dtype=np.float32), prob)
        answer = self._answer(searched, query, None, search, options, timings)
        return replace(answer, understood=understood)

    def _searched(self, merchant: str) -> SearchedGallery:
        with self._unit_of_work() as work:
            merchant_id = work.merchants.id_of(merchant)
            gallery = work.galleries.live(merchant_id)
        if gallery is None:
            raise GalleryNotFound(
                "Nothing of this merchant is searchable yet",
                received=merchant,
                expected="a merchant with a live gallery",
                remedy=f"drape ingest FEED --merchant {merchant}",
            )
        return SearchedGallery(merchant_id, gallery, self._models.describe(gallery.model_version))

    def _stored(self, searched: SearchedGallery, external_id: str) -> tuple[QueryVectors, int]:
        visual = searched.model.visual_feature
        with self._unit_of_work() as work:
            product_of = dict(work.products.indexable_images_of(searched.merchant_id, external_id))
        points = self._index.retrieve(searched.gallery.collection, list(product_of), (visual, HIST))
        if not points:
            raise ProductNotFound(
                "No such product in the gallery" if not product_of else "None of the product's images is indexed yet",
                received=external_id,
                expected="the id of an indexed product",
                remedy="look the id up in the feed; `drape status` tells what waits to be indexed",
            )
        main = points[0]
        return QueryVectors(main.vectors[visual], main.vectors[HIST][:-1]), product_of[main.id]

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
        return self._pages.answer(searched, ranked, options, timings)

    def _ranked(
        self,
        searched: SearchedGallery,
        query: QueryVectors,
        changes: AttributeChanges | None,
        search: Filter,
        options: SearchOptions,
    ) -> RankedSearch:
        """The ranking that the options ask for. What reorders it goes around it, here."""
        model, collection = searched.model, searched.gallery.collection
        if changes:
            changed = ChangedQuery(
                query.visual, query.prob, changes, model.taxonomy, fashion_vocabulary(), model.prob_normalization
            )
            return ChangedSearch(self._index, collection, model, changed, search, options)
        return ranked_search(self._index, collection, model, query, search, options)


def _with_changes(
    filters: SearchFilters, changes: AttributeChanges | None, model: ModelDescription, options: SearchOptions
) -> tuple[SearchFilters, AttributeChanges | None]:
    if not changes:
        return filters, None
    refuse_visual(options, "changed attributes")
    return split_changes(filters, changes, model.taxonomy)
