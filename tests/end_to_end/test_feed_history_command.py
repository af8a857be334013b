"""``drape feed history`` and ``drape feed undo``: what an ingest changed is looked at, and taken back."""

from __future__ import annotations


def test_a_run_is_looked_at_and_undone(drape, small_feed, tmp_path):
    feed = small_feed(tmp_path, 4)
    assert drape.run_here("ingest", feed, "--merchant", "atelier").code == 0
    lines = feed.read_text(encoding="utf-8").splitlines()
    changed = [lines[0], "P0,Lace dress,0.png", "P1,Item 1,3.png", *lines[3:4], "P7,New,2.png"]
    feed.write_text("\n".join(changed) + "\n", encoding="utf-8")
    options = ("--merchant", "atelier", "--full-sync", "--max-removal", "1")
    assert drape.run_here("ingest", feed, *options).code == 0

    runs = drape.run_here("feed", "history", "--merchant", "atelier", "--json").json
    assert [(run["new"], run["changed"], run["unchanged"], run["removed"]) for run in runs] == [
        (1, 2, 1, 1),
        (4, 0, 0, 0),
    ]
    assert [(run["state"], run["undone"], run["num_changes"]) for run in runs] == [("done", "no", 4), ("done", "no", 4)]
    last = str(runs[0]["job"])
    whole = drape.run_here("feed", "history", "--merchant", "atelier", "--job", last, "--json").json
    assert [(product["id"], product["change"]) for product in whole["products"]] == [
        ("P0", "changed"),
        ("P1", "changed"),
        ("P3", "removed"),
        ("P7", "new"),
    ]
    assert whole["products"][0]["fields"] == [{"field": "title", "old": "Item 0", "new": "Lace dress"}]
    shown = drape.run("feed", "history", "--merchant", "atelier", "--job", last, "--limit", "2")
    assert "title: Item 0 → Lace dress" in shown.out
    assert "images: +3.png, −1.png" in shown.out
    assert "… and 2 more products" in shown.out

    asked = drape.run("feed", "undo", "--merchant", "atelier")
    assert (asked.code, "--yes" in asked.err) == (2, True)
    undone = drape.run_here("feed", "undo", "--merchant", "atelier", "--yes")
    assert undone.code == 0, undone.err
    assert f"Undid ingest {last} of atelier. Products: 1 removed, 2 put back, 1 restored." in undone.out


def test_prices_are_told_as_everywhere(drape, small_feed, tmp_path):
    """With their currency, whether or not it changed, and as many decimals as that has."""
    feed = small_feed(tmp_path, 4)
    names, *lines = feed.read_text(encoding="utf-8").splitlines()
    for prices in (["20 EUR", "5 EUR", "1200 JPY", ""], ["19.9 EUR", "5 USD", "900 JPY", "5 EUR"]):
        rows = [f"{line},{price}" for line, price in zip(lines, prices, strict=True)]
        feed.write_text("\n".join([f"{names},price", *rows]) + "\n", encoding="utf-8")
        assert drape.run_here("ingest", feed, "--merchant", "atelier").code == 0
    told = drape.run_here("feed", "history", "--merchant", "atelier", "--json").json
    options = ("feed", "history", "--merchant", "atelier", "--job", str(told[0]["job"]))
    shown = drape.run_here(*options).out.splitlines()
    assert [line.strip() for line in shown if " price:" in line or " currency:" in line] == [
        "price: 20.00 EUR → 19.90 EUR",
        "currency: EUR → USD",
        "price: 1,200 JPY → 900 JPY",
        "price: nothing → 5.00 EUR",
    ]
    whole = drape.run_here(*options, "--json").json
    assert whole["products"][0]["fields"] == [
        {
            "field": "price",
            "old": {"amount": "20.00", "currency": "EUR"},
            "new": {"amount": "19.90", "currency": "EUR"},
        }
    ]
