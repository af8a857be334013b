"""The result sheet: complete, safe, and true to the answer."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from PIL import Image

from catalog.ports.image_store import StoredImageMissing
from catalog.types import Availability, Hit, Price, Reason, SearchAnswer, SearchMode
from cli.result_sheet import SheetSection, result_sheet, thumbnail, write_result_sheet
from embeddings.errors import UnusableImage

VOID_ELEMENTS = {"meta", "img", "link", "br", "hr", "input", "source"}


def picture(color: tuple[int, int, int], size: tuple[int, int] = (600, 800)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, "PNG")
    return file.getvalue()


PICTURES = {hashlib.sha256(data).hexdigest(): data for data in (picture((200, 30, 40)), picture((20, 60, 200)))}
RED, BLUE = PICTURES


def load_image(sha256: str) -> bytes:
    """An image store of two pictures."""
    if sha256 not in PICTURES:
        raise StoredImageMissing("An image is not in the image store.", received=sha256)
    return PICTURES[sha256]


def hit(rank: int, **changes: object) -> Hit:
    known = Hit(
        rank=rank,
        score=1 - rank / 10,
        external_id=f"dress-{rank}",
        image_id=700 + rank,
        image_sha256=RED,
        title=f"Dress number {rank}",
        category=("Dresses",),
        attributes=(),
        price=Price(Decimal("49.90"), "EUR"),
        availability=Availability.IN_STOCK,
        link=None,
        item_group=None,
        why=(Reason("color=red", 0.3), Reason("pattern=striped", 0.15)),
    )
    return replace(known, **changes)


def answer(*hits: Hit) -> SearchAnswer:
    timings = {"embed": 30.0, "search": 2.0}
    return SearchAnswer(hits, SearchMode.RERANK, model_version="compact-1", collection="c-9", timings_ms=timings)


def sheet(*sections: SheetSection, title: str = "A title", **facts: str) -> str:
    return result_sheet(sections, load_image, title=title, facts=facts)


class Outline(HTMLParser):
    """What a browser would make of the sheet: elements with their attributes, text, and whether all tags match."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == [], "every element is closed"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID_ELEMENTS:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag, "elements are nested"

    def handle_data(self, data):
        if self._open and self._open[-1] not in {"style", "title"}:
            self.texts.extend(filter(None, [" ".join(data.split())]))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def of_class(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.elements if name in (attributes.get("class") or "").split()]


def test_everything_is_inside_the_file():
    """Pictures are data, styles are inline, there is no script, and the policy forbids to load anything."""
    page = sheet(SheetSection("q", answer(hit(1), hit(2, image_sha256=BLUE)), query_image=picture((9, 9, 9))))
    outline = Outline(page)
    assert [image["src"][:23] for image in outline.all("img")] == ["data:image/jpeg;base64,"] * 3
    assert outline.all("script") == []
    assert outline.all("link") == []
    assert "url(" not in page
    assert "@import" not in page
    assert any("default-src 'none'" in (meta.get("content") or "") for meta in outline.all("meta"))


def test_hits_stand_in_rank_order_with_their_facts():
    """Ranks, scores, titles, prices, availability other than in stock, and shares in percent."""
    section = SheetSection(
        "Like this", answer(hit(1), hit(2, availability=Availability.OUT_OF_STOCK)), told="See here."
    )
    texts = Outline(sheet(section, title="Results", Model="compact-1")).texts
    assert texts[texts.index("1") :][: texts.index("2") - texts.index("1")] == [
        *("1", "score 0.900", "Dress number 1", "49.90 EUR", "color", "red", "30 %", "pattern", "striped", "15 %")
    ]
    for text in ("Results", "Model", "compact-1", "Like this", "See here.", "score 0.800", "· out of stock"):
        assert text in texts
    mode = "Candidates by attributes, re-ranked by how much of them is shared"
    assert f"{mode} · 2 hits · 32 ms (embed 30, search 2.0)" in texts


def test_the_query_and_the_same_items_are_framed_and_named():
    """One query frame per section; hits of the same item are marked by class and in words, others are not."""
    section = SheetSection(
        "q",
        answer(hit(1), hit(2), hit(3)),
        query_image=picture((9, 9, 9)),
        same_items=frozenset({"dress-1", "dress-3"}),
    )
    outline = Outline(sheet(section))
    assert len(outline.of_class("query")) == 1
    assert ["same" in attributes["class"].split() for attributes in outline.of_class("hit")] == [True, False, True]
    assert outline.texts.count("same item") == 2
    assert any(text.endswith("2 of the same item") for text in outline.texts)


def test_bars_are_as_long_as_their_shares():
    """The section's largest share, 0.3, fills its track; 0.15 is 100 · 0.15 / 0.3 = 50 % of it."""
    page = sheet(SheetSection("q", answer(hit(1))))
    assert re.findall(r"width:(\d+)%", page) == ["100", "50"]


def test_shares_of_zero_draw_empty_bars():
    """A hit that shares nothing has no division by zero."""
    page = sheet(SheetSection("q", answer(hit(1, why=(Reason("color=red", 0.0),)))))
    assert re.findall(r"width:(\d+)%", page) == ["0"]


def test_every_picture_has_words():
    """Alternative texts say what the picture is of."""
    section = SheetSection("q", answer(hit(1)), query_image=picture((9, 9, 9)), query_caption="photo.jpg")
    assert [image["alt"] for image in Outline(sheet(section)).all("img")] == ["Query: photo.jpg", "Dress number 1"]


def test_headings_form_an_outline():
    """One h1, an h2 per query, an h3 per hit."""
    page = Outline(sheet(SheetSection("a", answer(hit(1), hit(2))), SheetSection("b", answer(hit(1)))))
    assert [tag for tag, _ in page.elements if tag in {"h1", "h2", "h3"}] == ["h1", "h2", "h3", "h3", "h2", "h3"]


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onload='x",
        "</style><b>",
        "$title ${facts}",
        "&lt;",
    ],
)
def test_hostile_texts_stay_texts(hostile):
    """Whatever a feed or a user writes is shown as written and becomes no element, attribute or placeholder."""
    section = SheetSection(
        hostile,
        answer(hit(1, title=hostile, why=(Reason(f"color={hostile}", 0.5),), price=Price(Decimal(1), hostile))),
        query_image=picture((9, 9, 9)),
        query_caption=hostile,
        told=hostile,
    )
    harmless = SheetSection(
        "x",
        answer(hit(1, title="x", why=(Reason("color=x", 0.5),), price=Price(Decimal(1), "x"))),
        query_image=picture((9, 9, 9)),
        query_caption="x",
        told="x",
    )
    page, plain = (
        Outline(result_sheet([part], load_image, title=text, facts={text: text}))
        for part, text in ((section, hostile), (harmless, "x"))
    )
    assert [(tag, set(attributes)) for tag, attributes in page.elements] == [
        (tag, set(attributes)) for tag, attributes in plain.elements
    ]
    assert hostile in page.texts


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", "/relative", "http://[", " JAVASCRIPT:x", ""]
)
def test_only_web_addresses_become_links(link):
    """Anything else a feed calls a link is left out."""
    assert Outline(sheet(SheetSection("q", answer(hit(1, link=link))))).all("a") == []


def test_a_products_link_leads_there():
    """A web address is kept, its signs escaped for HTML and read back by a browser as they were."""
    link = 'https://shop.example/p?a=1&b="2"'
    (anchor,) = Outline(sheet(SheetSection("q", answer(hit(1, link=link))))).all("a")
    assert anchor["href"] == link
    assert "noopener" in anchor["rel"]


def test_missing_and_damaged_pictures_are_said_to_be_so():
    """A picture the store does not have, and a query that is no picture, leave words in their place."""
    section = SheetSection("q", answer(hit(1, image_sha256="f" * 64), hit(2)), query_image=b"no picture")
    outline = Outline(sheet(section))
    assert len(outline.all("img")) == 1
    assert outline.texts.count("This picture cannot be shown.") == 2


def test_a_query_in_words_stands_where_the_photo_would():
    """A query without a photo shows its words in the frame."""
    outline = Outline(sheet(SheetSection("q", answer(hit(1, image_sha256=BLUE)), query_caption="red lace maxi")))
    assert "red lace maxi" in outline.texts
    assert len(outline.of_class("query")) == 1


def test_no_hits_are_said_in_words():
    """An empty answer shows its query and says that nothing matches."""
    assert "No item matches." in Outline(sheet(SheetSection("q", answer()))).texts


def test_each_picture_is_read_once():
    """Hits of several queries that show the same picture cost one read."""
    loaded: list[str] = []

    def load(sha256: str) -> bytes:
        loaded.append(sha256)
        return PICTURES[sha256]

    sections = [SheetSection("a", answer(hit(1), hit(2, image_sha256=BLUE))), SheetSection("b", answer(hit(1)))]
    result_sheet(sections, load, title="t", facts={})
    assert sorted(loaded) == sorted([RED, BLUE])


@pytest.mark.parametrize(
    ("size", "shown"),
    [((1600, 800), (320, 160)), ((300, 1200), (80, 320)), ((40, 30), (40, 30)), ((1, 5000), (1, 320))],
)
def test_thumbnails_are_small_and_keep_their_shape(size, shown):
    """The longest edge is 320 at most; small pictures are not blown up."""
    header, _, body = thumbnail(picture((200, 30, 40), size)).partition(",")
    assert header == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(body))) as image:
        assert (image.format, image.size) == ("JPEG", shown)


def test_a_thumbnail_of_no_picture_is_an_error():
    """The caller decides what to show instead."""
    with pytest.raises(UnusableImage):
        thumbnail(b"no picture")


def test_the_file_is_written_where_asked(tmp_path):
    """Folders are made, a file there is replaced, and text is UTF-8."""
    path = tmp_path / "deep" / "sheet.html"
    write_result_sheet(path, [SheetSection("Été", answer(hit(1)))], load_image, title="Résultats")
    write_result_sheet(path, [SheetSection("Hiver", answer(hit(1)))], load_image, title="Résultats")
    page = path.read_text(encoding="utf-8")
    assert "Été" not in page
    assert "<h2>Hiver</h2>" in page
    assert "<h1>Résultats</h1>" in page
    assert '<meta charset="utf-8">' in page


def contrast(first: str, second: str) -> float:
    """WCAG 2's contrast ratio of two colours (#rrggbb)."""

    def luminance(color: str) -> float:
        channels = [int(color[position : position + 2], 16) / 255 for position in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_texts_can_be_read_in_light_and_dark():
    """Every colour of text has WCAG's 4.5 to 1 on every ground it stands on, by day and by night."""
    page = sheet(SheetSection("q", answer(hit(1))))
    palettes = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{[^}]*\}", page)
    ]
    light, dark = palettes[0], {**palettes[0], **palettes[1]}
    for palette in (light, dark):
        for ink in ("ink", "soft"):
            assert contrast(palette[ink], palette["ground"]) >= 4.5
        assert contrast(palette["on-same"], palette["same"]) >= 4.5
        assert contrast(palette["same"], palette["ground"]) >= 3, "frames need 3 to 1"
