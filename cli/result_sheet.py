"""A result sheet: queries and their hits as one HTML file with everything in it, to look at and to pass on."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from PIL import Image

from catalog.errors import DrapeError
from catalog.types import Availability, Hit, Reason, SearchAnswer
from cli.hit_wording import availability_text, mode_text, plain_text, price_text, share_text, timings_text
from embeddings.errors import EmbeddingsError
from embeddings.images import decode_image

THUMBNAIL_EDGE = 320
"""Longest edge of a picture on the sheet, in pixels."""

_JPEG_QUALITY = 82
_MAX_PIXELS = 64_000_000
_UNSHOWN = "This picture cannot be shown."

LoadImage = Callable[[str], bytes]
"""From an image's SHA-256 to its bytes, e.g. ``ImageStore.get``."""


@dataclass(frozen=True, slots=True)
class SheetSection:
    """One query with its answer.

    Args:
        heading: What was asked, in a few words.
        answer: The hits.
        query_image: Bytes of the query photo, or None for a query that was no picture.
        query_caption: What stands below the photo, or in its place: the product's title, the words asked for.
        told: A sentence on what to see here; may be empty.
        same_items: External ids of the products that are the item asked for; their hits are framed in red.
        same_word: What they have in common with the query: ``item``, or a level of a data set, such as ``species``.
        show_scores: Whether hits tell their scores.
    """

    heading: str
    answer: SearchAnswer
    query_image: bytes | None = None
    query_caption: str = ""
    told: str = ""
    same_items: frozenset[str] = field(default_factory=frozenset)
    same_word: str = "item"
    show_scores: bool = True


def write_result_sheet(
    path: Path,
    sections: Sequence[SheetSection],
    load_image: LoadImage,
    *,
    title: str,
    facts: Mapping[str, str] | None = None,
) -> None:
    """Write the sheet to ``path``; folders above it are made, a file there is replaced.

    The file needs nothing else: no network, no script, no font, no picture of its own. As in the paper's figure 5,
    queries are framed in black and hits of the same item in red. A picture that is missing or damaged is said to be so
    in its place.

    Args:
        sections: In the order to show them.
        load_image: Gives a hit's picture.
        title: The sheet's heading.
        facts: What stands below it, name to value, in order (model version, images searched, …).
    """
    page = result_sheet(sections, load_image, title=title, facts=facts or {})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def result_sheet(
    sections: Sequence[SheetSection], load_image: LoadImage, *, title: str, facts: Mapping[str, str]
) -> str:
    """The sheet's HTML; see ``write_result_sheet``."""
    thumbnails: dict[str, str | None] = {}

    def picture_of(sha256: str) -> str | None:
        # The same item is a hit of several queries more often than not.
        if sha256 not in thumbnails:
            thumbnails[sha256] = _stored_thumbnail(sha256, load_image)
        return thumbnails[sha256]

    return Template(_template("result_sheet.html")).substitute(
        title=_text(title),
        style=_template("result_sheet.css"),
        facts=_facts(facts),
        same=_text(sections[0].same_word if sections else "item"),
        sections="\n".join(_section(section, picture_of) for section in sections),
    )


def thumbnail(data: bytes) -> str:
    """The picture as a ``data:`` URI of a JPEG of at most 320 pixels, upright and on white.

    Raises:
        UnusableImage: the bytes are no picture.
    """
    pixels = decode_image(data, max_pixels=_MAX_PIXELS, min_edge=THUMBNAIL_EDGE)
    picture = Image.fromarray(pixels)
    picture.thumbnail((THUMBNAIL_EDGE, THUMBNAIL_EDGE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _stored_thumbnail(sha256: str, load_image: LoadImage) -> str | None:
    try:
        return thumbnail(load_image(sha256))
    except (DrapeError, EmbeddingsError):
        # The sheet says so in the picture's place; the other pictures are worth showing all the same.
        return None


def _query_thumbnail(data: bytes) -> str | None:
    try:
        return thumbnail(data)
    except EmbeddingsError:
        return None


def _facts(facts: Mapping[str, str]) -> str:
    if not facts:
        return ""
    entries = "".join(f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>" for name, value in facts.items())
    return f'<dl class="facts">{entries}</dl>'


def _section(section: SheetSection, picture_of: Callable[[str], str | None]) -> str:
    told = f'<p class="told">{_text(section.told)}</p>\n' if section.told else ""
    return (
        '<section class="section">\n'
        f"<h2>{_text(section.heading)}</h2>\n"
        f'{told}<p class="measures">{_text(_measures(section))}</p>\n'
        f'<div class="row">\n{_query(section)}\n{_hits(section, picture_of)}\n</div>\n'
        "</section>"
    )


def _measures(section: SheetSection) -> str:
    answer = section.answer
    parts = [mode_text(answer.mode).capitalize(), f"{len(answer.hits)} hits"]
    if answer.timings_ms:
        parts.append(timings_text(answer.timings_ms))
    if section.same_items:
        num_same = sum(hit.external_id in section.same_items for hit in answer.hits)
        parts.append(f"{num_same} of the same {section.same_word}")
    return " · ".join(parts)


def _query(section: SheetSection) -> str:
    caption = _text(section.query_caption)
    if section.query_image is None:
        return (
            f'<figure class="query"><div class="photo"><span class="words">{caption}</span></div>'
            "<figcaption><strong>Query</strong></figcaption></figure>"
        )
    picture = _picture(_query_thumbnail(section.query_image), f"Query: {section.query_caption or 'a photo'}")
    return (
        f'<figure class="query"><div class="photo">{picture}</div>'
        f"<figcaption><strong>Query</strong>{caption}</figcaption></figure>"
    )


def _hits(section: SheetSection, picture_of: Callable[[str], str | None]) -> str:
    hits = section.answer.hits
    if not hits:
        return '<p class="none">No item matches.</p>'
    # Bars are as long as they can be: the section's largest share fills its track. The numbers are the shares.
    full_share = max((reason.share for hit in hits for reason in hit.why), default=0.0)
    word = section.same_word
    cards = [
        _hit(
            hit,
            picture_of,
            full_share,
            word if hit.external_id in section.same_items else None,
            show_score=section.show_scores,
        )
        for hit in hits
    ]
    return f'<ol class="hits">\n{chr(10).join(cards)}\n</ol>'


def _hit(
    hit: Hit, picture_of: Callable[[str], str | None], full_share: float, same: str | None, *, show_score: bool
) -> str:
    mark = "" if same is None else f'<span class="mark">same {_text(same)}</span>'
    score = f'<span class="score">score {hit.score:.3f}</span>' if show_score else ""
    reasons = "".join(_reason(reason, full_share) for reason in hit.why)
    why = f'<ul class="why" aria-label="Why it matches">{reasons}</ul>' if reasons else ""
    return (
        f'<li class="hit{"" if same is None else " same"}"><article>'
        f'<div class="photo">{_picture(picture_of(hit.image_sha256), hit.title)}{mark}</div>'
        f'<p class="standing"><span class="rank">{hit.rank}</span>{score}</p>'
        f"<h3>{_linked_title(hit)}</h3>"
        f"{_offer(hit)}{why}</article></li>"
    )


def _picture(source: str | None, description: str) -> str:
    if source is None:
        return f'<span class="missing">{_UNSHOWN}</span>'
    return f'<img src="{source}" alt="{_text(description)}">'


def _linked_title(hit: Hit) -> str:
    title = _text(hit.title) or _text(hit.external_id)
    if hit.link is None or not _is_web_address(hit.link):
        return title
    return f'<a href="{_text(hit.link)}" rel="noopener noreferrer nofollow">{title}</a>'


def _is_web_address(link: str) -> bool:
    """Whether the link may be one to click: a feed may hold any text, ``javascript:`` included."""
    try:
        return urlsplit(link.strip()).scheme.lower() in {"http", "https"}
    except ValueError:
        return False


def _offer(hit: Hit) -> str:
    parts = [f"<b>{_text(price_text(hit.price))}</b>"] if hit.price is not None else []
    if hit.availability is not Availability.IN_STOCK:
        parts.append(_text(availability_text(hit.availability)))
    return f'<p class="offer">{" · ".join(parts)}</p>' if parts else ""


def _reason(reason: Reason, full_share: float) -> str:
    group, separator, value = plain_text(reason.attribute).partition("=")
    name = f'<span class="group">{_text(group)}</span> {_text(value)}' if separator else _text(group)
    width = 100 * reason.share / full_share if full_share > 0 else 0
    return (
        f'<li><span class="name">{name}</span><span class="share">{share_text(reason.share)}</span>'
        f'<span class="track" aria-hidden="true"><span style="width:{width:.0f}%"></span></span></li>'
    )


def _text(text: str) -> str:
    """Text as HTML: one line, safe inside elements and quoted attributes."""
    return escape(plain_text(text), quote=True)


def _template(name: str) -> str:
    return files("cli").joinpath("templates", name).read_text(encoding="utf-8")
