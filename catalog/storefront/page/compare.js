// Products side by side: up to four, chosen on their cards, with what they share and what sets them apart.

import { byId, element } from "./dom.js";
import { photograph } from "./cards.js";
import { attributeParts, capital, counted, money, stockWord } from "./words.js";

const MOST = 4;
const chosen = new Map();
let openProduct = null;

/** Set it up. `like(hit)` is called where one of them is to be searched with. */
export function installCompare(like) {
  const dialog = byId("compare-dialog");
  openProduct = (hit) => {
    dialog.close();
    like(hit);
  };
  byId("compare-open").addEventListener("click", () => {
    byId("compare-table").replaceChildren(...rows([...chosen.values()]));
    dialog.showModal();
  });
  byId("compare-close").addEventListener("click", () => dialog.close());
  byId("compare-clear").addEventListener("click", () => {
    chosen.clear();
    showTray();
    byId("results-title").focus({ preventScroll: true });
  });
}

/** The box on a card that chooses its product. */
export function compareChoice(hit) {
  const { id, title } = hit.product;
  const box = element("input", {
    type: "checkbox",
    checked: chosen.has(id),
    data: { compare: id },
    aria: { label: `Compare ${title}` },
    on: {
      change: () => {
        if (box.checked) chosen.set(id, hit);
        else chosen.delete(id);
        if (chosen.size > MOST) chosen.delete(chosen.keys().next().value);
        showTray();
      },
    },
  });
  return element("label", { className: "compare" }, box, "Compare");
}

function showTray() {
  const number = chosen.size;
  byId("tray").hidden = !number;
  document.body.classList.toggle("has-tray", number > 0);
  byId("compare-open").disabled = number < 2;
  byId("compare-number").textContent = number < 2 ? "Choose another one to compare" : counted(number, "product", "products");
  byId("tray-photos").replaceChildren(...[...chosen.values()].map(({ image, product }) => element("li", {}, photograph(image.sha256, product.title))));
  for (const box of document.querySelectorAll("[data-compare]")) box.checked = chosen.has(box.dataset.compare);
}

function rows(hits) {
  const head = element(
    "thead",
    {},
    element(
      "tr",
      {},
      element("td", {}),
      ...hits.map((hit) =>
        element(
          "th",
          { scope: "col" },
          element("div", { className: "thumb" }, photograph(hit.image.sha256, "")),
          element("span", {}, hit.product.title),
          element("button", { type: "button", className: "link", aria: { label: `More like ${hit.product.title}` }, on: { click: () => openProduct(hit) } }, "More like this"),
        ),
      ),
    ),
  );
  const facts = hits.map(({ product }) => factsOf(product));
  const attributes = facts.map((one) => [...one.keys()]).flat();
  const names = ["Price", "Availability", "Category", ...[...new Set(attributes)].sort()];
  const body = [...new Set(names)].map((name) => {
    const values = facts.map((one) => one.get(name) ?? "–");
    const differs = new Set(values).size > 1;
    return element(
      "tr",
      { className: differs ? "differs" : "" },
      element("th", { scope: "row" }, name),
      ...values.map((value) => element("td", {}, value)),
    );
  });
  return [head, element("tbody", {}, ...body)];
}

function factsOf({ price, availability, category, attributes }) {
  const facts = new Map([
    ["Price", price ? money(price.amount, price.currency) : "–"],
    ["Availability", stockWord(availability)],
    ["Category", category.join(" > ") || "–"],
  ]);
  for (const attribute of attributes) {
    const [group, value] = attributeParts(attribute);
    const name = capital(group || "other");
    facts.set(name, facts.has(name) ? `${facts.get(name)}, ${value}` : value);
  }
  return facts;
}
