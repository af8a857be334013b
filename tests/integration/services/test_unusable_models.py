"""A model version that cannot be used here keeps its own images waiting, and nobody else's."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from catalog.services.indexing.indexing import MODEL_RETRY
from embeddings.errors import UnusableModel


class ModelsWithout:
    """Passes everything on but the network of one version."""

    def __init__(self, models, version: str) -> None:
        self._models = models
        self.version = version

    def embedder(self, version: str):
        if version == self.version:
            raise UnusableModel("there is no model version of that name", received=version)
        return self._models.embedder(version)

    def __getattr__(self, name):
        return getattr(self._models, name)


def _rows(shop, number: int):
    return [{"id": f"P{at}", "title": "Item", "image": shop.photo(f"{at}.png", "red", "blue")} for at in range(number)]


def _let_time_pass(shop) -> None:
    with shop.engine.begin() as connection:
        connection.execute(text("UPDATE outbox SET available_at = now()"))


def test_the_live_gallery_is_fed_while_a_new_one_waits_for_its_model(shop):
    summary = shop.ingest(_rows(shop, 6))
    shop.galleries.build_beside(summary.merchant_id, "colors-2")
    whole = shop.models
    shop.models = ModelsWithout(whole, "colors-2")

    for _ in range(8):
        ran = shop.indexing.run(leave_unusable=True)
        assert (ran.postponed, ran.quarantined) == (6, 0)
        _let_time_pass(shop)
    live, building = shop.rows("SELECT id FROM gallery ORDER BY id")
    assert shop.scalar(f"SELECT count(*) FROM indexed_image WHERE gallery_id = {live[0]}") == 6
    assert shop.scalar(f"SELECT count(*) FROM indexed_image WHERE gallery_id = {building[0]}") == 0
    # However often it was in vain, it is no image's fault.
    assert set(shop.rows("SELECT attempts FROM outbox")) == {(0,)}
    assert "colors-2" in shop.scalar("SELECT min(last_error) FROM outbox")

    shop.models = whole
    shop.indexing.run(leave_unusable=True)
    shop.assert_consistent()


def test_images_wait_for_a_while_before_the_model_is_looked_for_again(shop):
    shop.ingest(_rows(shop, 2))
    shop.models = ModelsWithout(shop.models, "colors-1")
    shop.indexing.run(leave_unusable=True)
    waits = shop.scalar("SELECT extract(epoch FROM min(available_at) - now()) FROM outbox")
    assert 0.9 * MODEL_RETRY.total_seconds() < waits <= MODEL_RETRY.total_seconds()


def test_a_command_that_indexes_by_itself_ends_with_the_reason(shop):
    shop.ingest(_rows(shop, 2))
    shop.models = ModelsWithout(shop.models, "colors-1")
    with pytest.raises(UnusableModel):
        shop.indexing.run()
    assert shop.scalar("SELECT count(*) FROM outbox WHERE lease_until IS NULL") == 2
