"""Marks, claims and finishing, on PostgreSQL, with the races that could lose or double work."""

from __future__ import annotations

import datetime
import threading

import pytest

from catalog.repositories.outbox import Claim, Postponement

LEASE = datetime.timedelta(minutes=5)


@pytest.fixture
def dirty(shop) -> list[int]:
    """Ids of three dirty images."""
    photo = shop.photo("a.png", "red")
    shop.ingest([{"id": f"P{number}", "title": "t", "image": photo} for number in range(3)])
    return [row[0] for row in shop.rows("SELECT id FROM image ORDER BY id")]


@pytest.fixture
def lone(shop) -> int:
    """Id of the only dirty image."""
    shop.ingest([{"id": "P1", "title": "t", "image": shop.photo("a.png", "red")}])
    image_id: int = shop.scalar("SELECT id FROM image")
    return image_id


def _claim(shop, limit: int = 10, lease: datetime.timedelta = LEASE) -> list[Claim]:
    with shop.unit_of_work() as work:
        claims = work.outbox.claim(limit, lease)
        work.commit()
    return claims


def _mark(shop, ids) -> None:
    with shop.unit_of_work() as work:
        work.outbox.mark(ids)
        work.commit()


def _finish(shop, claims) -> list[Claim]:
    with shop.unit_of_work() as work:
        overtaken = work.outbox.finish(claims, {})
        work.outbox.mark_again(overtaken)
        work.commit()
    return overtaken


def test_a_claimed_mark_is_nobody_elses_until_its_lease_ends(shop, dirty):
    """A second claim gets the rest; once a lease is over, its marks can be claimed again and count an attempt more."""
    first = _claim(shop, limit=2, lease=datetime.timedelta(0))
    assert [claim.image_id for claim in first] == dirty[:2]
    again = _claim(shop)
    assert [(claim.image_id, claim.attempts) for claim in again] == [(dirty[0], 2), (dirty[1], 2), (dirty[2], 1)]
    assert _claim(shop) == []


def test_marks_coalesce_into_one_row_per_image_with_the_latest_revision(shop, dirty):
    """Marking twice leaves one mark, at a larger revision, which is also the image's."""
    before = dict(shop.rows("SELECT image_id, revision FROM outbox"))
    _mark(shop, [dirty[1], dirty[1]])
    after = dict(shop.rows("SELECT image_id, revision FROM outbox"))
    assert sorted(after) == dirty
    assert after[dirty[1]] > max(before.values())
    assert after == dict(shop.rows("SELECT id, revision FROM image"))


def test_finishing_keeps_a_mark_that_was_renewed_meanwhile(shop, dirty):
    """Work that was overtaken by a newer mark is done again, at once, and only that."""
    claims = _claim(shop)
    _mark(shop, [dirty[2]])
    _finish(shop, claims)
    assert [row[0] for row in shop.rows("SELECT image_id FROM outbox")] == [dirty[2]]
    renewed = _claim(shop)
    assert [(claim.image_id, claim.attempts) for claim in renewed] == [(dirty[2], 1)]


def test_a_renewed_mark_stays_with_the_indexer_that_holds_it(shop, dirty):
    """Two indexers never work on one image at a time, even when it is marked in between."""
    _claim(shop)
    _mark(shop, dirty)
    assert _claim(shop) == []


def test_postponed_marks_wait_and_tell_why(shop, dirty):
    """A failed image is not due before its delay is over."""
    claims = _claim(shop)
    with shop.unit_of_work() as work:
        postponement = Postponement(datetime.timedelta(hours=1), "the store is away")
        work.outbox.finish(claims, {claims[0].image_id: postponement})
        work.commit()
    assert _claim(shop) == []
    with shop.unit_of_work() as work:
        backlog = work.outbox.backlog()
    assert (backlog.waiting, backlog.leased, backlog.failing) == (1, 0, 1)
    assert shop.rows("SELECT last_error FROM outbox") == [("the store is away",)]


def test_uncommitted_work_leaves_no_trace(shop, dirty):
    """A unit of work that is not committed takes nothing."""
    with shop.unit_of_work() as work:
        assert len(work.outbox.claim(10, LEASE)) == 3
    assert len(_claim(shop)) == 3


def test_indexers_that_claim_at_once_share_the_work(shop):
    """Eight threads claim three at a time: every image is claimed exactly once."""
    photo = shop.photo("a.png", "red")
    shop.ingest([{"id": f"P{number}", "title": "t", "image": photo} for number in range(100)])
    taken: list[int] = []
    start = threading.Barrier(8)

    def claim_all() -> None:
        start.wait()
        while claims := _claim(shop, limit=3):
            taken.extend(claim.image_id for claim in claims)

    threads = [threading.Thread(target=claim_all) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [row[0] for row in shop.rows("SELECT id FROM image ORDER BY id")]


def test_writers_that_mark_the_same_images_at_once_do_not_deadlock(shop, dirty):
    """Marks from many threads in opposite orders all succeed, and the last revision wins everywhere."""
    failures: list[BaseException] = []

    def mark_many(ids: list[int]) -> None:
        try:
            for _ in range(20):
                _mark(shop, ids)
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread, which fails on it.
            failures.append(error)

    threads = [threading.Thread(target=mark_many, args=(ids,)) for ids in (dirty, dirty[::-1]) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert shop.rows("SELECT image_id, revision FROM outbox ORDER BY 1") == shop.rows(
        "SELECT id, revision FROM image ORDER BY 1"
    )


def test_work_that_outlived_its_lease_is_done_again_when_another_was_quicker(shop, lone):
    """The slow one may have written its older picture over the newer one: the image is marked once more."""
    slow = _claim(shop, lease=datetime.timedelta(0))
    _mark(shop, [lone])
    quick = _claim(shop)
    assert [claim.image_id for claim in quick] == [claim.image_id for claim in slow] == [lone]
    assert _finish(shop, quick) == []
    assert _finish(shop, slow) == slow
    assert [claim.image_id for claim in _claim(shop)] == [lone]


def test_work_that_outlived_its_lease_does_not_end_the_claim_of_another(shop, lone):
    """While the quick one is still at it, its lease holds, and what it finishes is looked at once more."""
    slow = _claim(shop, lease=datetime.timedelta(0))
    _mark(shop, [lone])
    quick = _claim(shop)
    assert _finish(shop, slow) == slow
    assert _claim(shop) == []
    assert _finish(shop, quick) == []
    assert [claim.image_id for claim in _claim(shop)] == [lone]


def test_an_image_that_was_removed_meanwhile_is_marked_again_too(shop, lone):
    """The slow one has brought back the point of an image that is gone: the new mark is what deletes it."""
    slow = _claim(shop, lease=datetime.timedelta(0))
    _mark(shop, [lone])
    with shop.engine.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM image WHERE id = {lone}")
    _finish(shop, _claim(shop))
    _finish(shop, slow)
    assert [claim.image_id for claim in _claim(shop)] == [lone]


def test_claims_that_are_given_back_count_no_attempt(shop, lone):
    """An indexer that is stopped ten times has not failed once; a claim that is not its own any more is left alone."""
    first = _claim(shop, lease=datetime.timedelta(0))
    again = _claim(shop)
    with shop.unit_of_work() as work:
        work.outbox.give_back(first)
        work.commit()
    assert _claim(shop) == []
    with shop.unit_of_work() as work:
        work.outbox.give_back(again)
        work.commit()
    assert [(claim.image_id, claim.attempts) for claim in _claim(shop)] == [(lone, 2)]


def test_a_whole_catalog_is_marked_in_one_statement(shop, dirty):
    """However many images there are, and every one of them."""
    from sqlalchemy import event

    gallery = shop.scalar("SELECT id FROM gallery")
    statements: list[str] = []
    event.listen(shop.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    with shop.unit_of_work() as work:
        assert work.outbox.mark_behind(work.merchants.id_of("atelier"), gallery) == 3
        work.commit()
    assert len(statements) == 2
    assert shop.rows("SELECT image_id, revision FROM outbox ORDER BY 1") == shop.rows(
        "SELECT id, revision FROM image ORDER BY 1"
    )
