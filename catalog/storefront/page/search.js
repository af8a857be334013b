// Searches: one page of hits, and the counts under the filters.

import { ask, key } from "./api.js";
import { canBePath, idPath } from "./products.js";
import { recalled } from "./remembered.js";
import { HITS_PER_PAGE, filterBody, filterParameters, orderBody } from "./state.js";

/** What an answer depends on, but for its page. */
export function identity({ state, photo, crop }) {
  const { page, ...rest } = state;
  return JSON.stringify([key(), photo?.id ?? null, crop, rest]);
}

/** One page of hits. */
export function hitsPage(current, page, signal) {
  return recalled(`${page} ${identity(current)}`, signal, () => searched(current, page, signal));
}

/** How many products there are of each kind under the filters. */
export function facets(state, signal) {
  const parameters = filterParameters(state);
  // Of a merchant's own columns, those that lend themselves to it, and those that a link has set.
  parameters.append("count_fields", "*");
  for (const column of new Set(state.field.map((one) => one.slice(0, one.indexOf("="))))) parameters.append("count_fields", column);
  const path = `v1/facets?${parameters}`;
  return recalled(`${key()} ${path}`, signal, () => ask(path, { signal }));
}

/** Attributes whose names begin as somebody is typing. */
export function completions(text, number, signal) {
  const path = `v1/attributes?${new URLSearchParams({ q: text, limit: number })}`;
  return recalled(`${key()} ${path}`, signal, () => ask(path, { signal }));
}

async function searched({ state, photo, crop }, page, signal) {
  const order = orderBody(state);
  const isPlain = !state.wish && !state.but.length && !state.like.length && !state.unlike.length && !Object.keys(order).length;
  if (state.product && isPlain && canBePath(state.product)) {
    const parameters = filterParameters(state);
    parameters.set("mode", state.mode);
    parameters.set("limit", HITS_PER_PAGE);
    parameters.set("page", page);
    return ask(`v1/products/${idPath(state.product)}/similar?${parameters}`, { signal });
  }
  const query = { mode: state.mode, limit: HITS_PER_PAGE, page, filters: filterBody(state), ...order };
  for (const name of ["but", "like", "unlike"]) if (state[name].length) query[name] = state[name];
  if (state.words) query.words = state.words;
  else {
    if (state.wish) query.words = state.wish;
    if (state.product) query.product_id = state.product;
    else if (photo && crop) query.crop = crop;
  }
  if (!photo) {
    const headers = { "Content-Type": "application/json" };
    return ask("v1/search", { method: "POST", signal, headers, body: JSON.stringify(query) });
  }
  const body = new FormData();
  body.append("image", photo.file, "photo");
  body.append("query", JSON.stringify(query));
  return ask("v1/search", { method: "POST", signal, body });
}
