// Where the visitor is: the state that the address names, the photo and its box; and how to go on from there.

import { photoById } from "./photo.js";
import { NOTHING, fromFragment, hasSubject, ranked, toFragment, withoutSubject } from "./state.js";

/** What is shown now. `hasLostPhoto`: this entry of the history had a photo, which went when the page was loaded anew. */
export const current = { state: NOTHING, photo: null, crop: null, hasLostPhoto: false };

let arrived = null;

/** Call `show()` now, and whenever the visitor has gone somewhere. */
export function installNavigation(show) {
  arrived = show;
  window.addEventListener("popstate", arrive);
  arrive();
}

/** Go on to a state: a new entry of the history, unless it replaces the current one. */
export function go(next, { replace = false, photo = current.photo, crop = current.crop } = {}) {
  const entry = { photo: photo?.id ?? null, crop };
  const address = toFragment(next) || location.pathname + location.search;
  if (replace) history.replaceState(entry, "", address);
  else history.pushState(entry, "", address);
  arrive();
}

/** Search with something else: without the filters and wishes that were set, unless there was nothing yet that they were set for. */
export function begin({ product = "", words = "", photo = null }) {
  const { state } = current;
  const kept = isAtStart() ? withoutSubject(state) : { ...NOTHING, ...ranked(state) };
  go({ ...kept, mode: words && state.mode === "visual" ? NOTHING.mode : state.mode, product, words, wish: words ? "" : kept.wish }, { photo, crop: null });
  window.scrollTo({ top: 0 });
  document.getElementById("results-title").focus({ preventScroll: true });
}

/** Whether there is nothing to search with yet. */
export function isAtStart() {
  return !current.photo && !hasSubject(current.state);
}

/** Show what the address and the history's entry name. */
export function arrive() {
  const state = fromFragment(location.hash);
  const photoId = state.product || state.words ? null : history.state?.photo;
  current.state = state;
  current.photo = photoById(photoId);
  current.crop = current.photo ? (history.state?.crop ?? null) : null;
  current.hasLostPhoto = Boolean(photoId) && !current.photo;
  arrived();
}
