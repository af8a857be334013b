"""``DELETE /v1/products/{id}``: a product is gone at once, of its own merchant alone, and can be put back."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from catalog.bootstrap import Application
from catalog.errors import JobNotFound, NothingToUndo
from catalog.services.ingesting.feed_history import FeedRun, Undone
from catalog.services.ingesting.ingest import IngestRequest
from catalog.types import JobState, Scope
from tests.integration.services.conftest import picture
from tests.integration.storefront.conftest import Client, ids, refused


@pytest.fixture
def owner(application, shop, tmp_path) -> Client:
    """A client that may search and change the catalog of a merchant of its own, with three products."""
    name = tmp_path.name
    _take(application, tmp_path, name, {"P1": ["red"], "P2": ["red", "blue"], "P 3/b": ["green"]})
    key = application.api_keys.create(name, "owner", [Scope.SEARCH, Scope.INGEST])
    return Client(shop.app, key.secret)


def _take(application: Application, folder, merchant: str, products, **options) -> int:
    """Ingest and index the products; the ingest's number."""
    lines = []
    for number, (product, bands) in enumerate(products.items()):
        (folder / f"{number}.png").write_bytes(picture(*bands))
        lines.append(json.dumps({"id": product, "title": f"Item {product}", "image": f"{number}.png"}) + "\n")
    (folder / "feed.jsonl").write_text("".join(lines))
    request = IngestRequest(folder / "feed.jsonl", merchant, "colors-1", **options)
    summary = application.ingest.run(request, lambda error: pytest.fail(str(error)))
    application.indexing.run(summary.merchant_id)
    return summary.job_id


def _delete(client: Client, product: str) -> int:
    return client.ask("DELETE", f"/v1/products/{product}").status_code


def _merchant_id(application, merchant: str) -> int:
    with application.unit_of_work() as work:
        return work.merchants.id_of(merchant)


def _removals(application, merchant: str) -> FeedRun:
    """The latest run of them."""
    return next(run for run in application.feed_history.runs(merchant) if run.job.kind == "removal")


def test_a_removed_product_is_gone_before_the_index_has_followed(application, owner, tmp_path):
    image = owner.get("/v1/products/P2").json()["images"][0]
    assert ids(owner.upload(picture("red"))) == ["P1", "P2", "P 3/b"]
    removed = owner.ask("DELETE", "/v1/products/P2")
    assert (removed.status_code, removed.content) == (204, b"")
    # Nothing was indexed since.
    with application.unit_of_work() as work:
        backlog = work.outbox.backlog(_merchant_id(application, tmp_path.name))
    assert backlog.waiting == 1
    for mode in ("visual", "rerank", "native"):
        assert ids(owner.upload(picture("red"), {"mode": mode})) == ["P1", "P 3/b"]
    assert ids(owner.get("/v1/products/P1/similar")) == ["P 3/b"]
    refused(owner.get("/v1/products/P2/similar"), 404, "product_not_found")
    refused(owner.post("/v1/search", json={"product_id": "P2"}), 404, "product_not_found")
    refused(owner.get("/v1/products/P2"), 404, "product_not_found")
    refused(owner.get(image["url"]), 404, "image_not_found")
    assert owner.get("/v1/facets").json()["num_products"] == owner.get("/v1/products").json()["total"] == 2
    # Whoever indexes deletes its point.
    assert application.indexing.run(_merchant_id(application, tmp_path.name)).removed == 1
    assert ids(owner.upload(picture("red"))) == ["P1", "P 3/b"]


def test_a_second_time_it_is_not_found(owner):
    assert [_delete(owner, "P1"), _delete(owner, "P1")] == [204, 404]
    assert _delete(owner, "never-was") == 404


def test_of_many_at_once_one_removes_it(application, owner, tmp_path):
    with ThreadPoolExecutor(4) as threads:
        statuses = list(threads.map(lambda _: _delete(owner, "P1"), range(8)))
    assert sorted(statuses) == [204] + [404] * 7
    assert _removals(application, tmp_path.name).job.counts == {"products_removed": 1}


def test_an_id_may_hold_spaces_and_slashes(owner):
    assert _delete(owner, "P%203/b") == 204
    assert ids(owner.upload(picture("red"))) == ["P1", "P2"]


def test_only_keys_that_may_ingest_remove(application, owner, tmp_path):
    for scopes in ([Scope.SEARCH], [Scope.ADMIN], [Scope.SEARCH, Scope.ADMIN]):
        key = application.api_keys.create(tmp_path.name, "other", scopes).secret
        refused(Client(owner.app, key).ask("DELETE", "/v1/products/P1"), 403, "scope_missing")
    refused(owner.ask("DELETE", "/v1/products/P1", headers={}), 401, "key_refused")
    assert owner.get("/v1/products/P1").status_code == 200


def test_another_merchants_products_stay(application, owner, shop, rival):
    ingesting = application.api_keys.create("rival", "owner", [Scope.INGEST, Scope.ADMIN]).secret
    attacker = Client(owner.app, ingesting)
    for product in ("P1", "red-dress", "half/half"):
        facts = refused(attacker.ask("DELETE", f"/v1/products/{product}"), 404, "product_not_found")
        assert facts["received"] == product
    refused(attacker.ask("DELETE", "/v1/products/P1", params={"merchant": "atelier"}), 422, "invalid_request")
    assert owner.get("/v1/products").json()["total"] == 3
    assert shop.get("/v1/products").json()["total"] == 4
    assert _delete(owner, "theirs") == 404
    assert rival.get("/v1/products/theirs").status_code == 200


def test_removals_of_a_day_are_one_run_that_can_be_undone(application, owner, tmp_path):
    (ingest,) = application.feed_history.runs(tmp_path.name)
    assert [_delete(owner, product) for product in ("P1", "P2")] == [204, 204]
    run = _removals(application, tmp_path.name)
    assert (run.job.kind, run.job.state, run.job.counts) == ("removal", JobState.DONE, {"products_removed": 2})
    assert run.job.finished_at is not None
    assert (run.undone, run.num_changes) == (Undone.NO, 2)
    changes = list(application.feed_history.changes(run.job.id))
    assert [(change.external_id, change.kind, change.title) for change in changes] == [
        ("P1", "removed", "Item P1"),
        ("P2", "removed", "Item P2"),
    ]
    # They do not stand in the way of undoing the ingest before them.
    assert application.feed_undo.run_to_undo(tmp_path.name).id == ingest.job.id

    undone = application.feed_undo.run(tmp_path.name, job_id=run.job.id)
    assert (undone.restored, undone.num_kept) == (2, 0)
    assert application.feed_history.run(tmp_path.name, run.job.id).undone is Undone.YES
    application.indexing.run(_merchant_id(application, tmp_path.name))
    assert ids(owner.upload(picture("red"))) == ["P1", "P2", "P 3/b"]
    with pytest.raises(NothingToUndo):
        application.feed_undo.run(tmp_path.name, job_id=run.job.id)

    # What is removed after that is noted by itself.
    assert _delete(owner, "P1") == 204
    later = _removals(application, tmp_path.name)
    assert later.job.id not in (run.job.id, ingest.job.id)
    assert (later.undone, later.num_changes) == (Undone.NO, 1)


def test_a_product_that_came_back_stays_as_it_came(application, owner, tmp_path):
    _delete(owner, "P1")
    run = _removals(application, tmp_path.name).job.id
    _take(application, tmp_path, tmp_path.name, {"P1": ["blue"]})
    undone = application.feed_undo.run(tmp_path.name, job_id=run)
    assert (undone.restored, undone.kept) == (0, ("P1",))


def test_a_product_removed_twice_a_day_returns_as_it_was_last(application, owner, tmp_path):
    _delete(owner, "P1")
    _take(application, tmp_path, tmp_path.name, {"P1": ["blue"]})
    _delete(owner, "P1")
    run = _removals(application, tmp_path.name)
    assert (run.job.counts, run.num_changes) == ({"products_removed": 2}, 1)
    assert application.feed_undo.run(tmp_path.name, job_id=run.job.id).restored == 1
    application.indexing.run(_merchant_id(application, tmp_path.name))
    assert ids(owner.upload(picture("blue")))[0] == "P1"


def test_undoing_an_ingest_passes_over_what_was_removed_since(application, owner, tmp_path):
    ingest = _take(application, tmp_path, tmp_path.name, {"P4": ["white"], "P5": ["black"]})
    assert _delete(owner, "P4") == 204
    undone = application.feed_undo.run(tmp_path.name)
    assert (undone.undone_job_id, undone.removed, undone.kept) == (ingest, 1, ("P4",))
    assert owner.get("/v1/products").json()["total"] == 3


def test_removals_of_another_merchant_are_not_undone(application, owner, tmp_path):
    _delete(owner, "P1")
    run = _removals(application, tmp_path.name).job.id
    with pytest.raises(NothingToUndo):
        application.feed_undo.run("rival", job_id=run)
    with pytest.raises(JobNotFound):
        application.feed_history.run("rival", run)
