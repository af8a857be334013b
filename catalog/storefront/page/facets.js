// What there is to choose from: categories, price, stock, and every group of attributes, with counts.

import { byId, element } from "./dom.js";
import { withAttribute, withValue, withoutValue } from "./state.js";
import { attributeParts, capital, money, spaced, stockWord } from "./words.js";

const FIRST_VALUES = 8;
const OPEN_AT_FIRST = new Set(["Category", "Price", "color"]);
const open = new Map();
const unfolded = new Set();

/** Draw the facets under a state; `go` is called with the state that a choice leads to. */
export function drawFacets(found, state, go) {
  const place = byId("facets");
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const groups = Object.entries(found.attributes).sort(([one], [other]) => (other === "color") - (one === "color"));
  place.replaceChildren(
    ...[
      categories(found, state, go),
      price(found, state, go),
      stock(found, state, go),
      ...groups.map(([group, values]) => attributes(group, values, state, go)),
    ].filter(Boolean),
  );
  if (focused) {
    const again = place.querySelector(`[data-key="${CSS.escape(focused)}"]`);
    (again ?? byId("filters").querySelector("summary")).focus();
  }
}

function section(name, title, ...content) {
  const made = element(
    "details",
    { className: "facet", open: open.get(name) ?? OPEN_AT_FIRST.has(name) },
    element("summary", { data: { key: `group ${name}` } }, element("h3", {}, title)),
    ...content,
  );
  made.addEventListener("toggle", () => open.set(name, made.open));
  return made;
}

function categories({ categories: levels }, state, go) {
  if (!levels.length && !state.category) return null;
  const rows = [...levels].sort((one, other) => one.value.localeCompare(other.value));
  const choice = (value, label, count, depth) => {
    const item = element(
      "button",
      {
        type: "button",
        className: "level",
        data: { key: `category ${value}` },
        aria: { pressed: state.category === value },
        on: { click: () => go({ ...state, page: 0, category: state.category === value ? "" : value }) },
      },
      element("span", {}, label),
      count === null ? null : element("span", { className: "count" }, String(count)),
    );
    item.style.paddingInlineStart = `${0.5 + depth * 0.9}rem`;
    return element("li", {}, item);
  };
  return section(
    "Category",
    "Category",
    element(
      "ul",
      { className: "values" },
      state.category ? choice("", "All categories", null, 0) : null,
      ...rows.map(({ value, count }) => {
        const path = value.split(" > ");
        return choice(value, path.at(-1), count, path.length - 1);
      }),
    ),
  );
}

function price({ prices }, state, go) {
  if (!prices.length && !state.min && !state.max) return null;
  const currencies = [...new Set([...prices.map((one) => one.currency), state.currency].filter(Boolean))];
  const currency = state.currency || [...prices].sort((one, other) => other.count - one.count)[0]?.currency || "";
  const span = prices.find((one) => one.currency === currency);
  const bound = (name, label, placeholder) =>
    element(
      "label",
      {},
      element("span", { className: "soft small" }, label),
      element("input", {
        type: "number", name, min: "0", step: "any", inputMode: "decimal", value: state[name],
        placeholder: placeholder ?? "", data: { key: `price ${name}` },
      }),
    );
  const apply = () => {
    const said = new FormData(form);
    const [min, max] = [String(said.get("min")), String(said.get("max"))];
    const from = form.elements.min;
    from.setCustomValidity(min && max && Number(min) > Number(max) ? "The lower bound is above the upper one" : "");
    if (!form.reportValidity()) return;
    const chosen = String(said.get("currency") ?? currency);
    if (min !== state.min || max !== state.max || chosen !== (state.currency || currency)) {
      go({ ...state, page: 0, min, max, currency: min || max || chosen !== currency ? chosen : "" });
    }
  };
  const form = element(
    "form",
    { className: "price", noValidate: true, on: { submit: (event) => { event.preventDefault(); apply(); }, change: apply } },
    bound("min", "From", span?.lowest),
    bound("max", "To", span?.highest),
    currencies.length > 1
      ? element(
          "label",
          {},
          element("span", { className: "soft small" }, "Currency"),
          element("select", { name: "currency", data: { key: "price currency" } }, ...currencies.map((one) => element("option", { value: one, selected: one === currency }, one))),
        )
      : element("span", { className: "soft unit" }, currency),
    element("button", { type: "submit", className: "hidden" }, "Apply the price range"),
  );
  return section(
    "Price",
    "Price",
    form,
    span ? element("p", { className: "soft small" }, `${money(span.lowest, currency)} to ${money(span.highest, currency)}`) : null,
  );
}

function stock({ availability }, state, go) {
  const counts = new Map(availability.map(({ value, count }) => [value, count]));
  for (const value of state.stock) if (!counts.has(value)) counts.set(value, 0);
  if (counts.size < 2 && !state.stock.length) return null;
  const rows = [...counts].map(([value, count]) =>
    checkRow(`stock ${value}`, stockWord(value), count, state.stock.includes(value), (isOn) =>
      go(isOn ? withValue(state, "stock", value) : withoutValue(state, "stock", value)),
    ),
  );
  return section("Availability", "Availability", element("ul", { className: "values" }, ...rows));
}

function attributes(group, values, state, go) {
  const isShort = values.length <= FIRST_VALUES + 2 || unfolded.has(group);
  const named = values.map(({ value, count }) => ({ name: value ? `${group}=${value}` : group, value, count }));
  const isSet = ({ name }) => state.all.includes(name);
  const shown = isShort ? named : named.filter((one, rank) => rank < FIRST_VALUES || isSet(one));
  const rows = shown.map((one) => {
    const label = attributeParts(one.name)[1];
    const without = element(
      "button",
      {
        type: "button",
        className: "without",
        title: `Without ${label}`,
        data: { key: `without ${one.name}` },
        aria: { label: `Without ${label}` },
        on: { click: () => go(withAttribute(state, one.name, "none")) },
      },
      "not",
    );
    return checkRow(`all ${one.name}`, label, one.count, isSet(one), (isOn) => go(withAttribute(state, one.name, isOn ? "all" : null)), without);
  });
  const rest = named.length - shown.length;
  const list = element("ul", { className: "values" }, ...rows);
  const more = rest
    ? element("button", {
        type: "button",
        className: "link",
        data: { key: `more ${group}` },
        on: {
          click: () => {
            unfolded.add(group);
            const made = attributes(group, values, state, go);
            made.open = true;
            list.closest("details").replaceWith(made);
            made.querySelectorAll("input")[FIRST_VALUES]?.focus();
          },
        },
      }, `${rest} more`)
    : null;
  const made = section(group, capital(spaced(group)), list, more);
  if (named.some(isSet)) made.open = true;
  return made;
}

function checkRow(key, label, count, isOn, changed, extra = null) {
  return element(
    "li",
    {},
    element(
      "label",
      {},
      element("input", { type: "checkbox", checked: isOn, data: { key }, on: { change: (event) => changed(event.target.checked) } }),
      element("span", {}, label),
      element("span", { className: "count" }, String(count)),
    ),
    extra,
  );
}
