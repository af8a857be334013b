"""Feeds in UTF-16 and Windows-1252: known while they are read, and no text is taken for what it is not."""

from __future__ import annotations

import codecs
import contextlib
import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catalog.errors import FeedUnreadable
from catalog.feeds import Encoding, open_feed
from catalog.types import ProductRecord, RowError

HEADER = "id,title,image\n"
NOTE_1252 = "The feed is not in UTF-8 and was read as Windows-1252."


def read(folder, data, name="feed.csv"):
    """Items, encoding and notes of a feed of these bytes."""
    path = Path(folder) / name
    path.write_bytes(data)
    with open_feed(path) as feed:
        items = list(feed)
        assert feed.position == feed.num_bytes == len(data)
        return items, feed.encoding, feed.notes


def titles_of(items):
    return [item.title for item in items if isinstance(item, ProductRecord)]


def errors_of(items):
    return [item for item in items if isinstance(item, RowError)]


@pytest.mark.parametrize(("mark", "codec"), [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_utf_16_is_read_in_either_order_of_bytes(tmp_path, mark, codec, line_end):
    """Spreadsheets call it Unicode text; lines end where they end in UTF-8, and U+0A0D and U+0D0A end none."""
    lines = ["id\ttitle\timage", "1\tRobe d’été ਊ 👗\ta.jpg", "", "2\tBlue\tb.jpg"]
    items, encoding, notes = read(tmp_path, mark + line_end.join(lines).encode(codec), "feed.txt")
    assert [(item.line, item.title) for item in items] == [(2, "Robe d’été ਊ 👗"), (4, "Blue")]
    assert (encoding, notes) == (Encoding.UTF_16, ("The feed is in UTF-16.",))


def test_half_a_character_of_utf_16_is_an_error_of_its_row(tmp_path):
    """Half of a surrogate pair within a title, and a last byte without its second."""
    data = codecs.BOM_UTF16_LE + f"{HEADER}1,R\ud800d,a.jpg\n2,Blue,b.jpg\n3,Red,c.jpg".encode(
        "utf-16-le", errors="surrogatepass"
    )
    items, _, _ = read(tmp_path, data + b"g")
    assert [(error.line, error.column) for error in errors_of(items)] == [(2, "title"), (4, "image")]
    assert errors_of(items)[0].found.startswith("half of a surrogate pair in 'R")
    assert titles_of(items) == ["Blue"]
    header = codecs.BOM_UTF16_LE + "id,title,image,\ud800\n".encode("utf-16-le", errors="surrogatepass")
    with pytest.raises(FeedUnreadable) as caught:
        read(tmp_path, header)
    assert caught.value.received == "half of a character at character 16 of line 1"


def test_windows_1252_is_read_with_a_note(tmp_path):
    """Letters, the typographic signs that Latin-1 does not have, and an image whose name has an accent."""
    items, encoding, notes = read(tmp_path, f"{HEADER}1,Robe d’été – 5 € ™,été.jpg\n2,Größe,b.jpg\n".encode("cp1252"))
    assert titles_of(items) == ["Robe d’été – 5 € ™", "Größe"]
    assert items[0].images[0].source == "été.jpg"
    assert (encoding, notes) == (Encoding.WINDOWS_1252, (NOTE_1252,))


def test_windows_1252_in_the_header_and_in_json_lines(tmp_path):
    """Names of columns are decoded as values are."""
    items, _, _ = read(tmp_path, "id,title,image,größe\n1,Red,a.jpg,M\n".encode("cp1252"))
    assert items[0].raw["größe"] == "M"
    items, _, notes = read(tmp_path, '{"id": 1, "title": "Été", "image": "a.jpg"}\n'.encode("cp1252"), "feed.jsonl")
    assert (titles_of(items), notes) == (["Été"], (NOTE_1252,))


def test_first_accent_may_come_late(tmp_path):
    """Until there all bytes are ASCII, of which 1.5 MB say nothing; what follows the first accent decides."""
    rows = "".join(f"{number},A plain red dress,{number}.jpg\n" for number in range(45_000))
    start = (HEADER + rows).encode()
    assert len(start) > 2**20
    items, encoding, _ = read(tmp_path, start + "x,Été,a.jpg\n".encode("cp1252"))
    assert (titles_of(items)[-1], encoding) == ("Été", Encoding.WINDOWS_1252)
    items, encoding, notes = read(tmp_path, start + b"x,\xe9t\xe9,a.jpg\n" + "y,Été,a.jpg\n".encode() * 100)
    assert [error.line for error in errors_of(items)] == [45_002]
    assert (encoding, notes) == (Encoding.UTF_8, ())


@pytest.mark.parametrize("offset", range(2**17 - 4, 2**17 + 4))
def test_characters_on_the_border_of_what_is_read_at_once_stay_whole(tmp_path, offset):
    """A first é in UTF-8 that begins with the last byte of a chunk is no single byte."""
    filling = "x" * (offset - len(HEADER) - len("1,Red,a.jpg,") - 100)
    rows = [f"1,Red,{filling[:900]}.jpg\n"]
    data = HEADER.encode() + "".join(rows).encode()
    number = 2
    while len(data) < offset - 200:
        data += f"{number},Red,{'x' * 80}.jpg\n".encode()
        number += 1
    data += b"last," + b"x" * (offset - len(data) - 5) + "é,a.jpg\n".encode()
    items, encoding, _ = read(tmp_path, data)
    assert (titles_of(items)[-1][-1], encoding, errors_of(items)) == ("é", Encoding.UTF_8, [])


@pytest.mark.parametrize(
    ("what", "text", "codec"),
    [
        ("bytes that Windows-1252 does not define", b"1,\x8fa va,a.jpg\n", None),
        ("Cyrillic", "1,Красное платье,a.jpg\n", "cp1251"),
        ("Polish", "1,Cała różowa,a.jpg\n2,Biała małpa,b.jpg\n", "cp1250"),
        ("DOS", "1,Rote Größe für Mädchen,a.jpg\n", "cp850"),
        ("DOS without ü", "1,Kleid für die Größe,a.jpg\n2,Röcke in Größen,a.jpg\n", "cp437"),
    ],
)
def test_other_code_pages_are_no_windows_1252(tmp_path, what, text, codec):
    """They would come out as other letters; every such row is an error, which names the byte."""
    items, encoding, notes = read(tmp_path, HEADER.encode() + (text if codec is None else text.encode(codec)))
    assert titles_of(items) == []
    assert {error.expected for error in errors_of(items)} == {"text encoded as UTF-8"}
    assert (encoding, notes) == (Encoding.UTF_8, ())


def test_accidents_do_not_make_a_feed_utf_8(tmp_path):
    """É® and é, space, » of Windows-1252 are characters in UTF-8: among 50 others they are taken for what they are."""
    text = HEADER + "1,CAFÉ® 2\u00a0€,a.jpg\n2,doublé\u00a0» à pois,b.jpg\n" + "3,Été,c.jpg\n" * 20
    items, encoding, _ = read(tmp_path, text.encode("cp1252"))
    assert encoding is Encoding.WINDOWS_1252
    assert titles_of(items)[:2] == ["CAFÉ® 2 €", "doublé » à pois"]
    alone, encoding, _ = read(tmp_path, (HEADER + "3,été,c.jpg\n1,CAFÉ®,a.jpg\n").encode("cp1252"))
    assert (titles_of(alone), encoding) == (["été", "CAFÉ®"], Encoding.WINDOWS_1252)


def test_later_lines_that_contradict_windows_1252_are_errors(tmp_path):
    """A line in UTF-8, one with both, and a byte that is not defined; each with its own line number."""
    start = (HEADER + "1,Été,a.jpg\n" + "2,Robe d’été,b.jpg\n" * 70_000).encode("cp1252")
    assert len(start) > 2**20 + 2**17
    later = "3,Été,c.jpg\n".encode() + b"4,\xe9t\xe9,\xc3\xa9.jpg\n" + b"5,\x81,e.jpg\n6,\xe9,f.jpg\n"
    items, encoding, notes = read(tmp_path, start + later)
    assert [(error.line, error.column, error.found[:9]) for error in errors_of(items)] == [
        (70_003, "title", "byte 0xC3"),
        # Of a row, the first such byte is named.
        (70_004, "title", "byte 0xE9"),
        (70_004, "image", "byte 0xE9"),
        (70_005, "title", "byte 0x81"),
    ]
    assert all(error.expected.startswith("text encoded as Windows-1252") for error in errors_of(items))
    assert titles_of(items)[-1] == "é"
    assert (encoding, notes) == (Encoding.WINDOWS_1252, (NOTE_1252,))


def test_broken_row_of_windows_1252_shows_its_text(tmp_path):
    """The start of a row that cannot be split is decoded, too."""
    items, _, _ = read(tmp_path, f'{HEADER}1,"Été" x,a.jpg\n2,Été,b.jpg\n'.encode("cp1252"))
    assert "in a row that starts '1,\"Été\" x,a.jpg'" in errors_of(items)[0].found


TEXT = st.lists(
    st.sampled_from(["1,Red,a.jpg\n", "\r\n", "\n", "\r", '"', ",", "é", "€", "👗", "\u0a0d", "\u2028", "{}", " "])
    | st.text(st.characters(codec="utf-8"), max_size=5),
    max_size=40,
).map("".join)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["", HEADER, "id\ttitle\timage\n", "{"]), TEXT, st.sampled_from(["le", "be"]), st.booleans())
@example("", "🀀", "le", False)  # Its first byte is that of "<".
def test_utf_16_gives_what_utf_8_gives(header, text, order, is_packed):
    """Whatever the text: the same items, or the same refusal; also in gzip."""
    mark = {"le": codecs.BOM_UTF16_LE, "be": codecs.BOM_UTF16_BE}[order]
    in_utf_16 = mark + (header + text).encode(f"utf-16-{order}")
    with TemporaryDirectory() as folder:
        outcomes = []
        for data in (codecs.BOM_UTF8 + (header + text).encode(), gzip.compress(in_utf_16) if is_packed else in_utf_16):
            try:
                outcomes.append(read(folder, data)[0])
            except FeedUnreadable as error:
                outcomes.append([error.received, error.expected])
    assert outcomes[0] == outcomes[1]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["été", "Größe", "señora", "l’", " ", "5 €", "Ça", "CAFÉ"]), max_size=30).map("".join))
def test_western_text_in_windows_1252_reads_as_written(words):
    """Whatever words a title is made of, in a feed of which they are not the only ones."""
    with TemporaryDirectory() as folder:
        items, _, _ = read(folder, f"{HEADER}1,Été,a.jpg\n2,x{words}x,b.jpg\n".encode("cp1252"))
    assert titles_of(items) == ["Été", " ".join(f"x{words}x".split())]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=5), st.integers(0, 5)), min_size=1, max_size=4))
def test_damaged_utf_16_is_rows_or_an_unreadable_feed(damages):
    """Bytes replaced, put in or cut out anywhere: nothing is raised but FeedUnreadable."""
    data = codecs.BOM_UTF16_LE + (HEADER + "1,Robe d’été 👗,a.jpg\n" * 5).encode("utf-16-le")
    for share, replacement, num_removed in damages:
        at = int(share * len(data))
        data = data[:at] + replacement + data[at + num_removed :]
    with TemporaryDirectory() as folder, contextlib.suppress(FeedUnreadable):
        items, _, _ = read(folder, data)
        for item in items:
            (item.found if isinstance(item, RowError) else item.title).encode()
