"""What of a catalog is trained on, and what is held out of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from catalog.errors import InvalidRequest
from catalog.services.models import training
from catalog.services.models.attribute_mining import AttributeMiningService, MiningOptions
from catalog.services.models.photo_attributes import NOT_SEEN_IN_PHOTOS
from catalog.services.models.training import CatalogSource, TrainingRequest, TrainingService
from catalog.types import AttributeSource
from embeddings.model_store import ModelStore
from embeddings.training.recipes import RECIPES
from tests.fakes import COLORS
from tests.integration.services.conftest import MERCHANT


class Began(Exception):
    """Training was reached."""


@pytest.fixture
def trained_on(shop, tmp_path, monkeypatch):
    """Gives the training images and the held-out ones of a request, with what its version would say of them."""
    service = TrainingService(
        shop.unit_of_work,
        shop.images,
        ModelStore(tmp_path / "models"),
        AttributeMiningService(shop.unit_of_work),
        tmp_path / "training",
        max_pixels=10**6,
    )
    sides = []

    def begin(_config, data, _taxonomy, publication, *, held_out, **_):
        sides.extend([data, held_out, publication.data])
        raise Began

    monkeypatch.setattr(training, "train_network", begin)

    def ask(**options):
        request = TrainingRequest(
            version="colors-2",
            source=CatalogSource(MERCHANT, **options.pop("source", {})),
            recipe=replace(RECIPES["scratch"].config, seed=options.pop("seed", 0)),
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
    data, held_out, _ = trained_on(held_out_share=0.25, seed=seed)
    # A quarter of 16 shirts and 8 skirts.
    assert (len(data), len(held_out)) == (18, 6)
    assert len({*data.pictures, *held_out.pictures}) == 16
    assert not set(data.pictures) & set(held_out.pictures)
    assert not (set(data.item_groups) & set(held_out.item_groups)) - {None}
    assert len({*data.item_groups, *held_out.item_groups} - {None}) == 4


@pytest.fixture
def two_categories(shop):
    """Three dresses, red or blue, one of them for girls, and two green shirts, whose attributes are in their titles."""
    categories = ["Women > Dresses", "Girls > Dresses", "Women > Dresses", "Women > Shirts", "Women > Shirts"]
    colors = ["red", "blue", "blue", "green", "green"]
    shop.ingest(
        {
            "id": f"P{number}",
            "title": f"A {color} one",
            "image": shop.photo(f"{number}.png", *["white"] * (number + 1), color),
            "category": category,
            "attributes": [f"color={color}"],
        }
        for number, (category, color) in enumerate(zip(categories, colors, strict=True))
    )


@pytest.mark.usefixtures("two_categories")
@pytest.mark.parametrize("attributes", [AttributeSource.FEED, AttributeSource.TEXT])
@pytest.mark.parametrize(
    ("category", "colors"),
    [
        (None, ["blue", "blue", "green", "green", "red"]),
        ("dresses", ["blue", "blue", "red"]),
        ("Women > Dresses", ["blue", "red"]),
    ],
)
def test_a_category_is_trained_on_alone(trained_on, category, colors, attributes):
    """Named by a level in any case, or by its path; the version says which, and of how many images."""
    source = {"category": category, "mining": MiningOptions(attributes)}
    data, held_out, described = trained_on(held_out_share=0, source=source)
    assert held_out is None
    assert sorted(data.attributes) == [(f"color={color}",) for color in colors]
    chosen = "" if category is None else f", category {category}"
    mined = ", attributes from texts" if attributes is AttributeSource.TEXT else ""
    assert described == f"catalog of {MERCHANT}{chosen}{mined}: {len(colors)} of {len(colors)} images (seed 0)"


@pytest.mark.usefixtures("two_categories")
def test_a_category_with_nothing_to_train_on_is_named(trained_on):
    """Not the rest of the catalog in its place."""
    with pytest.raises(InvalidRequest, match="too little to train on") as refused:
        trained_on(source={"category": "Skirts"})
    assert "Skirts" in refused.value.received
    assert "of 0 looked at" in refused.value.received


@pytest.mark.parametrize("attributes", [AttributeSource.FEED, AttributeSource.BOTH])
def test_what_no_photo_shows_is_not_trained_on(shop, trained_on, attributes):
    """Sizes, brands and the like are there to filter by; no network could learn them."""
    shop.ingest(
        {
            "id": f"P{number}",
            "title": "Dress",
            "image": shop.photo(f"{number}.png", *["white"] * (number + 1), color),
            "attributes": [f"color={color}", "size=m", "brand=acme", "condition=new", "custom-label-0=sale"],
        }
        for number, color in enumerate(["red", "blue"])
    )
    source = {"mining": MiningOptions(attributes)}
    data, _, _ = trained_on(held_out_share=0, source=source)
    groups = {name.partition("=")[0] for names in data.attributes for name in names}
    assert "color" in groups
    assert not groups & NOT_SEEN_IN_PHOTOS
