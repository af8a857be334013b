"""What the endpoints work with, made once for each application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request

from catalog.bootstrap import Application
from catalog.ports.remote_files import RemoteFiles
from catalog.services.browsing.attribute_choices import AttributeChoices
from catalog.services.browsing.facets import FacetService
from catalog.services.browsing.product_browsing import ProductBrowsing
from catalog.services.browsing.product_removal import ProductRemoval
from catalog.services.browsing.shown_images import ShownImages
from catalog.services.ingesting.feed_submissions import FeedSubmissionService
from catalog.services.jobs import JobService
from catalog.services.photo_queries.tagging import TaggingService
from catalog.services.readiness import ReadinessService
from catalog.services.searching.search import SearchService
from catalog.services.webhooks import WebhookService
from catalog.storefront.authentication import require, require_for_photos
from catalog.storefront.calls import FETCH_THREADS, MOST_PHOTO_BYTES, PHOTO_THREADS, UPLOAD_THREADS, Calls
from catalog.storefront.metrics import StorefrontMetrics
from catalog.storefront.turns import UploadTurns
from catalog.types import Caller, Scope


@dataclass(frozen=True, slots=True)
class StorefrontParts:
    """The services, and the threads that their calls run in.

    Args:
        calls: For calls that compute, or ask PostgreSQL and the index.
        photos: For those that wait for the query network, too; where that has failed, the others are answered as ever.
        fetches: For calls that wait for other people's servers.
        uploads: For calls that write what may be large.
    """

    search: SearchService
    tagging: TaggingService
    facets: FacetService
    attributes: AttributeChoices
    browsing: ProductBrowsing
    removal: ProductRemoval
    images: ShownImages
    jobs: JobService
    submissions: FeedSubmissionService
    webhooks: WebhookService
    readiness: ReadinessService
    remote_files: RemoteFiles
    max_image_bytes: int
    max_feed_bytes: int
    calls: Calls
    photos: Calls
    fetches: Calls
    uploads: Calls
    upload_turns: UploadTurns
    metrics: StorefrontMetrics

    @classmethod
    def of(cls, application: Application, metrics: StorefrontMetrics) -> StorefrontParts:
        """Those of an application, all made now: threads that ask for one at the same time might make it twice."""
        return cls(
            application.search,
            application.tagging,
            application.facets,
            application.attribute_choices,
            application.product_browsing,
            application.product_removal,
            application.shown_images,
            application.jobs,
            application.feed_submissions,
            application.webhooks,
            application.readiness,
            application.remote_files,
            application.settings.max_image_bytes,
            application.settings.max_feed_bytes,
            Calls("calls"),
            Calls("photos", PHOTO_THREADS, most_bytes=MOST_PHOTO_BYTES),
            Calls("fetches", FETCH_THREADS),
            Calls("uploads", UPLOAD_THREADS),
            UploadTurns(),
            metrics,
        )

    def close(self) -> None:
        """Wait for what runs. The services stay the application's to close."""
        self.calls.close()
        self.photos.close()
        self.fetches.close()
        self.uploads.close()


async def _parts(request: Request) -> StorefrontParts:
    parts: StorefrontParts = request.app.state.parts
    return parts


Parts = Annotated[StorefrontParts, Depends(_parts)]
"""A parameter of endpoints."""

may_search: Final = require(Scope.SEARCH)

Searcher = Annotated[Caller, Depends(may_search)]
"""A parameter of endpoints: who asks, where their key is for searching. The merchant comes from here alone."""

Ingester = Annotated[Caller, Depends(require(Scope.INGEST))]
"""The same of a key for changing the catalog."""

may_see_photos: Final = require_for_photos()

PhotoViewer = Annotated[Caller, Depends(may_see_photos)]
"""The same of photos, whose address may have a public key in it."""
