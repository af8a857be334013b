// The filters that are set: in words, to be taken away, and which of them to loosen where nothing is left.

import { element } from "./dom.js";
import { facets } from "./search.js";
import { withAttribute, withoutFilters, withoutValue } from "./state.js";
import { attributeParts, counted, stockWord } from "./words.js";

const MOST_COUNTED = 8;

/** Every filter that is set as `{label, without}`: what it says, and the state that lacks it. */
export function activeFilters(state) {
  const said = (attribute) => {
    const [group, value] = attributeParts(attribute);
    return group && group !== value ? `${group}: ${value}` : value;
  };
  const found = [];
  if (state.category) found.push({ label: state.category, without: { ...state, page: 0, category: "" } });
  for (const one of state.all) found.push({ label: said(one), without: withAttribute(state, one, null) });
  if (state.any.length) {
    found.push({ label: either(state.any.map(said)), without: { ...state, page: 0, any: [] } });
  }
  for (const one of state.none) found.push({ label: `not ${said(one)}`, isNot: true, without: withAttribute(state, one, null) });
  if (state.min || state.max) {
    const range = state.min && state.max ? `${state.min} to ${state.max}` : state.min ? `from ${state.min}` : `up to ${state.max}`;
    found.push({ label: `${range} ${state.currency}`.trim(), without: { ...state, page: 0, min: "", max: "", currency: "" } });
  }
  for (const one of state.stock) found.push({ label: stockWord(one), without: withoutValue(state, "stock", one) });
  for (const one of state.field) found.push({ label: one.replace("=", ": "), without: withoutValue(state, "field", one) });
  return found;
}

/** `color: red`, `color: blue` → "color: red or blue"; of several groups, each with its own name. */
function either(labels) {
  const group = /^[^:]*: /.exec(labels[0])?.[0];
  const isOne = group && labels.every((label) => label.startsWith(group));
  return isOne ? group + labels.map((label) => label.slice(group.length)).join(" or ") : labels.join(" or ");
}

/** A list item for each of them, with a way to take it off, and one to take all off. */
export function filterTokens(state, go) {
  const active = activeFilters(state);
  const tokens = active.map(({ label, isNot, without }) =>
    element("li", {}, token(label, `Take off the filter ${label}`, isNot ? "not" : "", () => go(without))),
  );
  if (active.length > 1) {
    const clear = element("button", { type: "button", className: "link", on: { click: () => go(withoutFilters(state)) } }, "Clear all");
    tokens.push(element("li", {}, clear));
  }
  return tokens;
}

export function token(label, explained, className, run) {
  return element(
    "button",
    { type: "button", className: `token ${className}`, aria: { label: explained }, on: { click: run } },
    element("span", {}, label),
    element("span", { className: "cross", aria: { hidden: true } }, "×"),
  );
}

/** Ways out of filters that leave nothing: each filter with the number of products that there are without it. */
export async function loosenings(state, signal) {
  const active = activeFilters(state).slice(0, MOST_COUNTED);
  const numbers = await Promise.all(active.map(({ without }) => facets(without, signal)));
  return active
    .map((one, rank) => ({ ...one, number: numbers[rank].num_products }))
    .filter(({ number }) => number > 0)
    .sort((one, other) => other.number - one.number)
    .map(({ label, without, number }) => ({ label: `Take off “${label}” (${counted(number, "product", "products")})`, without }));
}
