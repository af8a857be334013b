"""How a point can differ from what PostgreSQL says of its image, and what puts it right. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from catalog.ports.vector_index import StoredPoint
from catalog.repositories.comparisons import Known

EXAMPLES = 10
"""How many ids of each kind of difference are told."""

ReadPoints: TypeAlias = Callable[[int | None, int], Sequence[StoredPoint]]
"""Up to so many points with ids above the first argument (None: from the start), ascending."""

ReadIds: TypeAlias = Callable[[int, int], Sequence[int]]
"""Up to so many ids that PostgreSQL knows, above the first argument, ascending."""


class Difference(StrEnum):
    """What is wrong with one id in one gallery.

    ``missing``: an image that can be indexed, and no point. ``stale``: a point of another revision or content than its
    image's, or whose content is not noted. ``orphaned``: a point without an image that can be indexed. ``misnoted``: no
    point, though PostgreSQL notes that there is one.
    """

    MISSING = "missing"
    STALE = "stale"
    ORPHANED = "orphaned"
    MISNOTED = "misnoted"


@dataclass(frozen=True, slots=True)
class HeldPoint:
    """What a point says of itself. None is what it does not say, or not in a form that Drape writes."""

    revision: int | None
    model_version: str | None


def held_point(point: StoredPoint) -> HeldPoint:
    """What the payload of a stored point says."""
    revision, version = point.payload.get("revision"), point.payload.get("model")
    return HeldPoint(
        revision=revision if isinstance(revision, int) and not isinstance(revision, bool) else None,
        model_version=version if isinstance(version, str) else None,
    )


def difference(point: HeldPoint | None, known: Known, model_version: str) -> Difference | None:
    """What is wrong with an id that is not marked; None where the index holds what it should.

    Args:
        model_version: The gallery's.
    """
    if known.wanted is None:
        if point is not None:
            return Difference.ORPHANED
        return None if known.noted is None else Difference.MISNOTED
    if point is None:
        return Difference.MISSING if known.noted is None else Difference.MISNOTED
    is_current = (
        point.model_version == model_version
        and point.revision == known.wanted.revision
        and known.noted is not None
        and (known.noted.content_key, known.noted.revision) == (known.wanted.content_key, known.wanted.revision)
    )
    return None if is_current else Difference.STALE


@dataclass(frozen=True, slots=True)
class Repair:
    """What puts a page of differences right, all in ascending order of ids.

    Args:
        forgotten: Ids whose notes go, so that the indexer embeds again instead of refreshing a payload.
        marked: Ids of images that the indexer must look at.
        deleted: Ids of points that go.
    """

    forgotten: tuple[int, ...]
    marked: tuple[int, ...]
    deleted: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference with the facts it was judged by."""

    id: int
    kind: Difference
    point: HeldPoint | None
    known: Known


def repair(findings: Sequence[Finding], model_version: str) -> Repair:
    """What puts these differences right.

    A note that speaks of the very point that is there is kept: where the content is still the image's, a fresh payload
    is all that the point needs. Any other note may claim vectors that the point does not have.
    """
    forgotten = [one for one in findings if one.known.noted is not None and not _is_true_note(one, model_version)]
    marked = [one for one in findings if one.known.wanted is not None]
    deleted = [one for one in findings if one.kind is Difference.ORPHANED]
    return Repair(*(tuple(sorted(one.id for one in some)) for some in (forgotten, marked, deleted)))


def _is_true_note(finding: Finding, model_version: str) -> bool:
    noted, wanted, point = finding.known.noted, finding.known.wanted, finding.point
    if noted is None or wanted is None or point is None or point.revision is None:
        return False
    # Notes of a later revision are never overwritten, so one from the future (of a database that was restored from an
    # older backup than the note) would stay for good.
    return point.model_version == model_version and noted.revision == point.revision <= wanted.revision


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of ids that both sides were read for.

    Args:
        points: By id, what the index holds.
        ids: All ids of the stretch on either side, ascending.
    """

    points: dict[int, HeldPoint]
    ids: tuple[int, ...]


def windows(read_points: ReadPoints, read_ids: ReadIds, limit: int) -> Iterator[Window]:
    """Both sides in ascending order of ids, each id in one window, with at most ``limit`` entries of a side in memory.

    A full page tells nothing of what comes after its last id, so a window ends where the first of the two pages does;
    what the other one holds beyond that is read again.
    """
    after: int | None = None
    while True:
        points = read_points(after, limit)
        ids = read_ids(-1 if after is None else after, limit)
        ends = [page[-1] for page in ([point.id for point in points], list(ids)) if len(page) >= limit]
        end = min(ends, default=None)
        held = {point.id: held_point(point) for point in points if end is None or point.id <= end}
        both = sorted(held.keys() | {id for id in ids if end is None or id <= end})
        if both:
            yield Window(held, tuple(both))
        if end is None:
            return
        after = end


@dataclass(slots=True)
class Tally:
    """Counts of differences, each with its first few ids."""

    counts: dict[Difference, int] = field(default_factory=lambda: dict.fromkeys(Difference, 0))
    examples: dict[Difference, list[int]] = field(default_factory=lambda: {kind: [] for kind in Difference})

    def add(self, kind: Difference, id: int) -> None:
        """Count one more."""
        self.counts[kind] += 1
        if len(self.examples[kind]) < EXAMPLES:
            self.examples[kind].append(id)

    @property
    def total(self) -> int:
        """How many differences there are."""
        return sum(self.counts.values())
