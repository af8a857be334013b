"""The page in a real browser, Debian's Chromium: what visitors do with it, on the API of a small catalog."""

from __future__ import annotations

import base64

from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from catalog.storefront.app import create_app
from tests.chromium import NEEDS_CHROMIUM, Page, serving
from tests.integration.services.conftest import picture
from tests.integration.storefront.conftest import _take, anybody

pytestmark = NEEDS_CHROMIUM

SWITCHES = ["diverse", "stocked", "newer"]


def test_from_a_product_over_a_reason_to_another_product_and_back(page):
    page.open()
    page.until(lambda: "4 products" in page.one("#catalog-size").text)
    page.look("start")
    page.one("#start-id").send_keys("red-dress", Keys.ENTER)
    everything = page.hits()
    assert sorted(everything) == ["blue-dress", "half/half", "red-skirt"]
    # By keyboard alone: open the menu of a reason, choose its first item, which demands it.
    chip = "#grid [data-product='red-skirt'] .chip[data-attribute='color=red']"
    page.focus(chip)
    page.keys(Keys.ENTER)
    page.until(lambda: [item.text for item in page.all("[role=menuitem]")][:2] == ["Only red", "Without red"])
    page.keys(Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.ENTER)
    page.until(lambda: page.one("#tokens").text.startswith("color: red"))
    demanded = page.hits()
    assert sorted(demanded) == ["half/half", "red-skirt"]
    assert page.browser.current_url.endswith("#product=red-dress&all=color%3Dred")
    # Whoever pressed a reason is not thrown back to the start of the page when the cards change.
    assert page.browser.switch_to.active_element.get_attribute("id") == "results-title"
    page.one("#grid [data-product='half/half'] .shot").click()
    page.until(lambda: page.one("#asked-id").text == "half/half")
    assert len(page.hits()) == 3
    assert page.one("#asked-title").text == "Jacket"
    page.browser.back()
    page.until(lambda: page.one("#asked-id").text == "red-dress")
    assert page.hits() == demanded
    page.browser.back()
    page.until(lambda: not page.all("#tokens li"))
    assert page.hits() == everything
    page.check_accessibility()
    assert page.console() == []


def test_a_link_leads_to_what_it_was_made_of_and_a_dead_end_shows_the_ways_out(page):
    page.open("#product=red-dress&category=Women&none=color%3Dred&mode=native")
    assert page.hits() == ["blue-dress"]
    assert [token.text.replace("\n", "") for token in page.all("#tokens .token")] == ["Women×", "not color: red×"]
    page.open("#product=red-dress&all=color%3Dblue&max=50&currency=EUR")
    assert page.hits() == []
    ways = page.until(lambda: [way.text for way in page.all("#notice button") if "Take off" in way.text])
    # Without the colour there is red-skirt for 40 EUR; without the price there is blue-dress.
    assert sorted(ways) == ["Take off “color: blue” (1 product)", "Take off “up to 50 EUR” (1 product)"]
    page.check_accessibility()
    next(way for way in page.all("#notice button") if "50 EUR" in way.text).click()
    page.until(lambda: page.hits() == ["blue-dress"])
    assert page.console() == []


def test_a_photo_is_searched_with_and_a_box_on_it_moved_by_keyboard(page, tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(picture("blue"))
    page.open()
    page.one("#file").send_keys(str(photo))
    page.until(lambda: page.one("#query-photo").is_displayed())
    assert page.hits()[0] == "blue-dress"
    assert page.one("#status").text == "4 items like your photo"
    page.one("#crop-start").click()
    page.until(lambda: page.one("#status").text == "4 items like the box in your photo")
    before = page.one("#crop").get_attribute("aria-label")
    page.keys(Keys.ARROW_RIGHT)
    assert page.one("#crop").get_attribute("aria-label") != before
    assert page.hits()[0] == "blue-dress"
    page.check_accessibility()
    page.one("#crop-clear").click()
    page.until(lambda: page.one("#status").text == "4 items like your photo")
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no photo")
    page.one("#file").send_keys(str(broken))
    assert "not a photo" in page.until(lambda: page.one("#notice").text)
    # The photo is in no address: whoever gets the link begins anew.
    assert page.browser.current_url == f"{page.address}/"
    assert page.console() == []


_GIVE = """
const [kind, text] = arguments;
const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
const given = new DataTransfer();
given.items.add(new File([bytes], "photo.png", { type: "image/png" }));
const event = kind === "paste"
  ? new ClipboardEvent("paste", { clipboardData: given, bubbles: true, cancelable: true })
  : new DragEvent(kind, { dataTransfer: given, bubbles: true, cancelable: true });
document.body.dispatchEvent(event);
"""


def test_a_photo_is_dropped_or_pasted(page):
    photo = base64.b64encode(picture("blue")).decode()
    page.open()
    page.until(lambda: "4 products" in page.one("#catalog-size").text)
    page.run(_GIVE, "dragenter", photo)
    assert page.one("#veil").is_displayed()
    page.run(_GIVE, "drop", photo)
    page.until(lambda: page.one("#query-photo").is_displayed())
    assert not page.one("#veil").is_displayed()
    assert page.hits()[0] == "blue-dress"
    page.look("photo")
    photo = base64.b64encode(picture("red")).decode()
    page.run(_GIVE, "paste", photo)
    page.until(lambda: page.hits()[:1] == ["red-dress"])
    # All of it came from where the page came from, and photos from the visitor.
    loaded = page.run("return performance.getEntriesByType('resource').map(({ name }) => name)")
    assert len(loaded) > 20
    assert [one for one in loaded if not one.startswith((page.address, f"blob:{page.address}"))] == []
    assert page.console() == []


def test_a_merchant_s_own_column_filters(page):
    page.open("#product=red-dress")
    assert len(page.hits()) == 3
    page.one("[data-key='group field season']").click()
    # The column is there to choose from, though no link names it.
    page.one("[data-key='field season=winter']").click()
    page.until(lambda: page.browser.current_url.endswith("#product=red-dress&field=season%3Dwinter"))
    assert sorted(page.hits()) == ["half/half", "red-skirt"]
    assert page.one("#tokens").text.replace("\n", "") == "season: winter×"
    assert page.one("[data-key='field season=winter']").is_selected()
    # Of several values, one must hold.
    page.open("#product=red-dress&field=season%3Dwinter&field=season%3Dsummer")
    assert sorted(page.hits()) == ["blue-dress", "half/half", "red-skirt"]
    page.one("[data-key='field season=winter']").click()
    page.until(lambda: len(page.all("#tokens .token")) == 1)
    assert page.hits() == ["blue-dress"]
    assert page.console() == []


def test_products_are_compared_side_by_side(page):
    page.open("#product=red-dress")
    assert len(page.hits()) == 3
    for product in ("red-skirt", "blue-dress"):
        page.one(f"#grid [data-compare='{product}']").click()
    page.one("#compare-open").click()
    rows = {row.text.split(" ", 1)[0]: row for row in page.all("#compare-table tbody tr")}
    assert rows["Color"].text == "Color red blue"
    assert rows["Color"].get_attribute("class") == "differs"
    assert rows["Price"].text == "Price €40.00 €60.50"
    page.check_accessibility()
    page.all("#compare-table thead button")[1].click()
    page.until(lambda: page.one("#asked-id").text == "blue-dress")
    assert len(page.hits()) == 3
    assert not page.one("#compare-dialog").is_displayed()
    assert page.one("#grid [data-compare='red-skirt']").is_selected()
    page.one("#compare-clear").click()
    assert not page.one("#tray").is_displayed()
    assert page.console() == []


def test_a_box_is_drawn_with_a_pointer(page, tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(picture("red", "blue"))
    page.open()
    page.one("#file").send_keys(str(photo))
    assert len(page.hits()) == 4
    width, height = (page.one("#photo").size[name] for name in ("width", "height"))
    drawn = ActionChains(page.browser).move_to_element(page.one("#photo")).click_and_hold()
    drawn.move_by_offset(width // 8, height // 8).move_by_offset(width // 8, height // 8).release().perform()
    # From the middle on, a quarter of each side: a sixteenth of the photo, give or take a pixel.
    label = page.one("#crop").get_attribute("aria-label")
    assert int(label.split(": ")[1].split(" %")[0]) in (5, 6, 7), label
    page.until(lambda: page.one("#status").text == "4 items like the box in your photo")
    assert page.console() == []


def test_a_reason_is_changed_and_words_are_searched_with(page):
    page.open("#product=red-skirt")
    assert len(page.hits()) == 3
    page.one("#grid [data-product='red-dress'] .chip[data-attribute='color=red']").click()
    page.until(lambda: page.all("[role=menuitem]"))
    assert [item.text for item in page.all("[role=menuitem]")] == ["Only red", "Without red", "Change red to …"]
    page.all("[role=menuitem]")[-1].click()
    assert [item.text for item in page.all("[role=menuitem]")] == ["blue"]
    page.look("menu", on_phone=False)
    page.keys(Keys.ENTER)
    page.until(lambda: page.one("#changes").text.startswith("but color: blue"))
    assert page.hits()[0] == "blue-dress"
    assert page.browser.current_url.endswith("#product=red-skirt&but=color%3Dblue")
    page.open()
    page.one("#start-words").send_keys("blue dress under 90 EUR, qwertz", Keys.ENTER)
    assert page.hits()[0] == "blue-dress"
    assert page.one("#understood").text == "Understood as color blue, Dresses, up to 90.00 EUR"
    assert page.one("#status").text.endswith("Not understood: qwertz")
    # In the list of categories it is marked, and not pressed: it goes with the words.
    marked = page.all("#facets .level:has(.in-words)")
    assert [(one.text, one.get_attribute("aria-pressed")) for one in marked] == [("Dresses\nyour words\n2", "false")]
    page.look("words")
    page.open("#words=blue+women+dress")
    assert page.hits()[0] == "blue-dress"
    assert page.one("#understood").text == "Understood as color blue, Women > Dresses"
    # A path is itself alone; what is chosen as well is pressed as ever.
    assert [one.text for one in page.all("#facets .level:has(.in-words)")] == ["Dresses\nyour words\n2"]
    page.one("[data-key='category Women > Dresses']").click()
    page.until(lambda: page.all("[data-key='category Women > Dresses'][aria-pressed='true'] .in-words"))
    assert page.hits()[0] == "blue-dress"
    page.open("#product=red-dress&wish=blue+dresses")
    assert page.hits() == ["blue-dress"]
    page.until(lambda: page.all("[data-key='category Women > Dresses'] .in-words"))
    page.one("#wish-clear").click()
    page.until(lambda: not page.all("#facets .in-words"))
    assert page.console() == []


def test_words_say_what_shall_be_different_from_a_product_or_photo(page, tmp_path):
    page.open("#product=red-skirt")
    plain = page.hits()
    assert len(plain) == 3
    page.one("#wish").send_keys("but in blue,")
    page.one("[data-key='any color=red']").click()
    page.until(lambda: len(page.hits()) == 2)
    page.browser.back()
    page.until(lambda: page.hits() == plain)
    # What was being typed is still there.
    page.one("#wish").send_keys(" under 90 EUR", Keys.ENTER)
    page.until(lambda: page.one("#understood").text == "Understood as color blue, up to 90.00 EUR")
    # The jacket costs dollars.
    assert page.hits() == ["blue-dress", "red-dress"]
    assert page.browser.current_url.endswith("#product=red-skirt&wish=but+in+blue%2C+under+90+EUR")
    page.look("wish")
    page.browser.refresh()
    assert page.until(page.hits) == ["blue-dress", "red-dress"]
    assert page.one("#wish").get_attribute("value") == "but in blue, under 90 EUR"
    page.one("#wish-clear").click()
    page.until(lambda: page.hits() == plain)
    assert page.has_focus("#wish")
    assert page.one("#understood").text == ""
    page.keys("under 1 EUR", Keys.ENTER)
    assert "Nothing is different in this way" in page.notice()
    page.press("Search without these words")
    page.until(lambda: page.hits() == plain)
    # A wish is of what it was made for.
    page.one("#wish").send_keys("in blue", Keys.ENTER)
    page.until(lambda: page.one("#understood").text == "Understood as color blue")
    photo = tmp_path / "photo.png"
    photo.write_bytes(picture("red"))
    page.one("#file").send_keys(str(photo))
    page.until(lambda: page.one("#query-photo").is_displayed())
    assert page.hits()[-1] == "blue-dress"
    assert page.one("#wish").get_attribute("value") == ""
    page.one("#wish").send_keys("in blue", Keys.ENTER)
    page.until(lambda: page.hits()[:1] == ["blue-dress"])
    assert page.console() == []


def test_hits_are_mixed_and_lifted_and_links_keep_that(page, tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(picture("blue", "blue", "blue", "blue", "red"))
    page.open()
    page.one("#file").send_keys(str(photo))
    page.until(lambda: page.one("#query-photo").is_displayed())
    assert page.hits()[:2] == ["blue-dress", "half/half"]
    page.until(lambda: [one.get_attribute("value") for one in page.all("#order input")] == SWITCHES)
    page.focus("#order input[value='stocked']")
    page.keys(Keys.SPACE)
    page.until(lambda: page.one("#status").text == "4 items like your photo, in stock first")
    # The nearest is out of stock, and the next one is about as near.
    assert page.hits()[:2] == ["half/half", "blue-dress"]
    assert page.has_focus("#order input[value='stocked']:checked")
    for switch in ("diverse", "newer"):
        page.one(f"#order input[value='{switch}']").click()
    page.until(lambda: page.one("#status").text == "4 items like your photo, in stock first, new first, mixed")
    # It is how one looks, whatever for.
    page.one("#grid [data-product='half/half'] .shot").click()
    page.until(lambda: page.one("#status").text == "3 items like half/half, in stock first, new first, mixed")
    found, link = page.hits(), page.browser.current_url
    assert link.endswith("#product=half%2Fhalf&diverse=1&stocked=1&newer=1")
    page.look("order")
    page.open(link.removeprefix(f"{page.address}/"))
    assert page.hits() == found
    assert len(page.all("#order input:checked")) == 3
    assert page.console() == []


def test_products_are_there_to_begin_with_and_a_shared_link_shows_what_it_is_about(page):
    page.open()
    begin = page.until(lambda: page.all("#some-products button[aria-label='More like Jacket']"))
    assert len(page.all("#some-products li")) == 4
    assert not page.one("#some-more").is_displayed()
    begin[0].click()
    assert len(page.hits()) == 3
    assert page.browser.current_url.endswith("#product=half%2Fhalf")
    # Whoever gets the link sees the product's title and photo, though no answer of this tab had them.
    page.open("#product=half%2Fhalf")
    assert len(page.hits()) == 3
    page.until(lambda: page.one("#asked-title").text == "Jacket")
    page.until(lambda: page.one("#asked-thumb img.there"))
    page.look("results")
    assert page.console() == []


def test_an_attribute_is_one_of_several_or_ruled_out_by_its_facet(page):
    page.open("#product=red-dress")
    assert len(page.hits()) == 3
    page.one("[data-key='any color=blue']").click()
    page.until(lambda: page.one("#tokens").text.startswith("color: blue"))
    assert page.hits() == ["blue-dress"]
    # It stays in reach of the keyboard, and of whoever wants another one beside it.
    assert page.has_focus("[data-key='any color=blue'][aria-pressed='true']")
    page.open("#product=red-dress&any=color%3Dblue&any=color%3Dred")
    assert len(page.hits()) == 3
    assert page.one("#tokens").text.replace("\n", "") == "color: blue or red×"
    page.open("#product=red-dress&none=color%3Dred")
    assert page.hits() == ["blue-dress"]
    # What is ruled out has no count any more, and can be had back where it went.
    page.one("[data-key='none color=red'][aria-pressed='true']").click()
    page.until(lambda: not page.all("#tokens li"))
    assert len(page.hits()) == 3
    page.look("facets")
    assert page.console() == []


def test_a_link_is_copied_and_says_what_is_not_in_it(page, tmp_path):
    origin = {"origin": page.address, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    page.browser.execute_cdp_cmd("Browser.grantPermissions", origin)
    page.open("#product=red-dress&all=color%3Dred")
    assert sorted(page.hits()) == ["half/half", "red-skirt"]
    page.one("#share").click()
    page.until(lambda: page.one("#shared").text == "Link copied.")
    read = "const done = arguments[0]; navigator.clipboard.readText().then(done, (error) => done(String(error)))"
    assert page.browser.execute_async_script(read) == page.browser.current_url
    photo = tmp_path / "photo.png"
    photo.write_bytes(picture("blue"))
    page.one("#file").send_keys(str(photo))
    page.until(lambda: page.one("#query-photo").is_displayed())
    assert page.hits()
    page.one("#share").click()
    page.until(lambda: "Your photo is not in it" in page.one("#shared").text)
    # Where there is no clipboard, the link is shown to be copied by hand.
    page.run("navigator.clipboard.writeText = () => Promise.reject(new Error('none'))")
    page.one("#share").click()
    page.until(lambda: page.one("#share-dialog").is_displayed())
    assert page.one("#share-link").get_attribute("value") == page.browser.current_url
    page.look("share")
    page.one("#share-close").click()
    assert page.console() == []


def test_more_hits_and_more_products_are_added_below(browser, application, tmp_path):
    rows = [
        (f"item-{n}", f"Item {n}", "red", ["red"] * (n + 1) + ["blue"], "Shirts", "9.00 EUR", "in_stock")
        for n in range(30)
    ]
    _take(application, tmp_path / "wholesale", "wholesale", rows)
    with serving(create_app(application, open_to=anybody(application, "wholesale"))) as address:
        page = Page(browser, address)
        browser.get_log("browser")
        page.open()
        page.until(lambda: len(page.all("#some-products li")) == 12)
        page.one("#some-more").click()
        page.until(lambda: len(page.all("#some-products li")) == 24)
        assert page.has_focus("#some-products li:nth-child(13) button")
        page.one("#some-more").click()
        page.until(lambda: len(page.all("#some-products li")) == 30)
        assert not page.one("#some-more").is_displayed()
        page.open("#product=item-0")
        first = page.hits()
        assert len(first) == 24
        assert page.one("#status").text == "The nearest 24 of 29 items like item-0"
        page.focus("#more")
        page.keys(Keys.ENTER)
        page.until(lambda: len(page.all("#grid .card")) == 29)
        every = page.hits()
        assert every[:24] == first
        assert sorted(every) == sorted(f"item-{n}" for n in range(1, 30))
        # Whoever goes on by keyboard goes on with the first of those that came.
        assert page.has_focus("#grid .card:nth-child(25) .shot")
        assert page.one("#status").text == "29 items like item-0"
        assert not page.one("#more").is_displayed()
        page.open("#product=item-0&page=1")
        assert page.hits() == every
        page.open("#product=item-0&page=5")
        # Past the end there is nothing more, and what comes before it is there.
        assert page.hits() == every
        assert page.console() == []


def test_the_way_to_rank_is_chosen_by_keyboard_and_stays_in_the_link(page):
    page.open("#product=red-dress")
    assert len(page.hits()) == 3
    page.one(".curious summary").click()
    page.until(lambda: page.all("#modes input"))
    assert page.one("#modes input:checked").get_attribute("value") == "rerank"
    page.focus("#modes input:checked")
    page.keys(Keys.ARROW_DOWN)
    page.until(lambda: "&mode=" in page.browser.current_url)
    chosen = page.browser.current_url.rpartition("=")[2]
    assert len(page.hits()) == 3
    assert page.has_focus(f"#modes input[value='{chosen}']:checked")
    assert page.one("#facts").text.count(f"{chosen}:") == 1
    page.look("for-the-curious")
    assert page.console() == []


def test_examples_are_added_and_taken_back(page):
    page.open("#product=red-dress")
    assert len(page.hits()) == 3
    page.until(lambda: page.all("#grid [data-like='half/half']"))[0].click()
    page.until(lambda: page.all("#examples .like"))
    assert sorted(page.hits()) == ["blue-dress", "red-skirt"]
    page.until(lambda: page.all("#grid [data-unlike='red-skirt']"))[0].click()
    page.until(lambda: page.all("#examples .unlike"))
    assert page.hits() == ["blue-dress"]
    assert page.browser.current_url.endswith("#product=red-dress&like=half%2Fhalf&unlike=red-skirt")
    assert "and your examples" in page.one("#status").text
    page.look("examples")
    page.one("#examples .unlike").click()
    page.until(lambda: not page.all("#examples .unlike"))
    # Whoever took one back is not thrown to the start of the page.
    assert page.has_focus("#results-title")
    # Examples are enough to search with.
    page.open("#like=red-skirt&like=half%2Fhalf")
    assert sorted(page.hits()) == ["blue-dress", "red-dress"]
    page.until(lambda: [item.text for item in page.all("#examples button")] == ["+\nSkirt\n×", "+\nJacket\n×"])
    assert page.console() == []


def test_words_are_completed_by_what_the_catalog_has(page):
    page.open()
    page.until(lambda: page.all("#start-words[role=combobox]"))
    words = page.one("#start-words")
    words.send_keys("dress in bl")
    page.until(lambda: page.one(".suggestions").is_displayed())
    # Nothing of it is black; red and white may come after it, for words of theirs that begin so.
    assert page.one(".suggestions [role=option] span").text == "blue"
    assert "black" not in page.one(".suggestions").text
    page.look("suggestions")
    words.send_keys(Keys.ARROW_DOWN)
    assert words.get_attribute("aria-activedescendant") == page.one(".suggestions [aria-selected=true]").get_attribute(
        "id"
    )
    words.send_keys(Keys.ENTER)
    assert words.get_attribute("value") == "dress in blue "
    assert not page.one(".suggestions").is_displayed()
    words.send_keys("re")
    page.until(lambda: page.one(".suggestions").is_displayed())
    words.send_keys(Keys.ESCAPE)
    assert not page.one(".suggestions").is_displayed()
    words.send_keys(Keys.BACKSPACE, Keys.BACKSPACE, "rou")
    page.until(lambda: page.one(".suggestions").is_displayed())
    # Whoever types French sees which word of theirs it is.
    assert page.one(".suggestions [role=option]").text == "red “rouge”\ncolor, 3 products"
    page.look("suggestions-matched")
    words.send_keys(Keys.BACKSPACE, Keys.BACKSPACE, Keys.BACKSPACE, Keys.ENTER)
    assert page.hits()[0] == "blue-dress"
    assert page.console() == []
