// What is searched for, as a value, and as the fragment of the page's address. The photo itself is not in it.

export const HITS_PER_PAGE = 24;
export const LAST_PAGE = 99;
export const MOST_EXAMPLES = 20;
const DEFAULT_MODE = "rerank";
const LISTS = ["all", "any", "none", "stock", "field", "but", "like", "unlike"];
const TEXTS = ["product", "words", "wish", "category", "min", "max", "currency"];
const SWITCHES = ["diverse", "stocked", "newer"];
const DIVERSITY = 0.5;
const BOOST = 0.5;

export const NOTHING = Object.freeze({
  product: "", words: "", wish: "", category: "", min: "", max: "", currency: "", mode: DEFAULT_MODE, page: 0,
  all: [], any: [], none: [], stock: [], field: [], but: [], like: [], unlike: [],
  diverse: false, stocked: false, newer: false,
});

/** The state that a fragment names; what it does not know, it leaves out. */
export function fromFragment(fragment) {
  const said = new URLSearchParams(fragment.replace(/^#/, ""));
  const state = { ...NOTHING, mode: said.get("mode") || DEFAULT_MODE };
  for (const name of TEXTS) state[name] = said.get(name) ?? "";
  for (const name of LISTS) state[name] = [...new Set(said.getAll(name))].slice(0, 50);
  for (const name of SWITCHES) state[name] = said.has(name);
  const page = Number.parseInt(said.get("page") ?? "0", 10);
  state.page = Number.isFinite(page) ? Math.min(Math.max(page, 0), LAST_PAGE) : 0;
  return state;
}

/** The fragment that names a state; empty for the start. */
export function toFragment(state) {
  const said = new URLSearchParams();
  for (const name of TEXTS) if (state[name]) said.set(name, state[name]);
  for (const name of LISTS) for (const value of state[name]) said.append(name, value);
  for (const name of SWITCHES) if (state[name]) said.set(name, "1");
  if (state.mode !== DEFAULT_MODE) said.set("mode", state.mode);
  if (state.page) said.set("page", String(state.page));
  const text = said.toString();
  return text ? `#${text}` : "";
}

/** Whether the state names something to search with; a photo does so, too, but is not in it. */
export function hasSubject(state) {
  return Boolean(state.product || state.words || state.like.length);
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
  for (const one of state.field) {
    const at = one.indexOf("=");
    filters.fields ??= {};
    (filters.fields[one.slice(0, at)] ??= []).push(one.slice(at + 1));
  }
  return filters;
}

/** The same as parameters of an address. */
export function filterParameters(state) {
  const parameters = new URLSearchParams();
  const { fields, ...filters } = filterBody(state);
  for (const [name, value] of Object.entries(filters)) {
    for (const one of [value].flat()) parameters.append(name, one);
  }
  for (const one of fields ? state.field : []) parameters.append("field", one);
  return parameters;
}

/** How hits are put in order, as the API takes it, but for the mode. */
export function orderBody({ diverse, stocked, newer }) {
  const order = {};
  if (diverse) order.diversity = DIVERSITY;
  if (stocked || newer) order.boost = { ...(stocked && { in_stock: BOOST }), ...(newer && { newer: BOOST }) };
  return order;
}

/** The state with a value in a list, or without it, from the first page on. */
export function withValue(state, list, value) {
  return { ...state, page: 0, [list]: [...state[list].filter((one) => one !== value), value] };
}

export function withoutValue(state, list, value) {
  return { ...state, page: 0, [list]: state[list].filter((one) => one !== value) };
}

/** The state with an attribute demanded ("all"), one of several ("any"), forbidden ("none"), or neither (null). */
export function withAttribute(state, attribute, list) {
  const bare = withoutValue(withoutValue(withoutValue(state, "all", attribute), "any", attribute), "none", attribute);
  return list === null ? bare : withValue(bare, list, attribute);
}

/** The state with a product as one more example ("like", "unlike"), or as none (null). */
export function withExample(state, product, list) {
  const bare = withoutValue(withoutValue(state, "like", product), "unlike", product);
  return list === null ? bare : withValue(bare, list, product);
}

/** How it shall differ, filters and order alone, of what is searched for. */
export function withoutSubject(state) {
  return { ...state, product: "", words: "", but: [], like: [], unlike: [], page: 0 };
}

export function withoutFilters(state) {
  const { product, words, wish, but, like, unlike } = state;
  return { ...NOTHING, ...ranked(state), product, words, wish, but, like, unlike };
}

/** The state with words for what shall be different; looks alone could not tell. */
export function withWish(state, wish) {
  return { ...state, page: 0, mode: wish && state.mode === "visual" ? DEFAULT_MODE : state.mode, wish };
}

/** How the state ranks, whatever it is that it ranks. */
export function ranked({ mode, diverse, stocked, newer }) {
  return { mode, diverse, stocked, newer };
}
