// Searches, and the answers that this tab remembers, so that Back is immediate.

import { ask, key } from "./api.js";
import { HITS_PER_PAGE, filterBody, filterParameters } from "./state.js";

const MOST_REMEMBERED = 100;
const remembered = new Map();

/** What an answer depends on, but for its page. */
export function identity(state, photo, crop) {
  const { page, ...rest } = state;
  return JSON.stringify([key(), photo?.id ?? null, crop, rest]);
}

/** One page of hits. */
export function hitsPage(state, photo, crop, page, signal) {
  return recalled(`${page} ${identity(state, photo, crop)}`, signal, () => searched(state, photo, crop, page, signal));
}

/** A few products to begin with: those that an empty photo finds. */
export async function someProducts(number, signal) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [96, 128];
  const context = canvas.getContext("2d");
  context.fillStyle = "#d8d4ce";
  context.fillRect(0, 0, canvas.width, canvas.height);
  const image = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  const body = new FormData();
  body.append("image", image, "photo");
  body.append("query", JSON.stringify({ mode: "visual", limit: number }));
  const found = await recalled(`${key()} some ${number}`, signal, () => ask("v1/search", { method: "POST", signal, body }));
  return found.hits;
}

/** How many products there are of each kind under the filters. */
export function facets(state, signal) {
  const path = `v1/facets?${filterParameters(state)}`;
  return recalled(`${key()} ${path}`, signal, () => ask(path, { signal }));
}

export function forgetAnswers() {
  remembered.clear();
}

async function searched(state, photo, crop, page, signal) {
  if (state.product && !state.but.length) {
    const parameters = filterParameters(state);
    parameters.set("mode", state.mode);
    parameters.set("limit", HITS_PER_PAGE);
    parameters.set("page", page);
    // Ids may hold slashes, which the path takes as they are; everything else is escaped.
    const id = state.product.split("/").map(encodeURIComponent).join("/");
    if (!state.product.split("/").some((part) => part === "" || part === "." || part === "..")) {
      return ask(`v1/products/${id}/similar?${parameters}`, { signal });
    }
  }
  const query = { mode: state.mode, limit: HITS_PER_PAGE, page, filters: filterBody(state) };
  if (state.but.length) query.but = state.but;
  if (state.words) query.words = state.words;
  else if (!photo) query.product_id = state.product;
  else if (crop) query.crop = crop;
  if (!photo) {
    const headers = { "Content-Type": "application/json" };
    return ask("v1/search", { method: "POST", signal, headers, body: JSON.stringify(query) });
  }
  const body = new FormData();
  body.append("image", photo.file, "photo");
  body.append("query", JSON.stringify(query));
  return ask("v1/search", { method: "POST", signal, body });
}

function recalled(name, signal, make) {
  if (!remembered.has(name)) {
    const made = make();
    const forget = () => {
      if (remembered.get(name) === made) remembered.delete(name);
    };
    // At once, and not when it has failed for that: whoever asks next must not wait for what is given up.
    signal.addEventListener("abort", forget);
    made.then(() => signal.removeEventListener("abort", forget), forget);
    remembered.set(name, made);
    if (remembered.size > MOST_REMEMBERED) remembered.delete(remembered.keys().next().value);
  }
  return remembered.get(name);
}
