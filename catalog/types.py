"""Frozen values that travel between the catalog's parts. They hold facts, never behaviour that needs a resource."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from catalog.request_rates import RequestRate
from embeddings.crop_box import CropBox, RelativeBox


class Availability(StrEnum):
    """Whether the item can be bought, in the words of the product feed."""

    IN_STOCK = "in_stock"
    OUT_OF_STOCK = "out_of_stock"
    PREORDER = "preorder"
    BACKORDER = "backorder"


class DialectName(StrEnum):
    """How a feed names things: as Drape itself does, or as another system."""

    DRAPE = "drape"
    GOOGLE = "google"
    SHOPIFY = "shopify"
    VISION = "vision"
    FOLDER = "folder"


class Scope(StrEnum):
    """What an API key may be used for. Each stands for itself: ``admin`` does not include the others."""

    SEARCH = "search"
    INGEST = "ingest"
    ADMIN = "admin"


class SearchMode(StrEnum):
    """How hits are ranked.

    ``fused``: candidates by either, ranked by cosine on the visual feature and histogram intersection of prob together.
    ``visual``: cosine on the model's visual feature (fc6 or pool); these names of features are understood, too.
    ``rerank``: candidates by cosine on prob, ranked by its histogram intersection, in one round trip.
    ``native``: histogram intersection over the whole gallery.
    ``exact``: the same, compared with every image instead of walking the index; for checking.
    """

    FUSED = "fused"
    VISUAL = "visual"
    RERANK = "rerank"
    NATIVE = "native"
    EXACT = "exact"

    @classmethod
    def _missing_(cls, value: object) -> SearchMode | None:
        return cls.VISUAL if value in VISUAL_FEATURES else None


VISUAL_FEATURES = ("fc6", "pool")
"""Other names of the mode ``visual``: of the features that it may rank by."""

ACCEPTED_MODES = ", ".join(
    f"{mode} (or {', '.join(VISUAL_FEATURES)})" if mode is SearchMode.VISUAL else mode for mode in SearchMode
)
"""Every name that a mode is understood by, for errors."""


MAX_FIELD_NAME_LENGTH = 60
MAX_FIELD_VALUE_LENGTH = 100
"""Of a merchant's own columns. Longer texts are prose, which nobody filters by."""

MAX_TAGS = 100
DEFAULT_TAGS = 3
DEFAULT_TAG_CONFIDENCE = 0.05
"""What is told of a photo: how many values of a group, and how sure of them the model is at least."""


class AttributeSource(StrEnum):
    """Where attributes come from: the feed's own, its texts (titles, descriptions, tags, option columns), or both."""

    FEED = "feed"
    TEXT = "text"
    BOTH = "both"


class ProductField(StrEnum):
    """What a feed can say of a product besides its id, by the name of its column in Drape's own feeds."""

    TITLE = "title"
    DESCRIPTION = "description"
    CATEGORY = "category"
    ATTRIBUTES = "attributes"
    PRICE = "price"
    AVAILABILITY = "availability"
    LINK = "link"
    ITEM_GROUP = "item_group_id"
    IMAGE = "image"
    ADDITIONAL_IMAGES = "additional_images"
    IMAGE_BOX = "image_box"


EVERY_FIELD = frozenset(ProductField)
WHOLE_RAW = frozenset({"*"})
"""As ``ProductRecord.raw_names``: every name there could be."""
NEEDED_BY_NEW = (ProductField.TITLE, ProductField.IMAGE)
"""Without these a product cannot come into being; one that is there keeps what it has."""


@dataclass(frozen=True, slots=True)
class Price:
    """An amount in a currency.

    Args:
        amount: Non-negative, at most 2^31, as many decimals as the feed gave.
        currency: An ISO 4217 alphabetic code, upper case.
    """

    amount: Decimal
    currency: str

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


def is_address(source: str) -> bool:
    """Whether an image or a feed is named by an http or https address, instead of by a path."""
    return source[:8].lower().startswith(("http://", "https://"))


@dataclass(frozen=True, slots=True)
class FeedImage:
    """One image reference of a feed row, not yet read.

    Args:
        source: The reference as the feed gave it (a path relative to the feed's folder, or absolute; or an http or
            https address).
        position: 0 for the main image, then in the feed's order.
        crop: The item's box in pixels of the image, or None for the whole image.
        relative_crop: The box where the feed gives it in shares of the image, whose size it does not know.
    """

    source: str
    position: int
    crop: CropBox | None = None
    relative_crop: RelativeBox | None = None

    @property
    def is_address(self) -> bool:
        """Whether the image is to be fetched from a server, instead of read from a file."""
        return is_address(self.source)


@dataclass(frozen=True, slots=True)
class ProductRecord:
    """One product of a feed: a valid row, or several where each row is a variant.

    Args:
        line: 1-based number of the line of the feed on which the product's first row starts.
        external_id: The merchant's id, unique in the feed.
        category: Path of level names from the general to the special, e.g. ``("Apparel", "Dress")``; may be empty.
        attributes: Attribute names in normal form (``color=red``), sorted, without repeats.
        images: With distinct sources, in order of position; at least one where the feed gives the main image. Without
            it, the additional ones that the feed gives, from position 1.
        raw: The row, or what its rows share and the variants, as the feed gave it, JSON-serialisable.
        given: What the feed says anything of, be it that there is none. A known product keeps the rest as it is.
        raw_names: The names under which ``raw`` would hold what the feed gives, where it leaves out what is empty; None
            where it holds all that is given.
        fields: What the feed's own columns say, as ``name=value`` in normal form, sorted, without repeats.
        image_box: The item's box in the main image, where the feed gives it but not which image that is.
    """

    line: int
    external_id: str
    title: str
    description: str
    category: tuple[str, ...]
    attributes: tuple[str, ...]
    price: Price | None
    availability: Availability
    link: str | None
    item_group: str | None
    images: tuple[FeedImage, ...]
    raw: Mapping[str, object] = field(repr=False)
    given: frozenset[ProductField] = EVERY_FIELD
    image_box: CropBox | None = None
    raw_names: frozenset[str] | None = field(default=None, repr=False, compare=False)
    fields: tuple[str, ...] = ()

    @property
    def product_line(self) -> int:
        """The line on which the product starts."""
        return self.line


class Outcome(StrEnum):
    """What became of a row with a fault."""

    ROW_SKIPPED = "row skipped"
    IMAGE_LEFT_OUT = "image left out"
    MENDED = "mended"


@dataclass(frozen=True, slots=True)
class RowError:
    """Why one row of a feed, or one image of a row, was not taken, or not taken as it stood.

    Args:
        line: 1-based line on which the row starts.
        column: The feed's column at fault, or None when the row as a whole is.
        found: What stood there, shortened to a readable length.
        expected: What would have been right.
        external_id: The id of the row's product where it could be read.
        outcome: What became of the row; a row that is only mended has its product.
        first_line: The first line of the product, where a product has several rows.
        place: Which of the rows that start on the line it is, from 0: a feed in XML may be a single line.
    """

    line: int
    column: str | None
    found: str
    expected: str
    external_id: str | None = None
    outcome: Outcome = Outcome.ROW_SKIPPED
    first_line: int | None = None
    place: int = 0

    def __str__(self) -> str:
        where = f"line {self.line}" + (f", column {self.column}" if self.column else "")
        return f"{where}: found {self.found}; expected {self.expected}; {self.outcome}"

    @property
    def row(self) -> tuple[int, int]:
        """What errors of one row share and those of no other have."""
        return self.line, self.place

    @property
    def product_line(self) -> int:
        """The line on which the row's product starts."""
        return self.line if self.first_line is None else self.first_line


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """What a hit must satisfy. Empty means no restriction.

    Args:
        category: Name of a level, or a whole path joined with `` > ``; compared without case.
        all_of, any_of, none_of: Attribute names in normal form.
        min_price, max_price: Inclusive bounds, in the gallery's own currency amounts.
        currency: ISO 4217 code that prices must be in; needed to compare prices in a gallery of several currencies.
        availability: Any of these.
        fields: Names of the merchant's own columns, each with the values of which one must hold.
    """

    category: str | None = None
    all_of: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    currency: str | None = None
    availability: tuple[Availability, ...] = ()
    fields: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class UnderstoodWords:
    """What words for a search say, as attributes and filters.

    Args:
        all_of, none_of: Attributes that are asked for and ruled out, in normal form, in the words' order.
        category: A level's name, or a path of levels joined with `` > ``, as the catalog writes it.
        currency: Of the prices; None where no price is spoken of, or no currency is known.
        ignored: Words that nothing was made of, as they were written; without those that say nothing to begin with.
    """

    all_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()
    category: str | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    currency: str | None = None
    ignored: tuple[str, ...] = ()

    @property
    def asks_for_something(self) -> bool:
        """Whether anything in it restricts or ranks."""
        prices = (self.min_price, self.max_price)
        return bool(self.all_of or self.none_of or self.category) or any(price is not None for price in prices)


@dataclass(frozen=True, slots=True)
class AttributeChanges:
    """How hits shall differ from what is searched with: "like this, but blue and without a belt".

    Args:
        wanted, unwanted: Attribute names; a wanted one takes the place of what the item has in its group.
    """

    wanted: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.wanted or self.unwanted)


@dataclass(frozen=True, slots=True)
class Examples:
    """Products of the catalog, by the merchant's ids, that hits shall be like, and that they shall not be like."""

    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.like or self.unlike)


@dataclass(frozen=True, slots=True)
class Boosts:
    """What lifts hits beside their score, each from 0, not at all, to 1: by as much as the best candidate leads.

    Args:
        in_stock: Items that are in stock.
        newer: Items that came into the catalog later.
    """

    in_stock: float = 0.0
    newer: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.in_stock or self.newer)


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How to search. Page p holds ranks p·limit + 1 … (p+1)·limit.

    Args:
        limit: Hits per page, 1 to 100.
        page: 0-based, at most 99.
        candidates: How many candidates ``rerank`` takes from the first stage, and ``fused`` of either kind; at least
            ``limit``.
        exact: Compare with every point instead of walking the index; for checking.
        score_threshold: Hits scoring lower are left out.
        per_product: One hit per product, its best image shown.
        diversity: From 0, the order of scores, to 1: how much hits that are like those before them give way.
        boosts: What lifts hits beside their score.
    """

    mode: SearchMode = SearchMode.RERANK
    limit: int = 10
    page: int = 0
    candidates: int = 200
    exact: bool = False
    score_threshold: float | None = None
    per_product: bool = True
    diversity: float = 0.0
    boosts: Boosts = Boosts()

    @property
    def reordered_by(self) -> tuple[str, ...]:
        """What makes the order of hits another than that of their scores."""
        acting = {"in_stock": self.boosts.in_stock, "newer": self.boosts.newer, "diversity": self.diversity}
        return tuple(name for name, strength in acting.items() if strength)

    @property
    def compares_all(self) -> bool:
        """Whether the query is compared with every point."""
        return self.exact or self.mode == SearchMode.EXACT


@dataclass(frozen=True, slots=True)
class Reason:
    """One attribute's part in a hit's histogram intersection; the shares of all attributes sum to 1."""

    attribute: str
    share: float


@dataclass(frozen=True, slots=True)
class Hit:
    """One item of the answer.

    Args:
        rank: 1-based over all pages.
        score: Higher is nearer: cosine similarity, or histogram intersection, by mode.
        why: The attributes with the largest shares, largest first.
        given_attributes: The merchant's own words for the attributes.
    """

    rank: int
    score: float
    external_id: str
    image_id: int
    image_sha256: str
    title: str
    category: tuple[str, ...]
    attributes: tuple[str, ...]
    price: Price | None
    availability: Availability
    link: str | None
    item_group: str | None
    why: tuple[Reason, ...]
    given_attributes: tuple[str, ...] = ()


class JobState(StrEnum):
    """A job ends ``done``, ``failed`` (its error says why), ``cancelled`` (somebody asked for it) or ``interrupted``.

    Interrupted means that its process was stopped. All but those that are done can be run again. A job that was handed
    over to others waits until one of them takes it, and again where its process was stopped.
    """

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"


class ProductOrder(StrEnum):
    """In what order products are listed: those that came into the catalog last, or by the merchant's own ids."""

    NEWEST = "newest"
    ID = "id"


class ImageStanding(StrEnum):
    """How an image stands: searches find it, it waits, another one is shown in its stead, or it cannot be used."""

    INDEXED = "indexed"
    WAITS = "waits"
    DUPLICATE = "duplicate"
    SET_ASIDE = "set_aside"


class TotalRelation(StrEnum):
    """Whether a number is known or a bound."""

    EXACT = "exact"
    AT_LEAST = "at_least"


@dataclass(frozen=True, slots=True)
class Total:
    """How many hits there are on all pages."""

    value: int
    relation: TotalRelation


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """A page of hits with what produced it.

    Args:
        model_version: The version whose vectors were compared.
        collection: The collection that was searched.
        timings_ms: Milliseconds per stage, in order.
        understood: What was made of the words that were searched with.
        notes: What to know of the filters: what nobody knows, or no product has, with what may have been meant.
        total: How many hits there are on all pages.
        indexed_at: When it was last noted that what is searched changed.
        ranked_by: The features that rank, such as ``pool`` and ``prob``; none where words only filter.
        reordered_by: ``in_stock``, ``newer`` and ``diversity`` where they were asked for: the order of hits is then
            another than that of their scores.
    """

    hits: tuple[Hit, ...]
    mode: SearchMode
    model_version: str
    collection: str
    timings_ms: Mapping[str, float]
    understood: UnderstoodWords | None = None
    notes: tuple[str, ...] = ()
    total: Total | None = None
    indexed_at: datetime.datetime | None = None
    ranked_by: tuple[str, ...] = ()
    reordered_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as their API key tells: the one source of whose data a request may see.

    Args:
        merchant, merchant_id: Whose data.
        key_id: The key's id, which is no secret.
        allowed_origins: Of a public key: the sites whose pages may use it; empty for secret keys.
        is_public: Everybody can read the key on a page.
        rate_limit: How often it may be used; None as often as keys may in general.
    """

    merchant: str
    merchant_id: int
    key_id: int
    scopes: frozenset[Scope]
    allowed_origins: tuple[str, ...]
    is_public: bool
    rate_limit: RequestRate | None = None
