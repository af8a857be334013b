// What there is to choose from: categories, price, stock, and every group of attributes, with counts.

import { byId, element } from "./dom.js";
import { withAttribute, withValue, withoutValue } from "./state.js";
import { attributeParts, capital, money, spaced, stockWord } from "./words.js";

const FIRST_VALUES = 8;
const OPEN_AT_FIRST = new Set(["Category", "Price", "color"]);
const open = new Map();
const unfolded = new Set();

/** Draw the facets under a state; `understood` is what was made of words, null without any, and `go` is called with the state that a choice leads to. */
export function drawFacets(found, understood, state, go) {
  const place = byId("facets");
  byId("filters").hidden = false;
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const groups = withChosen(found.attributes, state).sort(([one], [other]) => (other === "color") - (one === "color"));
  place.replaceChildren(
    ...[
      categories(found, understood?.category ?? null, state, go),
      price(found, state, go),
      stock(found, state, go),
      ...groups.map(([group, values]) => attributes(group, values, state, go)),
      ...fields(found, state, go),
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

/** What words filter by is marked and not pressed: it is taken back where the words are. */
function categories({ categories: levels }, inWords, state, go) {
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
      isAskedFor(value, inWords) ? element("span", { className: "in-words small" }, "your words") : null,
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

/** Whether a path of levels is what a category names: the path itself, or its last level, wherever that is. */
function isAskedFor(path, category) {
  if (category === null) return false;
  const [asked, value] = [category.toLowerCase(), path.toLowerCase()];
  return value === asked || value.split(" > ").at(-1) === asked;
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

/** Groups with their values and counts, and among them what is chosen and now has no count. */
function withChosen(counted, state) {
  const groups = new Map(Object.entries(counted).map(([group, values]) => [group, [...values]]));
  for (const name of [...state.all, ...state.any, ...state.none]) {
    const at = name.indexOf("=");
    const [group, value] = at < 0 ? [name, ""] : [name.slice(0, at), name.slice(at + 1)];
    if (!groups.has(group)) groups.set(group, []);
    if (!groups.get(group).some((one) => one.value === value)) groups.get(group).push({ value, count: 0 });
  }
  return [...groups];
}

function attributes(group, values, state, go) {
  const isShort = values.length <= FIRST_VALUES + 2 || unfolded.has(group);
  const named = values.map(({ value, count }) => ({ name: value ? `${group}=${value}` : group, count }));
  const isSet = ({ name }) => ["all", "any", "none"].some((list) => state[list].includes(name));
  const shown = isShort ? named : named.filter((one, rank) => rank < FIRST_VALUES || isSet(one));
  const rows = shown.map(({ name, count }) => {
    const label = attributeParts(name)[1];
    const choose = (list) => (isOn) => go(withAttribute(state, name, isOn ? list : null));
    return checkRow(
      `all ${name}`, label, count, state.all.includes(name), choose("all"),
      pressed(`any ${name}`, "or", `${label}, or another one marked with “or”`, state.any.includes(name), choose("any")),
      pressed(`none ${name}`, "not", `Without ${label}`, state.none.includes(name), choose("none")),
    );
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

/** A merchant's own columns; one of the values that are ticked in each. */
function fields({ fields: columns = {} }, state, go) {
  return Object.entries(columns).map(([name, values]) => {
    const rows = values.map(({ value, count }) => {
      const one = `${name}=${value}`;
      const choose = (isOn) => go(isOn ? withValue(state, "field", one) : withoutValue(state, "field", one));
      return checkRow(`field ${one}`, value, count, state.field.includes(one), choose);
    });
    const made = section(`field ${name}`, capital(spaced(name)), element("ul", { className: "values" }, ...rows));
    if (state.field.some((one) => one.startsWith(`${name}=`))) made.open = true;
    return made;
  });
}

/** A small button that is on or off. */
function pressed(key, sign, said, isOn, changed) {
  return element(
    "button",
    { type: "button", className: `mark ${sign}`, title: said, data: { key }, aria: { label: said, pressed: isOn }, on: { click: () => changed(!isOn) } },
    sign,
  );
}

function checkRow(key, label, count, isOn, changed, ...marks) {
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
    ...marks,
  );
}
