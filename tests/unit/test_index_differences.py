"""Comparing the index with PostgreSQL: each difference, what puts it right, and that nothing is left after that."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.ports.vector_index import StoredPoint
from catalog.repositories.comparisons import Known, Noted, Wanted
from catalog.services.indexing.index_differences import (
    EXAMPLES,
    Difference,
    Finding,
    HeldPoint,
    Tally,
    difference,
    held_point,
    repair,
    windows,
)

VERSION = "colors-1"
WANTED = Wanted("ab12", 7)
NOTED = Noted("ab12", 7)
POINT = HeldPoint(7, VERSION)


@pytest.mark.parametrize(
    ("point", "wanted", "noted", "expected"),
    [
        (POINT, WANTED, NOTED, None),
        (None, None, None, None),
        (None, WANTED, None, Difference.MISSING),
        (HeldPoint(6, VERSION), WANTED, NOTED, Difference.STALE),
        (HeldPoint(8, VERSION), WANTED, NOTED, Difference.STALE),
        (HeldPoint(None, VERSION), WANTED, NOTED, Difference.STALE),
        (HeldPoint(7, "colors-2"), WANTED, NOTED, Difference.STALE),
        (POINT, WANTED, None, Difference.STALE),
        (POINT, WANTED, Noted("cd34", 7), Difference.STALE),
        (POINT, WANTED, Noted("ab12", 6), Difference.STALE),
        (POINT, None, NOTED, Difference.ORPHANED),
        (POINT, None, None, Difference.ORPHANED),
        (None, WANTED, NOTED, Difference.MISNOTED),
        (None, None, NOTED, Difference.MISNOTED),
    ],
)
def test_every_way_in_which_an_id_can_differ(point, wanted, noted, expected):
    """Point, image and note, each there or not, equal or not."""
    assert difference(point, Known(wanted, noted), VERSION) is expected


@pytest.mark.parametrize(
    ("point", "wanted", "noted", "forgotten"),
    [
        # The note speaks of this very point; the image has moved on, and the indexer sees by itself what is needed.
        (HeldPoint(6, VERSION), WANTED, Noted("ab12", 6), False),
        # The vectors are of revision 5, whatever they were made from; the note speaks of others.
        (HeldPoint(5, VERSION), WANTED, NOTED, True),
        (HeldPoint(7, "colors-2"), WANTED, NOTED, True),
        (HeldPoint(None, VERSION), WANTED, NOTED, True),
        # A note of a later revision would never be overwritten.
        (HeldPoint(9, VERSION), WANTED, Noted("ab12", 9), True),
        (None, WANTED, NOTED, True),
    ],
)
def test_a_note_is_kept_only_where_it_speaks_of_the_point_that_is_there(point, wanted, noted, forgotten):
    """Otherwise the indexer would refresh the payload of vectors that are not the image's, or not there."""
    known = Known(wanted, noted)
    kind = difference(point, known, VERSION)
    assert kind is not None
    plan = repair([Finding(31, kind, point, known)], VERSION)
    assert (plan.forgotten, plan.marked, plan.deleted) == ((31,) if forgotten else (), (31,), ())


def test_what_is_not_wanted_is_deleted_and_never_marked():
    """An orphan's point goes with its note; a note of nothing goes alone."""
    orphan = Finding(8, Difference.ORPHANED, POINT, Known(None, NOTED))
    note_of_nothing = Finding(5, Difference.MISNOTED, None, Known(None, NOTED))
    plan = repair([orphan, note_of_nothing], VERSION)
    assert (plan.forgotten, plan.marked, plan.deleted) == ((5, 8), (), (8,))


@pytest.mark.parametrize("revision", ["7", None, 7.5, True, [7]])
def test_a_payload_of_something_else_says_nothing(revision):
    """What is not in the form that Drape writes is no revision and no version."""
    assert held_point(StoredPoint(1, {"revision": revision, "model": 3}, {})) == HeldPoint(None, None)


def test_a_tally_keeps_the_first_ids():
    """All are counted, ten are told."""
    tally = Tally()
    for id in range(100, 125):
        tally.add(Difference.STALE, id)
    assert tally.total == tally.counts[Difference.STALE] == 25
    assert tally.examples[Difference.STALE] == list(range(100, 100 + EXAMPLES))


@dataclass
class Pages:
    """Both sides as streams that are read in pages; notes how many entries were asked for at once."""

    point_ids: list[int]
    known_ids: list[int]
    asked: list[int] = field(default_factory=list)

    def points(self, after: int | None, limit: int) -> list[StoredPoint]:
        self.asked.append(limit)
        found = [id for id in sorted(self.point_ids) if after is None or id > after][:limit]
        return [StoredPoint(id, {"revision": id * 10, "model": VERSION}, {}) for id in found]

    def ids(self, after: int, limit: int) -> list[int]:
        self.asked.append(limit)
        return [id for id in sorted(self.known_ids) if id > after][:limit]


IDS = st.lists(st.integers(0, 60) | st.integers(2**63 - 2, 2**64 - 2), unique=True, max_size=40)


@given(IDS, IDS, st.integers(1, 9))
def test_windows_hold_every_id_of_either_side_once_in_order(point_ids, known_ids, limit):
    """Whatever the page size, and however the two sides lie to each other."""
    pages = Pages(point_ids, known_ids)
    seen = list(windows(pages.points, pages.ids, limit))
    assert [id for window in seen for id in window.ids] == sorted({*point_ids, *known_ids})
    assert {id: point.revision for window in seen for id, point in window.points.items()} == {
        id: id * 10 for id in point_ids
    }
    assert all(set(window.points) <= set(window.ids) for window in seen)
    assert all(len(window.ids) <= 2 * limit for window in seen)
    assert set(pages.asked) == {limit}
    # Each pair of pages uses one of them up, and the last pair is not full.
    assert len(pages.asked) <= 2 * (len(point_ids) // limit + len(known_ids) // limit + 1)


@dataclass
class World:
    """Both sides, with what no comparison sees: the content that each point's vectors were really made from."""

    images: dict[int, Wanted]
    notes: dict[int, Noted]
    points: dict[int, HeldPoint]
    contents: dict[int, str]
    next_revision: int = 50

    def findings(self) -> list[Finding]:
        found = []
        for id in sorted(self.images.keys() | self.notes.keys() | self.points.keys()):
            known, point = Known(self.images.get(id), self.notes.get(id)), self.points.get(id)
            kind = difference(point, known, VERSION)
            if kind is not None:
                found.append(Finding(id, kind, point, known))
        return found

    def repair(self) -> None:
        """Apply a repair, then do what the indexer does with the marks."""
        plan = repair(self.findings(), VERSION)
        for id in plan.forgotten:
            del self.notes[id]
        for id in plan.deleted:
            del self.points[id], self.contents[id]
        for id in plan.marked:
            self.next_revision += 1
            image = self.images[id] = replace(self.images[id], revision=self.next_revision)
            note = self.notes.get(id)
            if note is None or note.content_key != image.content_key:
                self.points[id] = HeldPoint(image.revision, VERSION)
                self.contents[id] = image.content_key
            elif id in self.points:
                self.points[id] = HeldPoint(image.revision, VERSION)
            if note is None or note.revision <= image.revision:
                self.notes[id] = Noted(image.content_key, image.revision)


@st.composite
def worlds(draw) -> World:
    """Anything that faults and restored backups can leave, of few ids, contents and revisions, so that they meet."""
    some = st.sets(st.integers(1, 8), max_size=8)
    content, revision = st.sampled_from(["ab12", "cd34"]), st.integers(1, 4)
    later = revision | st.integers(98, 99)
    world = World({}, {}, {}, {})
    for id in draw(some):
        world.images[id] = Wanted(draw(content), draw(revision))
    for id in draw(some):
        world.notes[id] = Noted(draw(content), draw(later))
    for id in draw(some):
        point = HeldPoint(draw(st.none() | later), draw(st.sampled_from([VERSION, VERSION, "colors-2", None])))
        note = world.notes.get(id)
        # One revision is of one content: what a note says of a point of its revision is true.
        is_noted = note is not None and note.revision == point.revision and point.model_version == VERSION
        world.points[id] = point
        world.contents[id] = note.content_key if note is not None and is_noted else draw(content)
    return world


@given(worlds())
def test_after_a_repair_nothing_differs_and_every_vector_is_its_images(world):
    """The law of repairs: a second comparison is empty, and what no comparison sees is right as well."""
    world.repair()
    assert world.findings() == []
    assert world.points.keys() == world.images.keys() == world.notes.keys() == world.contents.keys()
    assert world.contents == {id: image.content_key for id, image in world.images.items()}
