// Products by themselves: some to begin with, and one by its id. What has been seen once is known from then on.

import { ApiError, ask, key } from "./api.js";
import { recalled } from "./remembered.js";

const seen = new Map();

/** Note the photo and title of a hit, or of a product that came otherwise. */
export function note({ product, image }) {
  seen.set(product.id, { title: product.title, sha256: image?.sha256 ?? null });
}

/** `{title, sha256}` of a product that was seen, else null. */
export function seenProduct(id) {
  return seen.get(id) ?? null;
}

/** The same of any product of the catalog; null where there is none with this id. */
export async function knownProduct(id, signal) {
  if (!seen.has(id) && canBePath(id)) {
    try {
      const product = await ask(`v1/products/${idPath(id)}`, { signal });
      note({ product, image: product.images.find(({ url }) => url) });
    } catch (error) {
      // The search with it says what is wrong, where something is.
      if (!(error instanceof ApiError)) throw error;
    }
  }
  return seenProduct(id);
}

/** Products to begin with, and where the list goes on: `{items, next}`. */
export function someProducts(number, after, signal) {
  const parameters = new URLSearchParams({ limit: number });
  if (after) parameters.set("after", after);
  const path = `v1/products?${parameters}`;
  return recalled(`${key()} ${path}`, signal, () => ask(path, { signal }));
}

/** Ids may hold slashes, which paths take as they are; everything else is escaped. */
export function idPath(id) {
  return id.split("/").map(encodeURIComponent).join("/");
}

/** Whether an id can stand in a path, whose parts browsers and servers put in order. */
export function canBePath(id) {
  return !id.split("/").some((part) => part === "" || part === "." || part === "..");
}
