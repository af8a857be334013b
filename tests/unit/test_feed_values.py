"""What each column of a feed may hold, and what is made of it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from catalog.feeds import values
from catalog.feeds.feed_row import ValueFault, shorten
from catalog.types import Availability, FeedImage, Price
from embeddings.crop_box import CropBox


def fault_of(parse, value):
    with pytest.raises(ValueFault) as caught:
        parse(value)
    return caught.value


class TestPrice:
    @pytest.mark.parametrize(
        ("text", "amount", "currency"),
        [
            ("49.90 EUR", "49.90", "EUR"),
            ("49.90EUR", "49.90", "EUR"),
            (" 0 usd ", "0", "USD"),
            ("1200 JPY", "1200", "JPY"),
            ("12.500 KWD", "12.500", "KWD"),
            ("2147483648 EUR", "2147483648", "EUR"),
        ],
    )
    def test_amount_keeps_its_decimals_and_currency_is_upper_case(self, text, amount, currency):
        """``12.500`` stays a number of three decimals; 2^31 = 2147483648 is the largest amount."""
        price = values.parse_price(text)
        assert price == Price(Decimal(amount), currency)
        assert str(price.amount) == amount

    @pytest.mark.parametrize(
        ("text", "found", "expected"),
        [
            ("49.90", "'49.90'", "an amount and a currency"),
            ("EUR", "'EUR'", "an amount and a currency"),
            ("€ 5", "'€ 5'", "an amount and a currency"),
            ("49,90 EUR", "'49,90 EUR'", "a point before the decimals"),
            ("1,299.00 EUR", "'1,299.00 EUR'", "nothing between thousands"),
            ("-5 EUR", "'-5 EUR'", "at least 0"),
            ("−5 EUR", "'−5 EUR'", "at least 0"),
            ("5 EURO", "the currency 'EURO'", "ISO 4217"),
            ("5 ZZZ", "the currency 'ZZZ'", "ISO 4217"),
            ("NaN EUR", "'NaN EUR'", "an amount and a currency"),
            ("1e3 EUR", "'1e3 EUR'", "a point before the decimals"),
            ("٣ EUR", "'٣ EUR'", "a point before the decimals"),
            ("1.23456 EUR", "'1.23456 EUR'", "at most 4 decimals"),
            ("2147483648.01 EUR", "'2147483648.01 EUR'", "at most 2,147,483,648"),
            ("9" * 1000 + " EUR", "'99", "an amount and a currency"),
            (49.9, "49.9", "text"),
        ],
    )
    def test_anything_else_is_refused_with_what_was_found(self, text, found, expected):
        """Each fault names what stood there and what belongs there."""
        fault = fault_of(values.parse_price, text)
        assert fault.found.startswith(found)
        assert expected in fault.expected

    def test_no_price_is_none(self):
        """A product may have no price."""
        assert values.parse_price("  ") is None
        assert values.parse_price(None) is None


@pytest.mark.parametrize(
    ("text", "availability"),
    [
        ("in stock", Availability.IN_STOCK),
        ("IN_STOCK", Availability.IN_STOCK),
        ("Out of  Stock", Availability.OUT_OF_STOCK),
        ("pre-order", Availability.PREORDER),
        ("back order", Availability.BACKORDER),
        ("", Availability.IN_STOCK),
        (None, Availability.IN_STOCK),
    ],
)
def test_availability_words_in_any_case_and_spacing(text, availability):
    """Case and what stands between words do not matter; nothing means in stock."""
    assert values.parse_availability(text) is availability


def test_unknown_availability_lists_the_known_words():
    """The fault says which words there are."""
    fault = fault_of(values.parse_availability, "sold out")
    assert (fault.found, fault.expected) == ("'sold out'", "in_stock, out_of_stock, preorder, backorder")


class TestAttributes:
    def test_text_is_split_at_semicolon_or_bar_normalised_sorted_and_distinct(self):
        """A bare word belongs to the group ``tag``; empty parts and repeats are dropped."""
        assert values.parse_attributes(" Pattern: Striped|color=RED ;; lace; color=red") == (
            "color=red",
            "pattern=striped",
            "tag=lace",
        )

    def test_json_list_is_taken_item_by_item(self):
        """An item of a list is one attribute, whatever separators it holds."""
        assert values.parse_attributes(["lace", "fabric=cotton; 5% silk"]) == ("fabric=cotton; 5% silk", "tag=lace")

    def test_json_object_gives_groups_with_one_or_several_values(self):
        """Values may be text, numbers, booleans, null (none) or lists of these."""
        given = {"Color": ["Red", "Blue"], "kids": True, "size": 38, "heel": 2.5, "brand": None, "tag": []}
        assert values.parse_attributes(given) == ("color=blue", "color=red", "heel=2.5", "kids=true", "size=38")

    @pytest.mark.parametrize(
        ("value", "found"),
        [
            ("color=", "'color='"),
            ("=red", "'=red'"),
            ("a\x1bb", "'tag=a\\x1bb'"),
            (["lace", ["maxi"]], "['maxi']"),
            ({"color": {"main": "red"}}, "{'main': 'red'}"),
            ({"a=b": "c"}, "the attribute group 'a=b'"),
            ("x" * 201, "'xxx"),
            (True, "True"),
        ],
    )
    def test_what_is_no_attribute_is_refused(self, value, found):
        """The fault shows the attribute at fault, not the whole value."""
        assert fault_of(values.parse_attributes, value).found.startswith(found)

    def test_too_many_attributes_are_refused(self):
        """The bound is 500: 501 distinct ones are one too many."""
        assert len(values.parse_attributes([f"a{number}" for number in range(500)])) == 500
        assert fault_of(values.parse_attributes, [f"a{number}" for number in range(501)]).found == "501 attributes"


@pytest.mark.parametrize(
    ("value", "levels"),
    [
        ("Women > Dresses", ("Women", "Dresses")),
        (" Women>> Evening   Dresses >", ("Women", "Evening Dresses")),
        (["Women", "Dresses / Skirts"], ("Women", "Dresses / Skirts")),
        ("", ()),
        (None, ()),
    ],
)
def test_category_is_a_path_of_levels(value, levels):
    """White space is collapsed and empty levels are left out."""
    assert values.parse_category(value) == levels


@pytest.mark.parametrize("value", [["Women > Dresses"], ">".join("abcdefghijk"), "x" * 201, {"a": "b"}, "a\x07"])
def test_category_that_is_no_path_is_refused(value):
    """A level holds no ``>``; there are at most 10 levels ("a" to "k" are 11) of at most 200 characters."""
    fault_of(values.parse_category, value)


@pytest.mark.parametrize("value", [" SKU 7 ", "SKU 7"])
def test_id_is_stripped(value):
    """Space around an id is no part of it."""
    assert values.parse_id(value) == "SKU 7"


def test_json_integer_id_is_its_digits():
    """Feeds from databases have numbers for ids."""
    assert values.parse_id(7001) == "7001"
    assert values.parse_id("x" * 255) == "x" * 255


@pytest.mark.parametrize("value", ["", "  ", None, "a\nb", "a\x00", "a\u200b", "x" * 256, True, 7.5, ["a"]])
def test_unusable_id_is_refused(value):
    """An id is 1 to 255 printable characters."""
    fault_of(values.parse_id, value)


def test_title_becomes_one_line_without_control_characters():
    """Titles are shown in terminals, where control characters would be commands."""
    assert values.parse_title(" Red\r\n dress\t\x1b[31m maxi ") == "Red dress [31m maxi"
    assert fault_of(values.parse_title, "\x07 \n").found == "nothing"
    assert "1,001 characters" in fault_of(values.parse_title, "x" * 1001).found


def test_description_keeps_its_lines():
    """Every kind of line end becomes LF; tabs stay; other control characters become spaces."""
    assert values.parse_description("One\r\ntwo\rthree\tfour\x0bfive\n") == "One\ntwo\nthree\tfour five"
    assert values.parse_description(None) == ""


@pytest.mark.parametrize(
    "link", ["https://shop.example/p/7?a=b#c", "HTTP://shop.example", "http://shop.example:8080/ü"]
)
def test_web_addresses_are_links(link):
    """Links stay as they are."""
    assert values.parse_link(link) == link


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "/p/7",
        "https://",
        "https:///p/7",
        "https://user@shop.example/",
        "https://shop.example/a b",
        "https://shop.example/\x00",
        "ftp://shop.example/",
        "https://shop.example/" + "x" * 2048,
    ],
)
def test_anything_that_should_not_be_clicked_is_no_link(link):
    """A page shows links to be clicked: only http and https with a plain host are taken."""
    fault_of(values.parse_link, link)


@pytest.mark.parametrize("source", ["a.jpg", "photos/ä b.jpg", "/photos/a.jpg", "../a.jpg", "C/a:b.jpg", "a;b.jpg"])
def test_paths_are_image_sources_as_they_are(source):
    """Whether a path may be followed is decided where the file is opened."""
    assert values.parse_image_source(f" {source} ") == source


@pytest.mark.parametrize(
    "source",
    [
        "http://x/a.jpg",
        "HTTPS://x:8443/a.jpg?v=1,2&w=@home#top",
        "https://bücher.example/Mütze rot.jpg",
        "https://[2001:db8::1]/a.jpg",
        "https://x/" + "a" * 2038,
    ],
)
def test_web_addresses_are_image_sources_as_they_are(source):
    """Letters beyond ASCII and spaces are encoded by whoever fetches; an address has at most 2,048 characters."""
    assert values.parse_image_source(f" {source} ") == source
    assert FeedImage(source, 0).is_address


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("//cdn.example/a.jpg", "the address '//cdn"),
        ("file:///a.jpg", "an address with file:"),
        ("data:image/png;base64,AA", "an address with data:"),
        ("ftp://x/a.jpg", "an address with ftp:"),
        ("https:///a.jpg", "the address"),
        ("https:a.jpg", "the address"),
        ("https://x\\@y/a.jpg", "an address with a user name or password"),
        ("https://a:secret@x/a.jpg", "an address with a user name or password"),
        ("https://x/a\tb.jpg", "'https://x/a"),
        ("https://x/" + "a" * 2039, "2,049 characters"),
        ("https://x/" + "é" * 1300, "'https://x/é"),
    ],
)
def test_other_addresses_are_no_image_sources(source, found):
    """The fault says what is taken, and never shows a password."""
    fault = fault_of(values.parse_image_source, source)
    assert found in fault.found
    assert "secret" not in fault.found
    assert not FeedImage("https.jpg", 0).is_address


@pytest.mark.parametrize("source", ["", None, "a\nb.jpg", "x" * 1025, "€" * 900, 3.5])
def test_unusable_image_sources_are_refused(source):
    """A path has 1 to 1,024 characters and at most 2,600 bytes (a € has three), and no control character."""
    fault_of(values.parse_image_source, source)


def test_additional_images_are_split_or_listed():
    """Empty parts are none; the parts are looked at one by one later."""
    assert values.split_image_sources("a.jpg; ;b.jpg;") == ["a.jpg", " ", "b.jpg"][::2]
    assert values.split_image_sources(["a;b.jpg", None, ""]) == ["a;b.jpg"]
    assert fault_of(values.split_image_sources, ["a"] * 100).found == "100 images"


@pytest.mark.parametrize("value", ["1,2,30,40", " 1, 2, 30, 40 ", [1, 2, 30, 40], ["1", 2, 30, 40]])
def test_image_box_has_four_whole_numbers(value):
    """Left, top, right, bottom, as text or as a JSON list."""
    assert values.parse_image_box(value) == CropBox(1, 2, 30, 40)


@pytest.mark.parametrize(
    "value", ["1,2,3", "1,2,1,4", "-1,2,3,4", "1.5,2,3,4", "1,2,3,9999999999", [1, 2, 3, True], 7, "²,2,3,4"]
)
def test_what_is_no_box_is_refused(value):
    """Too few numbers, an empty box, negative, fractional, beyond 32 bits, not digits."""
    fault_of(values.parse_image_box, value)


@pytest.mark.parametrize("value", ["x" * 10_000, ["x" * 10_000] * 1000, {"a": ["b" * 500]}, 10**1000])
def test_found_values_are_shown_in_a_readable_length(value):
    """However large the value, a message about it stays on a line or two."""
    assert len(shorten(value)) < 500


@pytest.mark.parametrize(
    ("text", "default", "expected", "is_mended"),
    [
        ("49.90 EUR", None, "49.90 EUR", False),
        ("10.00 usd", None, "10.00 USD", False),
        ("49.90", "CHF", "49.90 CHF", False),
        ("49,90", "CHF", "49.90 CHF", True),
        ("49,90 EUR", "CHF", "49.90 EUR", True),
        ("EUR 49.90", None, "49.90 EUR", True),
        ("EUR49.90", None, "49.90 EUR", True),
        ("€49.90", None, "49.90 EUR", True),
        ("1.299,00 €", None, "1299.00 EUR", True),
        ("1,299.00 USD", None, "1299.00 USD", True),
        ("1 299,00\N{NO-BREAK SPACE}zł", None, "1299.00 PLN", True),
        ("1'299.50 CHF", None, "1299.50 CHF", True),
        ("1.234.567,89 EUR", None, "1234567.89 EUR", True),
        # Three digits after the only separator: thousands, where the currency has no such decimals.
        ("1.299 EUR", None, "1299 EUR", True),
        ("1,299 USD", None, "1299 USD", True),
        ("1.299 KWD", None, "1.299 KWD", False),
        ("0.999 EUR", None, "0.999 EUR", False),
        ("49,- €", None, "49 EUR", True),
        ("$5", "CAD", "5 CAD", True),
        ("US$ 5", "CAD", "5 USD", True),
        ("199 kr", "SEK", "199 SEK", True),
    ],
)
def test_money_of_many_countries(text, default, expected, is_mended):
    """The amount and the currency, and whether it stood as it should."""
    price, mended = values.parse_money(text, default)
    assert str(price) == expected
    assert mended is is_mended


@pytest.mark.parametrize(
    ("text", "default", "expected"),
    [
        ("49.90", None, "--currency"),
        ("$5", None, "--currency"),
        ("$5", "EUR", "--currency"),
        ("199 kr", "EUR", "--currency"),
        ("5 XYZ", "EUR", "ISO 4217"),
        ("€49.90/pc", "EUR", "ISO 4217"),
        ("-5 EUR", None, "at least 0"),
        ("free", "EUR", "an amount and a currency"),
        ("3 for 10 EUR", None, "an amount and a currency"),
        ("5 EUR 7 USD", None, "an amount and a currency"),
        ("EUR 5 USD", None, "an amount and a currency"),
        ("1.2.3 EUR", None, "an amount and a currency"),
        ("12,34,567 INR", None, "an amount and a currency"),
        ("٤٩ EUR", None, "an amount and a currency"),
        ("99999999999 EUR", None, "at most 2,147,483,648"),
        ("1.23456 EUR", None, "at most 4 decimals"),
        ("", "EUR", "an amount and a currency"),
        ("1" * 100 + " EUR", None, "an amount and a currency"),
        (None, "EUR", "an amount and a currency"),
        (5.5, "EUR", "text"),
    ],
)
def test_what_is_no_money(text, default, expected):
    """A guess could be wrong by a factor of a thousand: what is not clear is told."""
    with pytest.raises(ValueFault) as caught:
        values.parse_money(text, default)
    assert expected in caught.value.expected
