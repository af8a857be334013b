"""Searches that go on while galleries are built, changed to, gone back from and dropped: none notices."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from catalog.services.indexing.indexing import IndexingLimits
from catalog.types import SearchMode, SearchOptions
from embeddings.similarity import l2_normalize
from tests.fakes import ColorEmbedder
from tests.integration.services.conftest import MERCHANT

COLORS = ("red", "green", "blue", "white", "black", "yellow")
NUM_PRODUCTS = 84
VIEWS = 6
IDS = [f"P{at}" for at in range(NUM_PRODUCTS)]
ASKED = IDS[::7]
MODES = (SearchMode.VISUAL, SearchMode.NATIVE)


class SquaringEmbedder(ColorEmbedder):
    """The same order of what is near and far in general, and other scores: an answer tells whose vectors it is from."""

    def embed(self, images):
        return {name: l2_normalize(values**2) for name, values in super().embed(images).items()}


class Searches:
    """One thread that searches for one product after the other, until it is told to stop or a search fails."""

    def __init__(self, shop) -> None:
        self._shop = shop
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self.answers = []

    def __enter__(self) -> Searches:
        self._running = self._pool.submit(self._run)
        return self

    def __exit__(self, *error) -> None:
        self._ended.set()
        self._pool.shutdown(wait=True)
        self._running.result()

    def wait_for(self, version: str, number: int) -> None:
        """Return when so many more answers have come from a version."""
        begun, deadline = len(self.answers), time.monotonic() + 60
        while sum(answer.model_version == version for _, _, answer in self.answers[begun:]) < number:
            assert not self._running.done(), self._running.exception()
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def _run(self) -> None:
        for name, mode in itertools.cycle(itertools.product(ASKED, MODES)):
            if self._ended.is_set():
                return
            self.answers.append((name, mode, _answer(self._shop, name, mode)))


def _answer(shop, name: str, mode: SearchMode):
    return shop.search.by_product(MERCHANT, name, options=SearchOptions(mode=mode, limit=100))


def _scores(answer) -> dict[str, float]:
    """Scores of the products that are there from the beginning to the end."""
    return {hit.external_id: hit.score for hit in answer.hits if hit.external_id in IDS}


def _rows(shop, numbers) -> list[dict[str, str]]:
    """Products of six views: three bands of colour of the product's own, and one of the view's."""
    rows = []
    for at in numbers:
        bands = (COLORS[at % 6], COLORS[at // 6 % 6], COLORS[(at + at // 6) % 6])
        views = [shop.photo(f"{at}-{view}.png", *bands, COLORS[view]) for view in range(VIEWS)]
        more = ";".join(views[1:])
        rows.append({"id": f"P{at}", "title": f"Item {at}", "image": views[0], "additional_images": more})
    return rows


def test_searches_notice_nothing_of_a_change_of_models(shop):
    """A build, a change, a rollback and a change again, with ingests all along: answers are whole and of one version.

    Whole: each shows each of the 83 other products. Of one version: the scores are what that version alone gives.
    """
    shop.models.embedders["colors-2"] = SquaringEmbedder("colors-2")
    shop.limits = IndexingLimits(batch_size=16)
    summary, indexing = shop.take(_rows(shop, range(NUM_PRODUCTS)))
    assert indexing.embedded == NUM_PRODUCTS * VIEWS == 504

    with Searches(shop) as searches:
        searches.wait_for("colors-1", 10)
        ingests = threading.Thread(target=lambda: [shop.ingest(_rows(shop, [at])) for at in range(84, 90)])
        ingests.start()
        assert shop.reindexing.run(summary.merchant_id, "colors-2", max_rate=200).live
        searches.wait_for("colors-2", 10)
        ingests.join()
        assert shop.reindexing.roll_back(summary.merchant_id).live
        searches.wait_for("colors-1", 10)
        assert shop.reindexing.run(summary.merchant_id, "colors-2").live
        searches.wait_for("colors-2", 10)
        shop.indexing.run(summary.merchant_id)
    shop.assert_consistent()

    # What each version alone answers, now that nothing goes on.
    expected = {}
    for version in ("colors-2", "colors-1"):
        for name, mode in itertools.product(ASKED, MODES):
            answer = _answer(shop, name, mode)
            assert answer.model_version == version
            expected[version, mode, name] = _scores(answer)
        shop.reindexing.roll_back(summary.merchant_id)
    # The versions can be told apart: most pairs of products score differently in them.
    differing = Counter(
        abs(score - expected["colors-2", mode, name][other]) > 0.01
        for name, mode in itertools.product(ASKED, MODES)
        for other, score in expected["colors-1", mode, name].items()
    )
    assert differing[True] > differing[False]

    for name, mode, answer in searches.answers:
        assert answer.collection == f"drape-{answer.model_version}"
        scores = _scores(answer)
        assert scores.keys() == set(IDS) - {name}
        assert scores == pytest.approx(expected[answer.model_version, mode, name], abs=1e-3)
    assert len(_answer(shop, "P89", SearchMode.NATIVE).hits) == 89
