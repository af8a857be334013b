// Hits as cards: photo, title, price, stock, score, and the reasons as chips.

import { photoAddress } from "./api.js";
import { element } from "./dom.js";
import { note } from "./products.js";
import { attributeParts, attributeWord, money, percent, stockWord } from "./words.js";

const WIDTH = 320;

/** A card. `actions` are `like(hit)`, `reason(button, attribute)`, and `choices(hit)`, which makes what stands below it. */
export function card(hit, state, actions) {
  const { product, image } = hit;
  note(hit);
  const photo = photograph(image.sha256, "");
  const like = element(
    "button",
    { type: "button", className: "shot", aria: { label: `More like ${product.title}` }, on: { click: () => actions.like(hit) } },
    photo,
    element("span", { className: "pill", aria: { hidden: true } }, "More like this"),
  );
  const address = webAddress(product.link);
  const title = address
    ? element("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, product.title)
    : product.title;
  const isThere = product.availability === "in_stock";
  return element(
    "li",
    { className: "card", data: { product: product.id } },
    like,
    element("h2", {}, title),
    element(
      "p",
      { className: "facts" },
      product.price ? element("span", { className: "price-tag" }, money(product.price.amount, product.price.currency)) : null,
      element("span", { className: isThere ? "stock" : "stock away" }, stockWord(product.availability)),
    ),
    element(
      "ul",
      { className: "chips", aria: { label: "Why it is here" } },
      ...hit.why.map((reason) => element("li", {}, chip(reason, hit.why, state, actions))),
    ),
    element(
      "p",
      { className: "soft small ids" },
      element("span", {}, product.id),
      element("span", { title: "Higher is nearer" }, `score ${hit.score.toFixed(2)}`),
    ),
    element("div", { className: "below" }, ...actions.choices(hit)),
  );
}

/** A photo, or words in its stead where it cannot be had. */
export function photograph(sha256, alt) {
  const image = element("img", { alt, loading: "lazy", decoding: "async", width: 240, height: 320 });
  const missing = () => image.replaceWith(element("span", { className: "missing" }, "No photo"));
  image.addEventListener("load", () => image.classList.add("there"));
  image.addEventListener("error", missing);
  photoAddress(sha256, WIDTH).then((address) => { image.src = address; }, missing);
  return image;
}

/** Its bar is as long as its share of the largest one. */
function chip({ attribute, share }, all, state, actions) {
  const [group] = attributeParts(attribute);
  const word = attributeWord(attribute);
  const isAmbiguous = all.some((other) => other.attribute !== attribute && attributeWord(other.attribute) === word);
  const isDemanded = state.all.includes(attribute);
  const part = element("span", {});
  part.style.width = `${Math.max((share / all[0].share) * 100, 4)}%`;
  const bar = element("span", { className: "bar", aria: { hidden: true } }, part);
  const button = element(
    "button",
    {
      type: "button",
      className: isDemanded ? "chip on" : "chip",
      title: `${group ? `${group}: ` : ""}${word}, ${percent(share)} of what they share`,
      data: { attribute },
      aria: {
        haspopup: "menu",
        expanded: false,
        label: `${group ? `${group}: ` : ""}${word}, ${percent(share)} of what they share${isDemanded ? ", demanded" : ""}`,
      },
      on: { click: () => actions.reason(button, attribute) },
    },
    isAmbiguous && group ? `${group} ${word}` : word,
    bar,
  );
  return button;
}

/** The address, where it leads to a page and does nothing else. */
function webAddress(link) {
  try {
    const address = new URL(link);
    return ["http:", "https:"].includes(address.protocol) ? address.href : null;
  } catch {
    return null;
  }
}

/** A small card that is nothing but a way to begin. */
export function beginning({ product, image }, like) {
  return element(
    "li",
    {},
    element(
      "button",
      { type: "button", className: "shot", title: product.title, aria: { label: `More like ${product.title}` }, on: { click: like } },
      photograph(image.sha256, ""),
    ),
  );
}
