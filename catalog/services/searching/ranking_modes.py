"""Which ranking a mode means."""

from __future__ import annotations

from dataclasses import replace

from catalog.ports.models import ModelDescription
from catalog.ports.vector_index import Filter, VectorIndex
from catalog.services.searching.direct_search import DirectSearch, UnrankedSearch
from catalog.services.searching.fused_ranking import FusedSearch
from catalog.services.searching.query_vectors import QueryVectors
from catalog.services.searching.ranked_search import RankedSearch
from catalog.types import SearchMode, SearchOptions


def ranked_search(
    index: VectorIndex,
    collection: str,
    model: ModelDescription,
    query: QueryVectors,
    search: Filter,
    options: SearchOptions,
) -> RankedSearch:
    """The search of the options' mode."""
    looks, attributes = query.visual.any(), query.prob.any()
    if options.mode == SearchMode.FUSED and looks and attributes:
        return FusedSearch(index, collection, model, query, search, options)
    if options.mode == SearchMode.FUSED:
        # Words have no looks, so there is one side alone to rank by.
        options = replace(options, mode=SearchMode.VISUAL if looks else SearchMode.NATIVE)
    # What has no attributes has no direction either, and ranks nothing.
    if options.mode != SearchMode.VISUAL and not attributes:
        return UnrankedSearch(index, collection, query.prob, search, options)
    return DirectSearch(index, collection, model, query, search, options)
