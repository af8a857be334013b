"""What an ingest counts while it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

from catalog.attributes.feed_words import FeedWords
from catalog.attributes.normalizer import fashion_normalizer
from catalog.feeds import Column
from catalog.types import Outcome, ProductRecord, RowError

OnError: TypeAlias = Callable[[RowError], None]


class IngestRun:
    """The counts of one ingest. A transaction counts on an attempt, which is accepted once it is committed."""

    def __init__(
        self,
        merchant_id: int,
        job_id: int,
        on_error: OnError,
        words: FeedWords | None = None,
        *,
        attributes_as_given: bool = False,
        told: Callable[[str], str] = str,
    ) -> None:
        self.merchant_id = merchant_id
        self.job_id = job_id
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.mended: Counter[str] = Counter()
        self.nameless_failures = 0
        self.words = words or FeedWords(fashion_normalizer())
        self.attributes_as_given = attributes_as_given
        self.told = told
        """What is kept of a text that may name the feed's folder, which an upload has for a moment only."""
        self._on_error = on_error
        self._errors: list[RowError] = []
        self._last_failed_row = (0, 0)

    def attempt(self) -> IngestRun:
        """A copy to count one transaction on; dropped when the transaction is rolled back."""
        attempt = IngestRun(
            self.merchant_id,
            self.job_id,
            self._on_error,
            self.words,
            attributes_as_given=self.attributes_as_given,
            told=self.told,
        )
        attempt.counts = self.counts.copy()
        attempt.reasons = self.reasons.copy()
        attempt.mended = self.mended.copy()
        attempt.nameless_failures = self.nameless_failures
        attempt._last_failed_row = self._last_failed_row
        return attempt

    def accept(self, attempt: IngestRun) -> None:
        """Take over what an attempt counted, now that it is committed, and tell its errors in the feed's order."""
        self.counts, self.reasons, self.mended = attempt.counts, attempt.reasons, attempt.mended
        self.nameless_failures = attempt.nameless_failures
        self._last_failed_row = attempt._last_failed_row
        for error in sorted(attempt._errors, key=lambda error: error.line):
            self._on_error(error)

    def fail(self, error: RowError) -> None:
        """Count what the feed's reader found wrong. A row counts once, however many of its columns are at fault."""
        if error.outcome is Outcome.MENDED:
            self.counts["values_mended"] += 1
        elif error.outcome is Outcome.IMAGE_LEFT_OUT:
            # The row's product was taken without that image.
            self.counts["images_failed"] += 1
        elif error.row != self._last_failed_row:
            self._last_failed_row = error.row
            self.counts["rows_failed"] += 1
            self.nameless_failures += error.external_id is None
        self._note(error)

    def fail_image(self, error: RowError) -> None:
        """Count an image that could not be read."""
        self.counts["images_failed"] += 1
        self._note(error)

    def attributes_of(self, record: ProductRecord) -> list[str]:
        """The attributes under which the record's product is found."""
        return list(
            record.attributes if self.attributes_as_given else self.words.normalize(record.attributes).attributes
        )

    def note_words(self, record: ProductRecord) -> None:
        """Count what the record's words for attributes leave open."""
        num_unmapped, is_conflicting = self.words.add(record.external_id, record.title, record.attributes, record.raw)
        if num_unmapped:
            self.counts["attributes_unmapped"] += num_unmapped
        if is_conflicting:
            self.counts["products_conflicting"] += 1

    def _note(self, error: RowError) -> None:
        kinds = self.mended if error.outcome is Outcome.MENDED else self.reasons
        kinds[f"{error.column or 'row'}: expected {error.expected}"] += 1
        self._errors.append(error)


def repeated_id(record: ProductRecord, line: int) -> RowError:
    """The error of a row whose id came before, on ``line``."""
    return RowError(
        record.line,
        Column.ID,
        f"{record.external_id}, as on line {line}",
        "an id that no earlier row has",
        record.external_id,
    )
