"""The API as methods: what is given is checked and sent, what comes is told in the API's own shapes."""

from __future__ import annotations

import datetime
import os
import random
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Final

import httpx

from catalog.api_schemas.attributes import AttributesAnswered
from catalog.api_schemas.facets import FacetsAnswered
from catalog.api_schemas.feeds import FeedByAddress, FeedTaking
from catalog.api_schemas.fields import Taken
from catalog.api_schemas.health import HealthAnswered, ReadyAnswered
from catalog.api_schemas.hits import SearchAnswered
from catalog.api_schemas.jobs import JobAnswered, JobsAnswered
from catalog.api_schemas.products import ListedProduct, ProductsAnswered, WholeProductAnswer
from catalog.api_schemas.query import Query
from catalog.api_schemas.tags import TagQuery, TagsAnswered
from catalog.api_schemas.webhooks import WebhookMade, WebhooksAnswered, WebhookTaken
from catalog.client.bodies import Answer, CropGiven, body, crop_of, json_of, parsed
from catalog.client.errors import JobNotDone
from catalog.client.exchange import Call, Exchange
from catalog.client.parameters import (
    BoostGiven,
    FiltersGiven,
    Parameters,
    boost_parameters,
    filter_parameters,
    parameters,
    path_segment,
)
from catalog.client.retries import Repeating, Retries
from catalog.client.uploads import Photo, opened
from catalog.retry_after import retry_after_seconds
from catalog.types import DialectName, JobState, ProductOrder, SearchMode, is_address

TIMEOUT_SECONDS: Final = 30.0
POLL_SECONDS: Final = 1.0
PAGE: Final = 100


class Client:
    """Asks a Drape server. It may be used by several threads, and is to be closed.

        with Client("http://localhost:8000", key="dk_…") as drape:
            for hit in drape.search(image="photo.jpg", filters={"all": ["color=red"]}).hits:
                print(hit.rank, hit.product.title, hit.why)

    What an argument means is told where the API tells it: in the shapes of ``catalog.api_schemas``, and at ``/docs``.
    What is not given is left to the server. Every method raises ``DrapeApiError``, whose subclasses say of what kind.

    Args:
        url: Where the server is, with the path that a proxy puts before its own.
        key: An API key; none is needed where the server runs with ``--open``.
        retries: How often to try again what failed for the moment.
        timeout: Seconds until the server has said, or taken, the next piece.
        transport: What carries requests, in place of connections: for tests, proxies, certificates.
        clock, sleep, jitter: Of ``Exchange``.

    Raises:
        ValueError: the address is none.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        retries: Retries | None = None,
        timeout: float = TIMEOUT_SECONDS,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if not is_address(url):
            raise ValueError(f"a client needs the address of a server, such as http://localhost:8000, received {url!r}")
        # Redirects are not followed: they might lead the key to somebody else.
        http = httpx.Client(
            base_url=url,
            headers={"Accept": "application/json"} | ({} if key is None else {"Authorization": f"Bearer {key}"}),
            transport=transport,
            follow_redirects=False,
        )
        self._exchange = Exchange(http, retries or Retries(), timeout, clock, sleep, jitter)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._exchange.http.close()

    def search(
        self,
        *,
        image: Photo | None = None,
        image_url: str | None = None,
        product_id: str | None = None,
        words: str | None = None,
        like: Sequence[str] | None = None,
        unlike: Sequence[str] | None = None,
        crop: CropGiven = None,
        but: Sequence[str] | None = None,
        without: Sequence[str] | None = None,
        filters: FiltersGiven = None,
        mode: SearchMode | str | None = None,
        exact: bool | None = None,
        limit: int | None = None,
        page: int | None = None,
        candidates: int | None = None,
        score_threshold: float | None = None,
        per_product: bool | None = None,
        diversity: float | None = None,
        boost: BoostGiven = None,
    ) -> SearchAnswered:
        """Items like a photo, a product or several, other than they are where that is asked for, or as words say.

        Raises:
            OSError: the photo's file cannot be read.
        """
        query = body(
            Query,
            image_url=image_url,
            product_id=product_id,
            words=words,
            like=like,
            unlike=unlike,
            crop=crop_of(crop),
            but=but,
            without=without,
            filters=filters,
            mode=mode,
            exact=exact,
            limit=limit,
            page=page,
            candidates=candidates,
            score_threshold=score_threshold,
            per_product=per_product,
            diversity=diversity,
            boost=boost,
        )
        return self._about_photo("/v1/search", image, query, SearchAnswered)

    def similar(
        self,
        product_id: str,
        *,
        filters: FiltersGiven = None,
        mode: SearchMode | str | None = None,
        exact: bool | None = None,
        limit: int | None = None,
        page: int | None = None,
        candidates: int | None = None,
        score_threshold: float | None = None,
        per_product: bool | None = None,
        diversity: float | None = None,
        boost: BoostGiven = None,
    ) -> SearchAnswered:
        """Other items that look like the product's main image."""
        asked = filter_parameters(filters) + boost_parameters(boost)
        asked += parameters(
            mode=mode,
            exact=exact,
            limit=limit,
            page=page,
            candidates=candidates,
            score_threshold=score_threshold,
            per_product=per_product,
            diversity=diversity,
        )
        return self._get(f"/v1/products/{path_segment(product_id)}/similar", SearchAnswered, asked)

    def tag(
        self,
        image: Photo | None = None,
        *,
        image_url: str | None = None,
        crop: CropGiven = None,
        top_k: int | None = None,
        min_confidence: float | None = None,
    ) -> TagsAnswered:
        """The attributes that a photo shows.

        Raises:
            OSError: the photo's file cannot be read.
        """
        query = body(TagQuery, image_url=image_url, crop=crop_of(crop), top_k=top_k, min_confidence=min_confidence)
        return self._about_photo("/v1/tag", image, query, TagsAnswered)

    def product(self, product_id: str) -> WholeProductAnswer:
        """A product with all its images, and how each of them stands."""
        return self._get(f"/v1/products/{path_segment(product_id)}", WholeProductAnswer)

    def products(
        self,
        *,
        filters: FiltersGiven = None,
        order: ProductOrder | str | None = None,
        page_size: int = PAGE,
    ) -> Iterator[ListedProduct]:
        """The catalog under filters, one product after the other, asked for page by page as it is read on."""
        after = None
        while True:
            page = self.products_page(filters=filters, order=order, limit=page_size, after=after)
            yield from page.items
            if page.next is None:
                return
            after = page.next

    def products_page(
        self,
        *,
        filters: FiltersGiven = None,
        order: ProductOrder | str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> ProductsAnswered:
        """One page of it, and after what the next one comes."""
        asked = filter_parameters(filters) + parameters(order=order, limit=limit, after=after)
        return self._get("/v1/products", ProductsAnswered, asked)

    def delete_product(self, product_id: str) -> None:
        """Take a product out of the catalog. Needs a key with the scope ingest."""
        self._exchange.send(Call("DELETE", f"/v1/products/{path_segment(product_id)}"))

    def photo(self, sha256: str, *, width: int | None = None) -> bytes:
        """The bytes of a photo of the catalog, by the hash that hits and products tell.

        Args:
            width: Of a JPEG that is no wider: 160, 320, 640 or 1280. None has the photo as it came.
        """
        call = Call("GET", f"/v1/images/{path_segment(sha256)}", parameters(width=width), headers={"Accept": "image/*"})
        return self._exchange.send(call).content

    def facets(self, *, filters: FiltersGiven = None, count_fields: Sequence[str] | None = None) -> FacetsAnswered:
        """How many products there are under the filters, and of what kind."""
        return self._get(
            "/v1/facets", FacetsAnswered, filter_parameters(filters) + parameters(count_fields=count_fields)
        )

    def attributes(
        self,
        *,
        q: str | None = None,
        group: str | None = None,
        filters: FiltersGiven = None,
        limit: int | None = None,
    ) -> AttributesAnswered:
        """Attributes to choose from: all of them, of one group, or what may be meant by a beginning (``q``).

        Of the latter ``matched`` is the word that it begins, where that is not the attribute's own.
        """
        return self._get(
            "/v1/attributes", AttributesAnswered, filter_parameters(filters) + parameters(q=q, group=group, limit=limit)
        )

    def send_feed(
        self,
        feed: str | os.PathLike[str],
        *,
        full_sync: bool | None = None,
        max_removal: float | None = None,
        attributes_as_given: bool | None = None,
        dialect: DialectName | str | None = None,
        currency: str | None = None,
        idempotency_key: str | None = None,
    ) -> JobAnswered:
        """Hand a feed over; the job that takes it is to be waited for with ``wait_for``. Needs the scope ingest.

        Args:
            feed: The path of a file, which is read while it goes out, or an http or https address that the server
                fetches.
            idempotency_key: Under which the same feed is handed over once. Each call has one of its own, so that its
                own attempts do no harm; name one where the call may come again itself.

        Raises:
            OSError: the file cannot be read.
        """
        headers = {"Idempotency-Key": str(uuid.uuid4()) if idempotency_key is None else idempotency_key}
        taking = {
            "full_sync": full_sync,
            "max_removal": max_removal,
            "attributes_as_given": attributes_as_given,
            "dialect": dialect,
            "currency": currency,
        }
        if isinstance(feed, str) and is_address(feed):
            json = json_of(body(FeedByAddress, url=feed, **taking))
            return self._send(Call("POST", "/v1/feeds", json=json, headers=headers), JobAnswered)
        options = {"options": json_of(body(FeedTaking, **taking))}
        with opened(feed) as part:
            call = Call("POST", "/v1/feeds", files={"feed": part}, fields=options, headers=headers)
            return self._send(call, JobAnswered)

    def jobs(self, *, limit: int | None = None, before: int | None = None) -> JobsAnswered:
        """The latest jobs, newest first. Needs the scope ingest or admin, as all that is about jobs."""
        return self._get("/v1/jobs", JobsAnswered, parameters(limit=limit, before=before))

    def job(self, job_id: int) -> JobAnswered:
        """How far a job is, and how it ended."""
        return self._get(f"/v1/jobs/{job_id}", JobAnswered)

    def cancel_job(self, job_id: int) -> JobAnswered:
        """Ask a job to end."""
        return self._send(Call("POST", f"/v1/jobs/{job_id}/cancel"), JobAnswered)

    def wait_for(
        self,
        job: JobAnswered | int,
        *,
        timeout: float = 3600.0,
        until_searchable: bool = False,
        on_progress: Callable[[JobAnswered], object] | None = None,
    ) -> JobAnswered:
        """The job once it is done, asked for as often as the server wants.

        Args:
            timeout: Seconds after which it is waited for no longer; it goes on.
            until_searchable: Wait for the catalog's images, too, until searches find what the job has taken.
            on_progress: Called with what each look has found.

        Raises:
            JobNotDone: it failed, was cancelled or interrupted, or is not done in time.
        """
        job_id = job if isinstance(job, int) else job.id
        ends_at = self._exchange.clock() + timeout
        while True:
            answer = self._exchange.send(Call("GET", f"/v1/jobs/{job_id}"))
            found = parsed(answer, JobAnswered)
            if on_progress is not None:
                on_progress(found)
            if found.finished_at is not None and found.state is not JobState.DONE:
                raise JobNotDone(
                    f"Job {job_id} has {'failed' if found.state is JobState.FAILED else f'been {found.state.value}'}",
                    found,
                    code=f"job_{found.state.value}",
                    received=found.error or found.state.value,
                    remedy="see its errors; then hand the feed over again",
                )
            if found.finished_at is not None and not (until_searchable and found.images_waiting):
                return found
            wait = _asked_to_wait(answer)
            if self._exchange.clock() + wait >= ends_at:
                images = f", {found.images_waiting} images wait" if found.images_waiting else ""
                raise JobNotDone(
                    f"Job {job_id} is not done after {timeout:g} s",
                    found,
                    code="job_not_done",
                    received=f"the state {found.state.value}{images}",
                    remedy="wait longer; the job goes on",
                )
            self._exchange.sleep(wait)

    def webhooks(self) -> WebhooksAnswered:
        """The addresses that are told when a job has ended. Needs the scope admin, as all that is about webhooks."""
        return self._get("/v1/webhooks", WebhooksAnswered)

    def add_webhook(self, url: str) -> WebhookMade:
        """Have an address told, with a secret for ``verify_webhook`` that is shown this once.

        Because of that it is not tried again where a first attempt may have arrived."""
        json = json_of(body(WebhookTaken, url=url))
        return self._send(Call("POST", "/v1/webhooks", json=json, repeating=Repeating.UNDONE), WebhookMade)

    def remove_webhook(self, webhook_id: int) -> None:
        """Have an address told no more."""
        self._exchange.send(Call("DELETE", f"/v1/webhooks/{webhook_id}"))

    def health(self) -> HealthAnswered:
        """Whether the server answers."""
        return self._get("/healthz", HealthAnswered)

    def ready(self) -> ReadyAnswered:
        """Whether it can answer searches, and if not, what is down."""
        return self._send(Call("GET", "/readyz", accepted=frozenset({503})), ReadyAnswered)

    def metrics(self) -> str:
        """What Prometheus reads."""
        return self._exchange.send(Call("GET", "/metrics", headers={"Accept": "text/plain"})).text

    def _about_photo(self, path: str, photo: Photo | None, query: Taken, shape: type[Answer]) -> Answer:
        if photo is None:
            return self._send(Call("POST", path, json=json_of(query)), shape)
        with opened(photo) as part:
            return self._send(Call("POST", path, files={"image": part}, fields={"query": json_of(query)}), shape)

    def _get(self, path: str, shape: type[Answer], asked: Parameters | None = None) -> Answer:
        return self._send(Call("GET", path, asked or ()), shape)

    def _send(self, call: Call, shape: type[Answer]) -> Answer:
        return parsed(self._exchange.send(call), shape)


def _asked_to_wait(response: httpx.Response) -> float:
    asked = retry_after_seconds(response.headers.get("Retry-After"), datetime.datetime.now(datetime.UTC))
    return POLL_SECONDS if asked is None else max(asked, POLL_SECONDS / 10)
