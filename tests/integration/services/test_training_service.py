"""What of a catalog is trained on, and what is held out of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from catalog.services import training
from catalog.services.attribute_mining import AttributeMiningService
from catalog.services.training import CatalogSource, TrainingRequest, TrainingService
from embeddings.model_store import ModelStore
from embeddings.training.recipes import RECIPES
from tests.fakes import COLORS
from tests.integration.services.conftest import MERCHANT


class Began(Exception):
    """Training was reached."""


@pytest.fixture
def trained_on(shop, tmp_path, monkeypatch):
    """Gives the training images and the held-out ones of a request."""
    service = TrainingService(
        shop.unit_of_work,
        shop.images,
        ModelStore(tmp_path / "models"),
        AttributeMiningService(shop.unit_of_work),
        tmp_path / "training",
        max_pixels=10**6,
    )
    sides = []

    def begin(_config, data, *_, held_out, **__):
        sides.extend([data, held_out])
        raise Began

    monkeypatch.setattr(training, "train_network", begin)

    def ask(**options):
        request = TrainingRequest(
            version="colors-2",
            source=CatalogSource(MERCHANT),
            recipe=replace(RECIPES["scratch"].config, seed=options.pop("seed")),
            input_size=16,
            pretrained=False,
            min_count=1,
            **options,
        )
        with pytest.raises(Began):
            service.train(request)
        found = tuple(sides)
        sides.clear()
        return found

    return ask


@pytest.mark.parametrize("seed", range(3))
def test_no_held_out_photo_is_trained_on(shop, trained_on, seed):
    """Shirts have a row for each of two sizes and one photo, skirts one for each colour, with photos of their own."""
    names = sorted(COLORS)
    rows = []
    for number in range(8):
        one, other = names[number % len(names)], names[(number + 1 + number // len(names)) % len(names)]
        sizes = shop.photo(f"size-{number}.png", *[one] * (number + 2), other)
        variant = shop.photo(f"variant-{number}.png", one, *[other] * (number + 3))
        rows += [
            {"id": f"S{number}", "title": "Shirt", "image": sizes, "attributes": [f"color={one}"]},
            {
                "id": f"V{number}",
                "title": "Skirt",
                "image": variant,
                "attributes": [f"color={one}"],
                "item_group_id": f"group-{number // 2}",
            },
        ]
    rows += [{**row, "id": f"{row['id']}-large"} for row in rows if row["id"].startswith("S")]
    shop.ingest(rows)
    data, held_out = trained_on(held_out_share=0.25, seed=seed)
    # A quarter of 16 shirts and 8 skirts.
    assert (len(data), len(held_out)) == (18, 6)
    assert len({*data.pictures, *held_out.pictures}) == 16
    assert not set(data.pictures) & set(held_out.pictures)
    assert not (set(data.item_groups) & set(held_out.item_groups)) - {None}
    assert len({*data.item_groups, *held_out.item_groups} - {None}) == 4
