"""How fast feeds are read, and that memory does not grow with them."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from catalog.feeds import read_feed, reading_options
from catalog.types import ProductRecord

pytestmark = pytest.mark.benchmark

MEBIBYTE = 2**20

# Runs in a process of its own. Its peak is read from the kernel's account of its address space: the peak that
# getrusage reports is never below that of the process it was started from.
READ_AND_REPORT = """
import json, sys, time
from pathlib import Path
from catalog.feeds import open_feed

with open_feed(Path(sys.argv[1])) as feed:
    for _ in feed:
        pass
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak_kib = int(status["VmHWM"].split()[0])
    told = {"num_rows": feed.num_rows, "num_failed_rows": feed.num_failed_rows, "peak_kib": peak_kib}
    print(json.dumps({**told, "seconds": time.process_time()}))
"""


def csv_row(number):
    return (
        f'sku-{number},Red striped dress {number},"A dress with stripes, lace and a number: {number}",'
        f"Apparel > Dresses > Maxi,color=red; pattern=striped; lace,{number % 500}.90 EUR,in stock,"
        f"https://shop.example/p/{number},images/{number}.jpg,images/{number}b.jpg;images/{number}c.jpg,Acme\n"
    )


def json_row(number):
    row = {
        "id": f"sku-{number}",
        "title": f"Red striped dress {number}",
        "description": f"A dress with stripes, lace and a number: {number}",
        "category": ["Apparel", "Dresses", "Maxi"],
        "attributes": {"color": "red", "pattern": "striped", "tag": "lace"},
        "price": f"{number % 500}.90 EUR",
        "link": f"https://shop.example/p/{number}",
        "image": f"images/{number}.jpg",
        "additional_images": [f"images/{number}b.jpg", f"images/{number}c.jpg"],
    }
    return json.dumps(row) + "\n"


def faulty_csv_row(number):
    # Every third row has a quotation mark that is never closed, the costliest fault.
    return f'sku-{number},"unclosed,a.jpg\n' if number % 3 == 0 else f"sku-{number},Red dress {number},a.jpg\n"


def google_item(number):
    # Four sizes of each item, far from each other.
    return (
        f"<item><g:id>sku-{number}</g:id><title>Red striped dress {number}</title>"
        f"<description><![CDATA[<p>A dress with stripes &amp; a number: {number}</p>]]></description>"
        f"<link>https://shop.example/p/{number}?a=1&amp;b=2</link>"
        f"<g:image_link>https://img.example/{number // 4},w_900.jpg</g:image_link>"
        f"<g:additional_image_link>https://img.example/{number}b.jpg</g:additional_image_link>"
        f"<g:additional_image_link>https://img.example/{number}c.jpg</g:additional_image_link>"
        f"<g:price>{number % 500}.90 EUR</g:price><g:availability>in stock</g:availability>"
        f"<g:product_type>Apparel &gt; Dresses</g:product_type><g:brand>Acme</g:brand><g:color>red/white</g:color>"
        f"<g:size>{number % 4}</g:size><g:item_group_id>{number // 2000}-{number % 500}</g:item_group_id></item>"
    )


def shopify_rows(number):
    """A product of five variants in two colours, with three images, and one in fifty a draft."""
    handle, status = f"dress-{number}", "draft" if number % 50 == 0 else "active"
    own = (
        f"Red striped dress {number}",
        '"<p>A dress with <b>stripes</b>,\nlace and a number</p>"',
        "Acme",
        "Dresses",
        '"new, lace"',
        "true",
    )
    rows = []
    for place in range(5):
        is_first = place == 0
        fields = [
            handle,
            *(own if is_first else [""] * len(own)),
            "Color" if is_first else "",
            "Red" if place < 3 else "Blue",
            "Size" if is_first else "",
            "SMLSM"[place],
            f"sku-{number}-{place}",
            *("shopify", str(place), "deny", f"{number % 500}.90", "99.90"),
            *((f"https://cdn.example/{number}-{place}.jpg", str(place + 1)) if place < 3 else ("", "")),
            f"https://cdn.example/{number}-{place // 3}.jpg",
            status if is_first else "",
        ]
        rows.append(",".join(fields))
    return "\n".join(rows) + "\n"


SHOPIFY_HEADER = (
    "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,Option2 Value,"
    "Variant SKU,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,Variant Price,"
    "Variant Compare At Price,Image Src,Image Position,Variant Image,Status\n"
)
GOOGLE_START = '<?xml version="1.0"?><rss xmlns:g="http://base.google.com/ns/1.0"><channel>'


def vision_row(number):
    # Three images of each product, in rows that are far from each other.
    return (
        f"gs://shop-photos/{number}.jpg,image-{number},spring,sku-{number % 40_000},apparel-v2,Red striped dress,"
        f'"color=red,pattern=striped,size={number % 9}","0.1,0.1,0.9,0.1,0.9,0.9,0.1,0.9"\n'
    )


HEADER = "id,title,description,category,attributes,price,availability,link,image,additional_images,brand\n"
FEEDS = {
    "csv": ("feed.csv", HEADER, csv_row),
    "jsonl": ("feed.jsonl", "", json_row),
    "shopify": ("shopify.csv", SHOPIFY_HEADER, shopify_rows),
    "vision": ("vision.csv", "", vision_row),
    # All of it one line.
    "google": ("feed.xml", GOOGLE_START, google_item),
    "faulty": ("faulty.csv", "id,title,image\n", faulty_csv_row),
}


def write_rows(path, header, row_of, num_bytes):
    """Rows up to about so many bytes; returns how many."""
    num_rows = 0
    with path.open("w") as file:
        file.write(header)
        while file.tell() < num_bytes:
            file.writelines(row_of(number) for number in range(num_rows, num_rows + 1000))
            num_rows += 1000
        if header == GOOGLE_START:
            file.write("</channel></rss>")
    return num_rows


@pytest.mark.parametrize("kind", ["csv", "jsonl", "google", "vision"])
def test_rows_are_read_faster_than_any_network_embeds(tmp_path, kind):
    """Reading must never be what an ingest waits for: at least 2,000 rows/s, of three images each."""
    name, header, row_of = FEEDS[kind]
    path = tmp_path / name
    num_rows = write_rows(path, header, row_of, 5 * MEBIBYTE)
    started = time.process_time()
    num_products = sum(isinstance(item, ProductRecord) for item in read_feed(path))
    num_products *= 4 if kind == "google" else 1
    rate = num_rows / (time.process_time() - started)
    megabytes = path.stat().st_size / num_rows * rate / 1e6
    print(f"\nfeed reading, {kind}: {rate:,.0f} rows/s, {megabytes:.1f} MB/s of one core")
    assert num_products == num_rows
    assert rate > 2000


def test_rows_of_several_a_product_are_read_as_fast(tmp_path):
    """A Shopify export: at least 2,000 rows/s, five of which are a product."""
    path = tmp_path / "shopify.csv"
    num_products = write_rows(path, SHOPIFY_HEADER, shopify_rows, 5 * MEBIBYTE)
    started = time.process_time()
    num_taken = sum(isinstance(item, ProductRecord) for item in read_feed(path, reading_options(currency="EUR")))
    rate = 5 * num_products / (time.process_time() - started)
    print(f"\nfeed reading, shopify: {rate:,.0f} rows/s of one core")
    # One in fifty is a draft.
    assert num_taken == num_products - num_products // 50
    assert rate > 2000


@pytest.mark.parametrize(
    ("kind", "factor"), [("csv", 40), ("jsonl", 20), ("google", 40), ("shopify", 20), ("vision", 4), ("faulty", 4)]
)
def test_peak_memory_is_that_of_a_feed_many_times_smaller(tmp_path, kind, factor):
    """Peak memory of a feed of 200 MB (20 MB of faults) is within 5 % of that of a 5 MB feed."""
    name, header, row_of = FEEDS[kind]
    path = tmp_path / name
    peaks = []
    for megabytes in (5, 5 * factor):
        write_rows(path, header, row_of, megabytes * MEBIBYTE)
        answer = subprocess.run(
            [sys.executable, "-c", READ_AND_REPORT, str(path)], check=True, capture_output=True, text=True
        )
        report = json.loads(answer.stdout)
        peaks.append(report["peak_kib"])
        print(
            f"\nfeed reading, {kind}, {megabytes} MB: {report['num_rows']:,} rows, "
            f"{report['num_rows'] / report['seconds']:,.0f} rows/s, {report['num_failed_rows']:,} failed, "
            f"peak {report['peak_kib'] / 1024:.1f} MiB"
        )
    assert peaks[1] <= 1.05 * peaks[0]
