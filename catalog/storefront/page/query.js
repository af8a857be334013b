// What is looked for: the photo with its box, the product or the words, more examples, and changed attributes.

import { photograph } from "./cards.js";
import { byId, element, exchange } from "./dom.js";
import { token } from "./filters.js";
import { current, go } from "./navigation.js";
import { CropBox } from "./photo.js";
import { knownProduct, seenProduct } from "./products.js";
import { withExample, withWish, withoutValue } from "./state.js";
import { attributeParts } from "./words.js";

let cropBox = null;

/** Set it up; once. */
export function installQuery() {
  cropBox = new CropBox((box) => go({ ...current.state, page: 0 }, { crop: box, replace: true }));
  byId("wish-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const wish = byId("wish").value.trim();
    if (wish !== current.state.wish) go(withWish(current.state, wish));
  });
  byId("wish-clear").addEventListener("click", () => {
    go(withWish(current.state, ""));
    byId("wish").focus();
  });
}

/** Show it. Titles and photos of products that no answer had yet are asked for. */
export function showQuery(signal) {
  const { state, photo, crop } = current;
  byId("query-photo").hidden = !photo;
  byId("query-product").hidden = !state.product;
  byId("query-words").hidden = !state.words;
  byId("asked-words").textContent = state.words ? `“${state.words}”` : "";
  byId("wish-form").hidden = Boolean(state.words);
  // What is being typed stays while something else is chosen.
  const wish = byId("wish");
  if (wish.defaultValue !== state.wish) wish.value = wish.defaultValue = state.wish;
  byId("wish-clear").hidden = !state.wish;
  byId("understood").textContent = "";
  document.querySelector(".another").open = false;
  if (photo) cropBox.show(photo, crop);
  if (state.product) showProduct(state.product, signal);
  const examples = [...state.like.map((id) => [id, "like"]), ...state.unlike.map((id) => [id, "unlike"])];
  byId("examples-title").hidden = !examples.length;
  exchange(byId("examples"), examples.map(([id, list]) => example(id, list, state, signal)), byId("results-title"));
  const changes = state.but.map((one) => {
    const label = `but ${attributeParts(one).filter(Boolean).join(": ")}`;
    return element("li", {}, token(label, `Take back: ${label}`, "", () => go(withoutValue(state, "but", one))));
  });
  exchange(byId("changes"), changes, byId("results-title"));
  document.title = `${photo ? "Like your photo" : state.words || `Like ${titleOf(state.product || state.like[0])}`} · Drape`;
}

/** Show what was made of words, those that are searched with or those that say what shall be different. */
export function showUnderstood({ all, none, category, min_price: min, max_price: max, currency }) {
  const price = [min ? `from ${min}` : "", max ? `up to ${max}` : "", min || max ? (currency ?? "") : ""].filter(Boolean).join(" ");
  const parts = [...all.map(said), ...none.map((one) => `not ${said(one)}`), category ?? "", price].filter(Boolean);
  byId("understood").textContent = parts.length ? `Understood as ${parts.join(", ")}` : "";
}

function said(attribute) {
  return attributeParts(attribute).filter(Boolean).join(" ");
}

function showProduct(id, signal) {
  const draw = (known) => {
    byId("asked-title").textContent = known?.title ?? "Product";
    byId("asked-id").textContent = id;
    byId("asked-thumb").replaceChildren(...(known?.sha256 ? [photograph(known.sha256, "")] : []));
    byId("asked-thumb").hidden = !known?.sha256;
  };
  draw(seenProduct(id));
  whenKnown(id, signal, (known) => {
    draw(known);
    document.title = `Like ${known.title} · Drape`;
  });
}

function example(id, list, state, signal) {
  const [sign, said] = list === "like" ? ["+", "More like"] : ["−", "Less like"];
  const thumb = element("span", { className: "thumb" });
  const title = element("span", {});
  const button = element(
    "button",
    { type: "button", className: `example ${list}`, on: { click: () => go(withExample(state, id, null)) } },
    element("span", { className: "sign", aria: { hidden: true } }, sign),
    thumb,
    title,
    element("span", { className: "cross", aria: { hidden: true } }, "×"),
  );
  const draw = (known) => {
    title.textContent = known?.title ?? id;
    button.setAttribute("aria-label", `${said} ${title.textContent}: take back`);
    if (known?.sha256) thumb.replaceChildren(photograph(known.sha256, ""));
  };
  draw(seenProduct(id));
  whenKnown(id, signal, draw);
  return element("li", {}, button);
}

/** Call `draw` with what a product is called and looks like, once it is known; unless it was already. */
function whenKnown(id, signal, draw) {
  if (seenProduct(id)) return;
  knownProduct(id, signal).then(
    (known) => {
      if (known && !signal.aborted) draw(known);
    },
    () => {
      // It was given up with the search that it belongs to.
    },
  );
}

function titleOf(id) {
  return seenProduct(id)?.title ?? id;
}
