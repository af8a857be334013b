// What is searched for, as a value, and as the fragment of the page's address. The photo itself is not in it.

export const HITS_PER_PAGE = 24;
const LAST_PAGE = 99;
const DEFAULT_MODE = "rerank";
const LISTS = ["all", "any", "none", "stock", "but"];
const TEXTS = ["product", "words", "category", "min", "max", "currency"];

export const NOTHING = Object.freeze({
  product: "", words: "", category: "", min: "", max: "", currency: "", mode: DEFAULT_MODE, page: 0,
  all: [], any: [], none: [], stock: [], but: [],
});

/** The state that a fragment names; what it does not know, it leaves out. */
export function fromFragment(fragment) {
  const said = new URLSearchParams(fragment.replace(/^#/, ""));
  const state = { ...NOTHING, mode: said.get("mode") || DEFAULT_MODE };
  for (const name of TEXTS) state[name] = said.get(name) ?? "";
  for (const name of LISTS) state[name] = [...new Set(said.getAll(name))].slice(0, 50);
  const page = Number.parseInt(said.get("page") ?? "0", 10);
  state.page = Number.isFinite(page) ? Math.min(Math.max(page, 0), LAST_PAGE) : 0;
  return state;
}

/** The fragment that names a state; empty for the start. */
export function toFragment(state) {
  const said = new URLSearchParams();
  for (const name of TEXTS) if (state[name]) said.set(name, state[name]);
  for (const name of LISTS) for (const value of state[name]) said.append(name, value);
  if (state.mode !== DEFAULT_MODE) said.set("mode", state.mode);
  if (state.page) said.set("page", String(state.page));
  const text = said.toString();
  return text ? `#${text}` : "";
}

/** Filters as the API takes them in the body of a search. */
export function filterBody(state) {
  const filters = {};
  if (state.category) filters.category = state.category;
  for (const name of ["all", "any", "none"]) if (state[name].length) filters[name] = state[name];
  if (state.min) filters.min_price = state.min;
  if (state.max) filters.max_price = state.max;
  if (state.currency && (state.min || state.max)) filters.currency = state.currency;
  if (state.stock.length) filters.availability = state.stock;
  return filters;
}

/** The same as parameters of an address. */
export function filterParameters(state) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(filterBody(state))) {
    for (const one of [value].flat()) parameters.append(name, one);
  }
  return parameters;
}

/** The state with a value in a list, or without it, from the first page on. */
export function withValue(state, list, value) {
  return { ...state, page: 0, [list]: [...state[list].filter((one) => one !== value), value] };
}

export function withoutValue(state, list, value) {
  return { ...state, page: 0, [list]: state[list].filter((one) => one !== value) };
}

/** The state with an attribute demanded ("all"), forbidden ("none"), or neither (null). */
export function withAttribute(state, attribute, list) {
  const bare = withoutValue(withoutValue(withoutValue(state, "all", attribute), "any", attribute), "none", attribute);
  return list === null ? bare : withValue(bare, list, attribute);
}

export function withoutFilters(state) {
  return { ...NOTHING, product: state.product, words: state.words, but: state.but, mode: state.mode };
}
