"""Galleries: the first one of a merchant, and a new one built beside the live one and switched to."""

from __future__ import annotations

from catalog.errors import GalleryNotFound
from catalog.ports.models import Models
from catalog.ports.vector_index import VectorIndex
from catalog.repositories.galleries import Gallery
from catalog.rows import GalleryState
from catalog.services.gallery_layout import collection_name, collection_spec
from catalog.unit_of_work import UnitOfWorkFactory


class GalleryService:
    """Makes galleries and decides which one is searched."""

    def __init__(self, unit_of_work: UnitOfWorkFactory, index: VectorIndex, models: Models) -> None:
        self._unit_of_work = unit_of_work
        self._index = index
        self._models = models

    def ensure_live(self, merchant_id: int, version: str) -> Gallery:
        """The merchant's live gallery; where there is none, an empty one of this model version."""
        with self._unit_of_work() as work:
            live = work.galleries.live(merchant_id)
        if live is not None:
            return live
        return self._make(merchant_id, version, GalleryState.LIVE)

    def build_beside(self, merchant_id: int, version: str) -> Gallery:
        """A gallery of this model version beside the live one, with every image of the merchant marked for it.

        The indexer feeds both until ``switch``. A version that is live already is returned as it is, nothing marked.
        """
        with self._unit_of_work() as work:
            live = work.galleries.live(merchant_id)
        name = self._models.describe(version).version
        if live is not None and live.model_version == name:
            return live
        gallery = self._make(merchant_id, version, GalleryState.BUILDING)
        with self._unit_of_work() as work:
            work.outbox.mark_merchant(merchant_id)
            work.commit()
        return gallery

    def switch(self, merchant_id: int, gallery: Gallery) -> None:
        """Search this gallery from now on, in one atomic step. The one that was live is kept.

        Raises:
            GalleryNotFound: the gallery does not hold every image of the merchant yet.
        """
        with self._unit_of_work() as work:
            work.merchants.lock(merchant_id)
            ready, _ = work.images.counts(merchant_id)
            indexed = work.galleries.count_indexed(gallery.id)
            if indexed < ready:
                raise GalleryNotFound(
                    f"The gallery of {gallery.model_version} is not complete, so searches stay where they are",
                    received=f"{indexed} images indexed",
                    expected=f"all {ready} images that can be indexed",
                    remedy="run the same command again; it continues where it stopped",
                )
            work.galleries.switch(merchant_id, gallery.id)
            work.commit()

    def _make(self, merchant_id: int, version: str, state: GalleryState) -> Gallery:
        model = self._models.describe(version)
        collection = collection_name(model.version)
        self._index.create_collection(collection, collection_spec(model))
        with self._unit_of_work() as work:
            work.merchants.lock(merchant_id)
            version_id = work.galleries.ensure_model_version(model.version, model.manifest)
            work.galleries.ensure(merchant_id, version_id, collection, state)
            made = next(one for one in work.galleries.of_merchant(merchant_id) if one.model_version == model.version)
            work.commit()
        return made
