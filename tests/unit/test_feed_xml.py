"""Google Merchant Center feeds in XML: RSS and Atom, as they should be and as they are."""

from __future__ import annotations

import contextlib
import gzip
import html
import io
import json
import time
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.errors import FeedUnreadable
from catalog.feeds import Encoding, FeedFormat, ReadingOptions, open_feed
from catalog.feeds.encodings import EncodedText
from catalog.feeds.xml_pieces import XmlPieces
from catalog.types import Availability, DialectName, Outcome, Price, ProductRecord, RowError
from tests.unit.test_feed_laws import assert_storable

FIXTURES = Path(__file__).parents[1] / "fixtures" / "feeds"
NAMESPACE = 'xmlns:g="http://base.google.com/ns/1.0"'


def read(path, **options):
    with open_feed(path, **options) as feed:
        items = list(feed)
    products = {item.external_id: item for item in items if isinstance(item, ProductRecord)}
    return products, [item for item in items if isinstance(item, RowError)], feed


def item(number=1, more=""):
    return (
        f"<item><g:id>{number}</g:id><title>T</title><g:image_link>https://i.example/{number}.jpg</g:image_link>"
        f"{more}</item>"
    )


def rss(*items, declaration="", root=f"<rss {NAMESPACE}>"):
    return f"{declaration}{root}<channel><title>Shop</title>{''.join(items)}</channel></rss>"


def read_text(tmp_path, text, name="feed.xml", **options):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path, **options)


def test_rss_half_broken():
    """Broken items cost themselves; comments, sections and what is no item are left alone; lines are exact."""
    products, errors, feed = read(FIXTURES / "google-rss.xml")
    assert feed.dialect.name == DialectName.GOOGLE
    assert feed.layout.format is FeedFormat.XML
    assert feed.read_as == "a Google Merchant Center feed (XML in UTF-8)"
    assert (feed.num_rows, feed.num_failed_rows, feed.num_products) == (5, 2, 2)
    assert feed.position == feed.num_bytes
    assert list(products) == ["H9", "K1/blau"]
    dress = products["K1/blau"]
    assert (dress.line, dress.title, dress.category) == (9, "Wickelkleid", ("Damen", "Kleider"))
    assert dress.description == "Weich & fließend, Größe S.\nist ein Etikett."
    assert dress.link == "https://shop.example/k1?farbe=blau&groesse=s"
    assert dress.price == Price(Decimal("1089.90"), "EUR")
    assert dress.attributes == ("ausschnitt=v-ausschnitt", "color=blau", "size=s")
    assert [image.source[20:] for image in dress.images] == ["k1,w_900.jpg", "k1,back.jpg", "k1-side.jpg"]
    assert dress.raw["variants"][0]["gtin"] == "0400638123457"
    assert dress.raw["variants"][0]["shipping"] == {"country": "DE", "price": "4.90 EUR"}
    # The name of a field of Google's counts before RSS's own.
    assert products["H9"].title == "Filzhut grün"
    assert products["H9"].raw["rss:title"] == "Hut"
    assert products["H9"].description == "Ein Hut über alles."
    told = [(error.line, error.outcome, error.external_id) for error in errors if error.column is None]
    assert told == [
        (9, Outcome.MENDED, None),
        (34, Outcome.MENDED, None),
        (42, Outcome.ROW_SKIPPED, "B1"),
        (47, Outcome.ROW_SKIPPED, "B2"),
    ]
    mended, named, mismatched, unclosed = [error for error in errors if error.column is None]
    assert "farbe=blau&groesse" in mended.found
    assert "&nbsp;" in named.found
    assert mismatched.found.startswith("broken XML (mismatched tag on line 44, near ")
    assert unclosed.found.startswith("no end tag before the next <item>, on line 50, in ")


def test_atom():
    """The address of a link, the summary or the content as description, its id where Google's is missing."""
    products, errors, feed = read(FIXTURES / "google-atom.xml")
    assert errors == []
    assert feed.unused_columns == ("link edit", "atom:id")
    assert list(products) == ["tag:shop.example,2026:9", "H10"]
    felt, straw = products.values()
    assert (felt.title, felt.link) == ("Filzhut, grün", "https://shop.example/h9?a=1&b=2")
    assert felt.description == "Ein Hut für Übergänge."
    assert (felt.price, felt.availability) == (Price(Decimal("79.90"), "EUR"), Availability.IN_STOCK)
    assert straw.description == "Aus Stroh."
    assert (felt.line, straw.line) == (6, 16)


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("name", ["google-rss.xml", "google-atom.xml"])
def test_pieces_are_the_same_however_the_bytes_arrive(tmp_path, monkeypatch, name, chunk_bytes):
    """No markup is missed where one read ends and the next begins."""
    data = (FIXTURES / name).read_bytes().replace(b"\n", b"\r\n")

    def pieces():
        reader = XmlPieces(tmp_path, EncodedText(io.BytesIO(data)), 2**20)
        return list(reader), reader.position

    whole = pieces()
    monkeypatch.setattr("catalog.feeds.xml_pieces._CHUNK_BYTES", chunk_bytes)
    assert pieces() == whole


@pytest.mark.parametrize(
    ("declared", "encoding", "read_as", "notes"),
    [
        ("UTF-8", "utf-8", Encoding.UTF_8, ()),
        ("UTF-8", "utf-8-sig", Encoding.UTF_8, ()),
        ("", "utf-8", Encoding.UTF_8, ()),
        ("UTF-16", "utf-16", Encoding.UTF_16, ("The feed is in UTF-16.",)),
        ("ISO-8859-1", "iso-8859-1", Encoding.WINDOWS_1252, ()),
        ("windows-1252", "cp1252", Encoding.WINDOWS_1252, ()),
        ("utf-8", "cp1252", Encoding.WINDOWS_1252, ("The feed is not in UTF-8 and was read as Windows-1252.",)),
        ("latin1", "utf-8", Encoding.UTF_8, ("The feed says that it is in latin1 and was read as UTF-8.",)),
    ],
)
def test_encodings(tmp_path, declared, encoding, read_as, notes):
    """By the declaration, the byte order mark, and what the bytes evidently are."""
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    text = rss(item(1, "<g:brand>Müller</g:brand>"), declaration=declaration)
    products, errors, feed = read_text(tmp_path, text.encode(encoding))
    assert errors == []
    assert products["1"].attributes == ("brand=müller",)
    assert feed.encoding == read_as
    assert feed.notes == notes
    assert feed.position == feed.num_bytes


@pytest.mark.parametrize(
    ("data", "received"),
    [
        (rss(item(), declaration='<?xml version="1.0" encoding="Shift_JIS"?>').encode(), "encoding=Shift_JIS"),
        (rss(item(), declaration='<?xml version="1.0" encoding="nonsense"?>').encode(), "encoding=nonsense"),
        (rss(item()).encode("utf-16-le"), "UTF-32, UTF-16 without a byte order mark"),
        (rss(item()).encode("utf-32"), "UTF-32, UTF-16 without a byte order mark"),
        (b"<!DOCTYPE html><html><body><form>Login", "an HTML page"),
        (b"\n<!doctype HTML PUBLIC '-//W3C//DTD HTML 4.01//EN'>\n<html>", "an HTML page"),
        (b"<HTML><head><title>Login</title></head></html>", "an HTML page"),
        (b"<products><product><id>1</id></product></products>", "a document <products> without <item> or <entry>"),
        (b"<!-- nothing -->", "an end of the file, on line 1, within the document"),
        (b"<", "an end of the file"),
        (b"<rss><channel><item><title>News</title><link>https://x.example</link><guid>7</guid></item></channel></rss>",
         "title, link, guid in its first <item>, on line 1"),
    ],
)  # fmt: skip
def test_what_is_no_feed_is_unreadable_with_what_it_is(tmp_path, data, received):
    """Shops often give the address of a login page, or a feed of their blog."""
    with pytest.raises(FeedUnreadable) as caught:
        read_text(tmp_path, data)
    assert caught.value.received.startswith(received)
    assert "feed.xml" in caught.value.message
    assert caught.value.expected


BILLION_LAUGHS = "<!DOCTYPE rss [\n<!ENTITY a0 'ha'>" + "".join(
    f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("declaration", "use"),
    [
        (f"{BILLION_LAUGHS}]>", "&a9;"),
        (f"<!DOCTYPE rss [<!ENTITY big '{'x' * 50_000}'>]>", "&big;" * 1000),
        ('<!DOCTYPE rss [<!ENTITY secret SYSTEM "file:///etc/passwd">]>', "&secret;"),
        ('<!DOCTYPE rss [<!ENTITY % remote SYSTEM "http://127.0.0.1:9/x.dtd"> %remote;]>', "x"),
        ('<!DOCTYPE rss SYSTEM "http://127.0.0.1:9/x>y.dtd" [<!ENTITY a "b">]>', "&a;"),
        ('<!ENTITY a "b">', "&a;"),
        ("<!DOCTYPE rss " + "x" * 100_000, "x"),
    ],
    ids=["billion laughs", "quadratic", "external", "parameter", "external with own rules", "stray", "endless"],
)
def test_entities_of_the_feeds_own_are_refused(tmp_path, declaration, use):
    """Before anything of it is read, at once, with what to do."""
    started = time.process_time()
    with pytest.raises(FeedUnreadable) as caught:
        read_text(tmp_path, rss(item(1, f"<g:brand>{use}</g:brand>"), declaration=declaration))
    assert "declares entities" in caught.value.message
    assert "<!DOCTYPE" in caught.value.remedy
    assert time.process_time() - started < 1


def test_entities_declared_between_items_are_refused(tmp_path):
    """A declaration counts wherever it stands outside of items."""
    with pytest.raises(FeedUnreadable, match="declares entities"):
        read_text(tmp_path, rss(item(1), '<!DOCTYPE rss [<!ENTITY a "b">]>', item(2)))


def test_declarations_within_an_item_are_broken_xml(tmp_path):
    """They cost the item, and nothing is expanded or read."""
    inside = '<!DOCTYPE g [<!ENTITY a SYSTEM "file:///etc/passwd">]><g:brand>&a;</g:brand>'
    products, errors, _ = read_text(tmp_path, rss(item(1, inside), item(2)))
    assert list(products) == ["2"]
    (skipped,) = errors
    assert skipped.found.startswith("broken XML")


def test_names_that_nobody_declared_are_text(tmp_path):
    """No entity stands for anything but XML's five and the named characters of HTML."""
    products, errors, _ = read_text(tmp_path, rss(item(1, "<g:brand>&secret; &eacute;&amp;&LT;b</g:brand>")))
    assert products["1"].attributes == ("brand=&secret; é&<b",)
    assert [error.outcome for error in errors] == [Outcome.MENDED]


def test_document_type_without_rules_and_instructions_are_ignored(tmp_path):
    """What they name is never fetched: nothing listens there, and nothing is waited for."""
    declaration = (
        '<?xml version="1.0"?><!DOCTYPE rss PUBLIC "-//Old//DTD RSS 0.91//EN" "http://127.0.0.1:9/rss.dtd">'
        '<?xml-stylesheet href="http://127.0.0.1:9/style.xsl"?>'
    )
    include = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>'
    products, errors, _ = read_text(tmp_path, rss(item(1, f"{include}<?php echo 1 ?>"), declaration=declaration))
    assert errors == []
    assert products["1"].raw["xi:include"] == "file:///etc/passwd"


@pytest.mark.parametrize(
    ("inside", "found"),
    [
        ("<a>" * 100_000 + "</a>" * 100_000, "elements nested more than 32 deep"),
        ("<a>" * 40 + "</a>" * 40, "elements nested more than 32 deep"),
        ("<a " + " ".join(f'b{n}="1"' for n in range(20_000)) + "/>", "an element 'a' with 20000 attributes"),
        ("<g:brand>\x0b</g:brand>", "broken XML (not well-formed (invalid token) on line 1"),
        ("<g:brand>&#0;</g:brand>", "broken XML (reference to invalid character number on line 1"),
        ("<g:brand>", "broken XML (mismatched tag on line 1"),
        ("<g:brand x='1' x='2'/>", "broken XML (duplicate attribute on line 1"),
        ("<g:brand>a < b</g:brand>", "broken XML (not well-formed (invalid token) on line 1"),
        ("<!-- no end", "a comment that has not ended before the next <item>, on line 1"),
        ("<title><![CDATA[no end</title>", "a CDATA section that has not ended before the next <item>, on line 1"),
        ("x" * 2**20, "an item of 1,048,6"),
    ],
)
def test_an_item_at_fault_costs_itself(tmp_path, inside, found):
    """The items around it are taken."""
    products, errors, feed = read_text(tmp_path, rss(item(1), item(2, inside), item(3)))
    assert list(products) == ["1", "3"]
    (error,) = errors
    assert error.found.startswith(found)
    assert error.outcome is Outcome.ROW_SKIPPED
    assert (feed.num_rows, feed.num_failed_rows) == (3, 1)


@pytest.mark.parametrize(("start", "end"), [("<![CDATA[", "]]>"), ("<!--", "-->")])
def test_items_within_a_section_are_text_of_it(tmp_path, start, end):
    """However long it is, where it ends; one that was not ended costs its own item, not those after it."""
    # 40,000 times 13 bytes: longer than what is read at a time.
    text = f"<g:mpn>{start}{'<item></item>' * 40_000}{end}M</g:mpn>"
    products, errors, _ = read_text(tmp_path, rss(item(1, text), item(2)))
    assert (list(products), errors) == (["1", "2"], [])
    assert products["1"].raw["mpn"] == ("<item></item>" * 40_000 + "M" if start == "<![CDATA[" else "M")
    closed = f"<g:mpn>{start}x{end}M</g:mpn>"
    products, (error,), feed = read_text(tmp_path, rss(*(item(n, closed) for n in (1, 2, 3))).replace(end, "", 1))
    assert (list(products), feed.num_rows) == (["2", "3"], 3)
    assert "that has not ended before the next <item>" in error.found


def test_bytes_of_another_encoding_cost_their_item(tmp_path):
    """They are told with their own line and byte."""
    good = item(1, "<g:brand>Müller</g:brand>").encode() * 30
    data = rss("\n@", item(3)).encode().replace(b"@", good + b"<item>\n<g:id>2</g:id>\r\n<title>M\xe9</title></item>")
    _, errors, feed = read_text(tmp_path, data)
    (bad,) = [error for error in errors if error.found.startswith("byte")]
    assert (bad.line, bad.found, bad.external_id) == (2, "byte 0xE9 at byte 9 of line 4", "2")
    assert feed.encoding is Encoding.UTF_8


def test_an_end_tag_without_its_start_is_told(tmp_path):
    """The fields before it belong to an item that nobody can find."""
    products, (error,), feed = read_text(tmp_path, rss(item(1), "<itm><g:id>2</g:id></item>", item(3)))
    assert list(products) == ["1", "3"]
    assert error.found == "an end tag </item> without its start, in '</item>'"
    assert (feed.num_rows, feed.num_failed_rows) == (3, 1)


@pytest.mark.parametrize(
    ("end", "within"),
    [
        (item(2), "the document"),
        ("<item><g:id>2</g:id>", "<item> that starts on line 2"),
        ("<item", "<item> that starts on line 2"),
        ("<item><title><![CDATA[x", "<item> that starts on line 2"),
        ("<!-- x", "a comment that starts on line 2"),
        ("</channel>", "the document"),
        ("</channel></rs", "the document"),
    ],
)
def test_feed_that_is_cut_off(tmp_path, end, within):
    """As a damaged archive: what was read counts, and then the feed is unreadable, so that nothing is removed."""
    path = tmp_path / "feed.xml"
    path.write_text(f"<rss {NAMESPACE}><channel>{item(1)}\n{end}")
    items = []
    with open_feed(path) as feed, pytest.raises(FeedUnreadable) as caught:
        items.extend(feed)
    assert "is not complete" in caught.value.message
    assert caught.value.received.endswith(f"within {within}")
    assert items[0].external_id == "1"
    cut = [one for one in items if isinstance(one, RowError)]
    assert len(cut) == within.startswith("<item>")


def test_feed_of_one_line(tmp_path):
    """Its items are told apart all the same: each failed one counts, and an id that comes again is an error."""
    items = [item(1), item(2, "<g:brand>"), item(2, "</g:brand>"), item(1), item("", ""), item("", ""), item(4)]
    products, errors, feed = read_text(tmp_path, rss(*items))
    assert list(products) == ["1", "4"]
    assert {error.line for error in errors} == {1}
    assert [error.place for error in errors] == [1, 2, 3, 4, 5]
    assert errors[2].found == "1, as earlier on this line"
    assert (feed.num_rows, feed.num_failed_rows, feed.num_products) == (7, 5, 2)


def test_feed_without_items(tmp_path):
    """Is a feed all the same."""
    products, errors, feed = read_text(tmp_path, rss())
    assert (products, errors, feed.num_rows) == ({}, [], 0)


@pytest.mark.parametrize(
    "text",
    [
        rss(item(), root="<rss>"),
        rss(item(), root='<rss xmlns:g="https://base.google.com/ns/1.0/">'),
        rss(item().replace("g:", ""), root="<rss>"),
        rss(item().replace("g:", "x:"), root='<rss xmlns:x="http://base.google.com/ns/1.0">'),
        rss(item().replace("<item>", f"<item {NAMESPACE}>"), root="<rss>"),
        rss(item().replace("g:", ""), root='<rss xmlns="http://base.google.com/ns/1.0">'),
        f"<rdf:RDF xmlns:rdf='x' {NAMESPACE}><channel/>{item()}</rdf:RDF>",
        f"<a:feed xmlns:a='http://www.w3.org/2005/Atom' {NAMESPACE}>{item().replace('item', 'a:entry')}</a:feed>",
        item().replace("<item>", f"<item {NAMESPACE}>"),
    ],
)
def test_namespaces_and_roots(tmp_path, text):
    """Whatever the prefix, wherever it is declared, or not at all."""
    products, errors, _ = read_text(tmp_path, text)
    assert errors == []
    assert list(products) == ["1"]


def test_packed_and_misnamed(tmp_path):
    """As other feeds: in gzip, and under a name that promises something else."""
    products, _, feed = read_text(tmp_path, gzip.compress(rss(item()).encode(), mtime=0), "feed.xml.gz")
    assert list(products) == ["1"]
    assert feed.read_as == "a Google Merchant Center feed (XML in UTF-8, packed as gzip)"
    _, _, feed = read_text(tmp_path, rss(item()), "feed.csv")
    assert feed.notes == ("The feed is named as CSV and was read as XML.",)


def test_another_dialect_is_never_xml(tmp_path):
    """Asking for it is refused with what it can be."""
    with pytest.raises(FeedUnreadable) as caught:
        read_text(tmp_path, rss(item()), options=ReadingOptions(DialectName.DRAPE))
    assert caught.value.received == "XML"


def test_many_faults_take_linear_time(tmp_path):
    """Markup that never ends is looked for once, not from every place where it starts."""
    for piece in (
        "<!--",
        "<item><!--",
        "<item><![CDATA[",
        "<item><![CDATA[ <item> ]]>",
        "<item><!--<item><![CDATA[",
        "<item>",
        "<![CDATA[",
        "<a",
        "<?",
        "<item",
        "&",
        "</item>",
    ):
        text = rss(item(1), piece * (2**18 // len(piece)))
        started = time.process_time()
        with contextlib.suppress(FeedUnreadable):
            read_text(tmp_path, text)
        assert time.process_time() - started < 2, piece


FIELD_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)
MARKED = FIELD_TEXT | st.sampled_from(["]]>", "<b>", "&amp;", "</item>", "<item>", "<!--", "a & b", "'\"", "]]"])
FACTS = st.tuples(FIELD_TEXT, MARKED, MARKED.filter(lambda text: "<" not in text and "&" not in text))


@settings(max_examples=100, deadline=None)
@given(st.lists(FACTS, max_size=5, unique_by=lambda facts: facts[0]), st.booleans())
def test_written_products_read_back_equal(facts, in_section):
    """Whatever valid texts an item has, as references or in sections, they come back."""

    def field(name, text):
        if in_section:
            return f"<g:{name}><![CDATA[{text.replace(']]>', ']]]]><![CDATA[>')}]]></g:{name}>"
        return f"<g:{name}>{html.escape(text)}</g:{name}>"

    items = [
        f"<item>{field('id', number)}{field('title', title)}{field('image_link', 'https://i.example/a.jpg')}"
        f"{field('mpn', mpn)}</item>"
        for number, title, mpn in facts
    ]
    with TemporaryDirectory() as folder:
        products, errors, _ = read_text(Path(folder), rss(*items))
    assert errors == []
    assert [(key, product.title, product.raw["mpn"]) for key, product in products.items()] == facts


PIECES = st.sampled_from(
    [b"<", b">", b"&", b"</item>", b"<item>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"\x00", b"\xe9", b"\xef\xbf\xbe",
     b"<!DOCTYPE", b"</rss>", b"<?", b'"', b"\r", b"&nbsp;", b"&#0;", b"xmlns='x'", b"/>", b"<entry>"]
)  # fmt: skip
FIXTURE_NAMES = st.sampled_from(["google-rss.xml", "google-atom.xml"])
CHANGES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), PIECES), max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["google-rss.xml", "google-atom.xml"]),
    CHANGES,
    st.sampled_from([300, 2**20]),
    st.booleans(),
    st.booleans(),
)
def test_any_damage_is_rows_or_an_unreadable_feed(name, changes, max_row_bytes, is_utf_16, is_one_line):
    """Whatever happens to a feed, nothing but FeedUnreadable is raised, and every row is part of a product or told."""
    data = (FIXTURES / name).read_bytes()
    if is_one_line:
        data = data.replace(b"\n", b" ")
    if is_utf_16:
        data = data.decode().encode("utf-16")
    for place, num_dropped, piece in changes:
        at = int(place * len(data))
        data = data[:at] + piece + data[at + num_dropped :]
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        with contextlib.suppress(FeedUnreadable), open_feed(path, max_row_bytes=max_row_bytes) as feed:
            items = list(feed)
            for one in items:
                assert_storable(one)
            assert feed.position == len(data)
            products = [one for one in items if isinstance(one, ProductRecord)]
            num_taken = sum(len(product.raw.get("variants", [0])) for product in products)
            assert num_taken + feed.num_failed_rows == feed.num_rows
            assert json.dumps([dict(product.raw) for product in products])
