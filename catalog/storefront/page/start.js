// The start: how large the catalog is, and products of it to begin with.

import { beginning } from "./cards.js";
import { byId, element, exchange } from "./dom.js";
import { filterTokens, token } from "./filters.js";
import { begin, current, go } from "./navigation.js";
import { emptyCatalog, notice } from "./notices.js";
import { note, someProducts } from "./products.js";
import { facets } from "./search.js";
import { NOTHING, withWish } from "./state.js";
import { counted } from "./words.js";

const AT_ONCE = 12;
const TITLE = document.title;

let next = null;

/** Set it up; once. */
export function installStart() {
  byId("some-more").addEventListener("click", () => {
    const from = byId("some-products").children.length;
    byId("some-more").disabled = true;
    addSome(new AbortController().signal).then(
      () => byId("some-products").children[from]?.querySelector("button").focus(),
      () => { byId("some-more").disabled = false; },
    );
  });
}

/** Show it. */
export async function showStart(signal) {
  document.title = TITLE;
  const { state, hasLostPhoto } = current;
  const waiting = hasLostPhoto ? [notice("Your photo is no longer here", ["It stayed in this tab alone, and went when the page was loaded anew. Choose it once more."])] : [];
  byId("start-notice").replaceChildren(...waiting);
  const wish = state.wish ? [element("li", {}, token(`but ${state.wish}`, `Take back: ${state.wish}`, "", () => go(withWish(state, ""))))] : [];
  const tokens = [...wish, ...filterTokens(state, go)];
  byId("start-filters").hidden = !tokens.length;
  exchange(byId("start-tokens"), tokens, byId("start-title"));
  byId("some").hidden = true;
  const found = await facets(NOTHING, signal);
  if (signal.aborted) return;
  byId("start-ways").hidden = !found.num_products;
  if (!found.num_products) {
    byId("start-notice").replaceChildren(emptyCatalog());
    return;
  }
  const kinds = found.categories.filter(({ value }) => !value.includes(" > ")).length;
  const places = kinds > 1 ? ` in ${counted(kinds, "category", "categories")}` : "";
  byId("catalog-size").textContent = `${counted(found.num_products, "product", "products")}${places}. Show a photo, and see which of them resemble it.`;
  byId("some-products").replaceChildren();
  next = null;
  await addSome(signal);
}

async function addSome(signal) {
  const page = await someProducts(AT_ONCE, next, signal);
  if (signal.aborted) return;
  next = page.next;
  for (const item of page.items) note(item);
  byId("some-products").append(...page.items.map((item) => beginning(item, () => begin({ product: item.product.id }))));
  byId("some").hidden = !byId("some-products").children.length;
  byId("some-more").hidden = !next;
  byId("some-more").disabled = false;
}
