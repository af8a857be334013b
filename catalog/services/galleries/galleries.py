"""Galleries: the first one of a merchant, and a new one built beside the live one and switched to."""

from __future__ import annotations

from dataclasses import replace

from catalog.errors import GalleryNotFound
from catalog.ports.models import ModelDescription, Models
from catalog.ports.vector_index import VectorIndex
from catalog.repositories.galleries import Gallery
from catalog.rows import GalleryState
from catalog.services.galleries.gallery_layout import collection_name, collection_spec
from catalog.unit_of_work import UnitOfWork, UnitOfWorkFactory
from embeddings.manifest import Precision


class GalleryService:
    """Makes galleries and decides which one is searched.

    Args:
        index: None where another process owns it. The indexer makes the collections that it finds missing.
        precision: What new galleries compute in, where the model version is asked for without one; None is the
            version's own. Galleries that exist keep theirs.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWorkFactory,
        index: VectorIndex | None,
        models: Models,
        precision: Precision | None = None,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._index = index
        self._models = models
        self._precision = precision

    def describe(self, version: str) -> ModelDescription:
        """The model version that a new gallery would have.

        Raises:
            embeddings.errors.UnusableModel: no such version, or it is not found by its own name (a path outside of the
                model store), so that a gallery could not be searched later.
        """
        is_precise = any(version.endswith(f".{precision}") for precision in Precision)
        asked = version if self._precision is None or is_precise else f"{version}.{self._precision}"
        return self._models.describe(self._models.describe(asked).version)

    def ensure_live(self, merchant_id: int, version: str) -> Gallery:
        """The merchant's live gallery; where there is none, an empty one of this model version."""
        with self._unit_of_work() as work:
            live = work.galleries.live(merchant_id)
        if live is not None:
            return live
        return self._make(merchant_id, version, GalleryState.LIVE)

    def build_beside(self, merchant_id: int, version: str, per_second: float | None = None) -> Gallery:
        """A gallery of this model version beside the live one, with every image marked that it does not hold yet.

        A retired gallery is brought up to date: what it holds of images that are gone is marked as well.

        The indexer feeds both until ``switch``. A version that is live already is returned as it is, nothing marked.

        Args:
            per_second: So many of those marks become due in a second; None is all at once.
        """
        with self._unit_of_work() as work:
            live = work.galleries.live(merchant_id)
        name = self.describe(version).version
        if live is not None and live.model_version == name:
            return live
        gallery = self._make(merchant_id, version, GalleryState.BUILDING)
        return self.catch_up(gallery, per_second)

    def catch_up(self, gallery: Gallery, per_second: float | None = None) -> Gallery:
        """Have the indexer feed a gallery that is not live, beginning with what it has missed, until ``switch``."""
        with self._unit_of_work() as work:
            work.merchants.lock(gallery.merchant_id)
            work.galleries.feed(gallery.id)
            work.outbox.mark_behind(gallery.merchant_id, gallery.id, per_second)
            work.outbox.mark_leftovers(gallery.id)
            work.commit()
        return replace(gallery, state=GalleryState.BUILDING)

    def leave(self, gallery: Gallery) -> None:
        """Have the indexer no longer feed a gallery that is not live. What it holds stays until it is pruned."""
        with self._unit_of_work() as work:
            work.merchants.lock(gallery.merchant_id)
            work.galleries.set_state([gallery.id], GalleryState.RETIRED)
            work.commit()

    def before(self, merchant_id: int) -> Gallery:
        """The gallery that searches went to before the live one.

        Raises:
            GalleryNotFound: there is none, or it is not known which of several it was.
        """
        with self._unit_of_work() as work:
            last = work.galleries.retired_last(merchant_id)
            galleries = work.galleries.of_merchant(merchant_id)
        if last is not None:
            return last
        retired = [one.model_version for one in galleries if one.state == GalleryState.RETIRED]
        if retired:
            raise GalleryNotFound(
                "It is not known which gallery was live before",
                received="retired galleries of " + ", ".join(retired),
                expected="a gallery whose retirement was noted",
                remedy="run `drape model activate VERSION` with the one to go back to",
            )
        raise GalleryNotFound(
            "There is no gallery to go back to",
            received="galleries of " + (", ".join(f"{one.model_version} ({one.state})" for one in galleries) or "none"),
            expected="a gallery that was live before, and was not dropped",
            remedy="run `drape reindex --model VERSION`, which builds one",
        )

    def go_back(self, gallery: Gallery) -> bool:
        """Search a gallery of before from now on, in one atomic step, if it has missed nothing; whether it was so."""
        with self._unit_of_work() as work:
            work.merchants.lock(gallery.merchant_id)
            if any(_behind(work, gallery)):
                return False
            work.galleries.switch(gallery.merchant_id, gallery.id)
            work.commit()
        return True

    def switch(self, merchant_id: int, gallery: Gallery) -> None:
        """Search this gallery from now on, in one atomic step. The one that was live is kept.

        Raises:
            GalleryNotFound: the gallery does not hold every image of the merchant yet.
        """
        with self._unit_of_work() as work:
            work.merchants.lock(merchant_id)
            missing = work.galleries.count_missing(gallery)
            if missing:
                raise GalleryNotFound(
                    f"The gallery of {gallery.model_version} is not complete, so searches stay where they are",
                    received=f"{missing} images that it does not hold as they are now",
                    expected="every image that can be indexed",
                    remedy="run the same command again; it continues where it stopped",
                )
            work.galleries.switch(merchant_id, gallery.id)
            work.commit()

    def activate(self, merchant_id: int, version: str) -> Gallery:
        """Search the gallery of this model version from now on: one that was built before, such as the retired one.

        Embeds nothing. A version that is live already stays so.

        Raises:
            embeddings.errors.UnusableModel: no such version.
            GalleryNotFound: there is no gallery of it, or it misses what changed since it was last searched.
        """
        name = self.describe(version).version
        with self._unit_of_work() as work:
            work.merchants.lock(merchant_id)
            galleries = work.galleries.of_merchant(merchant_id)
            gallery = next((one for one in galleries if one.model_version == name), None)
            live = next((one for one in galleries if one.state == GalleryState.LIVE), None)
            if gallery is None:
                raise GalleryNotFound(
                    f"No gallery of {name} has been built",
                    received="galleries of " + (", ".join(one.model_version for one in galleries) or "no version"),
                    expected=f"a gallery of {name} with every image",
                    remedy=f"run `drape reindex --model {name}`, which builds it and makes it live",
                )
            if live is not None and live.id != gallery.id:
                missing, differing = _behind(work, gallery)
                if missing or differing:
                    raise GalleryNotFound(
                        f"The gallery of {name} is not up to date, so searches stay where they are",
                        received=f"{missing} images that it does not hold as they are now, "
                        f"{differing} that differ from the gallery of {live.model_version}",
                        expected="every image as it is now, and no other",
                        remedy=f"run `drape reindex --model {name}`, which brings it up to date and makes it live",
                    )
                work.galleries.switch(merchant_id, gallery.id)
                work.commit()
        return replace(gallery, state=GalleryState.LIVE)

    def _make(self, merchant_id: int, version: str, state: GalleryState) -> Gallery:
        model = self.describe(version)
        collection = collection_name(model.version)
        # Before anything asks workers for vectors of it.
        self._models.share(model.version)
        # Held open until the row says that the collection is in use: otherwise it could be pruned before that.
        with self._unit_of_work() as guard:
            guard.galleries.lock_collection(collection)
            if self._index is not None:
                self._index.create_collection(collection, collection_spec(model))
            with self._unit_of_work() as work:
                work.merchants.lock(merchant_id)
                version_id = work.galleries.ensure_model_version(model.version, model.manifest)
                work.galleries.ensure(merchant_id, version_id, collection, state)
                galleries = work.galleries.of_merchant(merchant_id)
                made = next(one for one in galleries if one.model_version == model.version)
                work.commit()
        return made


def _behind(work: UnitOfWork, gallery: Gallery) -> tuple[int, int]:
    """Images that a gallery which may not be fed does not hold as they are now, and that differ from the live one's."""
    # First, for it waits for indexers that are finishing: what they note is counted below, and what they only have
    # begun is done once more for this gallery, if it is live by then.
    work.outbox.renew(gallery.merchant_id)
    live = work.galleries.live(gallery.merchant_id)
    # A retired gallery is not fed, so it may hold what has been removed since, or an old price.
    differing = 0 if live is None or live.id == gallery.id else work.galleries.count_differences(gallery, live)
    return work.galleries.count_missing(gallery), differing
