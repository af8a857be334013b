"""Catalogs as data sets, and the engine's own answers beside exact ones, on real parts."""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from catalog.adapters.qdrant.qdrant_edge_index import QdrantEdgeIndex
from catalog.errors import InvalidRequest, MerchantNotFound
from catalog.services.models.attribute_mining import AttributeMiningService, MiningOptions
from catalog.services.models.catalog_dataset import CatalogDatasets
from catalog.services.models.evaluation import EvaluationRequest, EvaluationService
from catalog.services.searching.engine_rankings import EngineRankings
from catalog.services.searching.fused_ranking import PROB_WEIGHT
from catalog.types import AttributeSource, SearchMode
from embeddings.crop_box import CropBox
from embeddings.datasets.records import Dataset, DatasetImage, UnusableDataset
from embeddings.errors import UnusableModel
from embeddings.evaluation.feature_rows import SelectedRows
from embeddings.evaluation.ground_truth import GroundTruth
from embeddings.evaluation.ranking import rank_blockwise
from embeddings.evaluation.scoring import FeatureScoring, Metric
from embeddings.model_store import ModelStore
from embeddings.similarity import histogram_intersection, l2_normalize
from tests.fakes import ColorModels
from tests.integration.services.conftest import MERCHANT, picture


@pytest.fixture
def datasets(shop):
    """Two dresses of two pictures each, one with a box, and a skirt."""
    shop.take(
        [
            {
                "id": "D1",
                "title": "Red dress",
                "image": shop.photo("d1.png", "red", "blue"),
                "image_box": "0,0,16,24",
                "additional_images": [shop.photo("d1-back.png", "red")],
                "category": ["Women", "Dresses"],
                "attributes": ["color=red"],
            },
            {
                "id": "D2",
                "title": "Blue dress",
                "image": shop.photo("d2.png", "blue"),
                "additional_images": [shop.photo("d2-back.png", "blue", "white")],
                "category": ["Women", "Dresses"],
            },
            {"id": "S1", "title": "Skirt", "image": shop.photo("s1.png", "green"), "category": ["Women", "Skirts"]},
        ]
    )
    return CatalogDatasets(shop.unit_of_work, shop.images, AttributeMiningService(shop.unit_of_work))


def test_a_catalog_is_a_data_set_of_products(datasets):
    """Each image asks; it is judged by its product; its bytes come from the image store."""
    found = datasets.read(MERCHANT)
    assert found.levels == ("product",)
    assert [image.labels["product"] for image in found.queries] == ["D1", "D1", "D2", "D2", "S1"]
    assert found.gallery == found.queries
    assert found.queries[0].attributes == ("color=red",)
    assert found.queries[0].crop == CropBox(0, 0, 16, 24)
    assert found.queries[4].category == "Skirts"
    assert datasets.image_bytes(found.queries[4]) == picture("green")
    truth = GroundTruth(found)
    measured = truth.measure(np.array([[1], [0], [0], [2], [0]]))
    assert (measured.levels["product"].num_queries, measured.levels["product"].num_excluded) == (4, 1)
    assert measured.levels["product"].precision == (3 / 4,)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_pages_change_nothing(datasets, monkeypatch, size):
    """Five images read one by one, in pages of 2, 2 and 1, and in one page that is just full."""
    whole = datasets.read(MERCHANT)
    monkeypatch.setattr("catalog.repositories.images._PAGE", size)
    assert datasets.read(MERCHANT) == whole


def test_a_category_searches_itself_or_all(datasets):
    """Dresses among dresses, or among everything; a level's name is compared without case."""
    same, everything = datasets.read(MERCHANT, "dresses"), datasets.read(MERCHANT, "Women > Dresses", "all")
    assert (len(same.queries), len(same.gallery)) == (4, 4)
    assert (len(everything.queries), len(everything.gallery)) == (4, 5)


@pytest.mark.parametrize(
    ("source", "colors"),
    [(AttributeSource.TEXT, ["red", "red", "blue", "blue"]), (AttributeSource.BOTH, ["red", "red", "blue", "blue"])],
)
def test_a_catalog_is_judged_by_its_texts_where_asked_for(datasets, source, colors):
    """D2's feed names no attribute, its title does; images of one product share what is mined."""
    found = datasets.read(MERCHANT, "Dresses", mining=MiningOptions(source))
    assert [f"color={color}" in image.attributes for image, color in zip(found.queries, colors, strict=True)] == [
        True
    ] * 4
    assert len(found.notes) == 1
    assert "texts" in found.notes[0]
    assert [image.attributes for image in datasets.read(MERCHANT, "Dresses").queries][2:] == [(), ()]


def test_pictures_that_were_held_out_are_a_data_set_of_their_own(datasets, shop):
    """D1's first picture by its content and box, and the skirt; the same content without its box is another picture."""
    boxed, whole, skirt = (sha256(picture(*colors)).hexdigest() for colors in (("red", "blue"), ("blue",), ("green",)))
    found = datasets.read(MERCHANT, only={f"{boxed}@0,0,16,24", skirt, f"{whole}@0,0,16,24"})
    assert [image.labels["product"] for image in found.queries] == ["D1", "S1"]
    assert found.gallery == found.queries
    assert found.name.endswith("held out")
    assert any("held out in training" in note for note in found.notes)
    with pytest.raises(InvalidRequest, match="none of 1 held-out pictures of atelier in category Skirts"):
        datasets.read(MERCHANT, "Skirts", only={whole})


def test_nothing_to_evaluate_on_is_told(datasets):
    """No such merchant, or no image in the category."""
    with pytest.raises(MerchantNotFound):
        datasets.read("nobody")
    with pytest.raises(InvalidRequest, match="no image of atelier in category Hats"):
        datasets.read(MERCHANT, "Hats")


def random_truth(num_images, own_share):
    """Images of which a share also ask; the others that ask are not in the gallery."""
    images = [DatasetImage(Path(str(number)), {"item": str(number % 9)}) for number in range(num_images)]
    outside = [DatasetImage(Path(f"q{number}"), {"item": str(number % 9)}) for number in range(20)]
    queries = images[: int(20 * own_share)] + outside[int(20 * own_share) :]
    return GroundTruth(Dataset("numbers", (), tuple(queries), tuple(images)))


@pytest.mark.parametrize("own_share", [0.0, 0.5, 1.0])
def test_the_engine_answers_as_exact_comparison_does(tmp_path, own_share):
    """Of 400 points nothing is lost to speak of, a query never finds itself, and every place is filled."""
    truth = random_truth(400, own_share)
    random = np.random.default_rng(2)
    visual = random.normal(size=(len(truth.pictures), 48)).astype(np.float32)
    prob = random.random((len(truth.pictures), 6)).astype(np.float32) ** 4
    model = ColorModels().describe("colors-1")
    index = QdrantEdgeIndex(tmp_path / "vectors")
    told = []
    try:
        engine = EngineRankings(index, model, visual, prob, truth, on_points=told.append)
        assert told[-1] == 400
        for mode, features, metric, lost in (
            (SearchMode.VISUAL, visual, Metric.COSINE, 0.02),
            (SearchMode.NATIVE, prob, Metric.INTERSECTION, 0.02),
            # 200 candidates of 400 points hold not quite all of the 50 nearest.
            (SearchMode.RERANK, prob, Metric.INTERSECTION, 0.1),
        ):
            scoring = FeatureScoring(
                SelectedRows(features, truth.query_ids), SelectedRows(features, truth.gallery_ids), metric
            )
            exact = rank_blockwise(scoring, truth.query_ids, truth.gallery_ids, truth.num_ranks)
            found = engine.rank(mode)
            assert found.shape == exact.shape == (20, 50)
            assert not (truth.gallery_ids[found] == truth.query_ids[:, np.newaxis]).any()
            agreed = np.mean([len(set(one) & set(other)) / 50 for one, other in zip(found, exact, strict=True)])
            assert agreed >= 1 - lost, mode
        # Fused, with all 400 as candidates in effect: 200 nearest by either, of which the 50 nearest by both are.
        looks = l2_normalize(visual)[truth.query_ids] @ l2_normalize(visual)[truth.gallery_ids].T
        parts = l2_normalize(prob)
        common = histogram_intersection(parts[truth.query_ids], parts[truth.gallery_ids])
        fused = (1 - PROB_WEIGHT) * looks + PROB_WEIGHT * common / parts[truth.query_ids].sum(axis=1, keepdims=True)
        fused[truth.gallery_ids == truth.query_ids[:, np.newaxis]] = -1
        exact = np.argsort(-fused, axis=1)[:, :50]
        found = engine.rank(SearchMode.FUSED)
        assert found.shape == (20, 50)
        assert not (truth.gallery_ids[found] == truth.query_ids[:, np.newaxis]).any()
        agreed = np.mean([len(set(one) & set(other)) / 50 for one, other in zip(found, exact, strict=True)])
        assert agreed >= 0.97
    finally:
        index.close()


@pytest.fixture
def service(tmp_path):
    @contextmanager
    def no_index():
        raise AssertionError("nothing is indexed before what was asked for is checked")
        yield

    return EvaluationService(
        ModelStore(tmp_path), ColorModels(), no_index, batch_size=2, decode_threads=1, max_pixels=10**6
    )


ONE = DatasetImage(Path("a"), {"item": "x"}, ("color=red",))
OTHER = DatasetImage(Path("b"), {"item": "x"}, ("color=red",))
PAIR = Dataset("pair", (), (ONE,), (OTHER,))


def test_a_missing_model_is_told_before_anything_is_computed(service):
    """The error lists the versions there are."""
    with pytest.raises(UnusableModel, match="compact-rendered"):
        service.evaluate(EvaluationRequest(PAIR, models=("no-such-version",)))


def test_no_network_at_all_is_told(service):
    """Something has to be evaluated."""
    with pytest.raises(InvalidRequest, match="no network to evaluate"):
        service.evaluate(EvaluationRequest(PAIR))


def test_a_data_set_that_cannot_be_judged_is_told(service):
    """No relevant image and no attributes: nothing is computed."""
    bare = DatasetImage(Path("c"), {"item": "y"})
    with pytest.raises(UnusableDataset, match="right result from a wrong one"):
        service.evaluate(EvaluationRequest(Dataset("bare", (), (bare,), (ONE,)), models=("compact-rendered",)))


def test_what_to_do_about_a_broken_image_depends_on_where_it_is_kept(service):
    """A data set's file is restored from its archive; what else to do is told by who keeps the images."""
    for options, said in (({}, "archive"), ({"broken_image_remedy": "ingest it again"}, "ingest it again")):
        asked = EvaluationRequest(
            PAIR, models=("compact-rendered",), engine=False, read_image=lambda image: b"no photo", **options
        )
        with pytest.raises(UnusableDataset, match="JPEG, PNG") as refused:
            service.evaluate(asked)
        assert said in refused.value.remedy
