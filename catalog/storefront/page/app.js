// The page: from a state to what is seen, and from what is done to the next state.

import { ApiError, abilities, key, setKey } from "./api.js";
import { compareChoice, installCompare } from "./compare.js";
import { byId, element, exchange } from "./dom.js";
import { drawFacets } from "./facets.js";
import { activeFilters, filterTokens, loosenings, token } from "./filters.js";
import { askForKey, installKeys } from "./keys.js";
import { closeMenu, installMenu, openMenu } from "./menu.js";
import { emptyCatalog, errorNotice, notice, skeletons } from "./notices.js";
import { CropBox, photoById, takePhoto } from "./photo.js";
import { beginning, card, photograph, seenProduct } from "./results.js";
import { facets, forgetAnswers, hitsPage, identity, someProducts } from "./search.js";
import { HITS_PER_PAGE, NOTHING, fromFragment, toFragment, withAttribute, withoutFilters } from "./state.js";
import { installSubjects } from "./subjects.js";
import { attributeParts, attributeWord, counted, modeWords } from "./words.js";

const SLOW = 300;
const VERY_SLOW = 6000;
const BEGINNINGS = 6;
const TITLE = document.title;

let state = NOTHING;
let photo = null;
let crop = null;
let under = null;
let drawn = { identity: "", count: 0 };
let running = new AbortController();
let cropBox = null;

/** Go on to a state: a new entry of the history, unless it replaces the current one. */
function go(next, { replace = false, photo: nextPhoto = photo, crop: nextCrop = crop } = {}) {
  const entry = { photo: nextPhoto?.id ?? null, crop: nextCrop };
  const address = toFragment(next) || location.pathname + location.search;
  if (replace) history.replaceState(entry, "", address);
  else history.pushState(entry, "", address);
  arrive();
}

/** Show the state that the address and the history's entry name. */
function arrive() {
  closeMenu();
  state = fromFragment(location.hash);
  photo = state.product || state.words ? null : photoById(history.state?.photo);
  crop = photo ? (history.state?.crop ?? null) : null;
  running.abort();
  running = new AbortController();
  const hasSubject = Boolean(photo || state.product || state.words);
  byId("start").hidden = hasSubject;
  byId("work").hidden = !hasSubject;
  byId("skip").hidden = !hasSubject;
  if (hasSubject) void showResults(running.signal);
  else void showStart(running.signal);
}

async function showStart(signal) {
  document.title = TITLE;
  drawn = { identity: "", count: 0 };
  byId("start").querySelector(".notice")?.remove();
  byId("some").hidden = true;
  try {
    const found = await facets(NOTHING, signal);
    if (signal.aborted) return;
    if (found.num_products) {
      const kinds = found.categories.filter(({ value }) => !value.includes(" > ")).length;
      const places = kinds > 1 ? ` in ${counted(kinds, "category", "categories")}` : "";
      byId("catalog-size").textContent = `${counted(found.num_products, "product", "products")}${places}. Show a photo, and see which of them resemble it.`;
      const hits = await someProducts(BEGINNINGS, signal);
      if (signal.aborted) return;
      byId("some-products").replaceChildren(...hits.map((hit) => beginning(hit, () => like(hit))));
      byId("some").hidden = !hits.length;
    } else byId("start").append(emptyCatalog());
  } catch (error) {
    if (!failed(error, signal)) return;
    byId("start").append(errorNotice(error, arrive, askForKey));
  }
}

async function showResults(signal) {
  const name = identity(state, photo, crop);
  const isMore = drawn.identity === name && drawn.count > 0;
  showQuery();
  exchange(byId("tokens"), filterTokens(state, go), byId("results-title"));
  const numFilters = activeFilters(state).length;
  byId("num-filters").textContent = String(numFilters);
  byId("num-filters").hidden = !numFilters;
  exchange(byId("notice"), [], byId("results-title"));
  byId("grid").setAttribute("aria-busy", "true");
  byId("more").disabled = true;
  const slow = setTimeout(() => {
    if (!isMore) exchange(byId("grid"), skeletons(8), byId("results-title"));
    drawn = isMore ? drawn : { identity: "", count: 0 };
    byId("status").textContent = "Looking…";
  }, SLOW);
  const verySlow = setTimeout(() => {
    byId("status").textContent = photo
      ? "Still looking. The first photo after a start waits until the network is loaded."
      : "Still looking. The connection is slow.";
  }, VERY_SLOW);
  try {
    const pages = Array.from({ length: state.page + 1 }, (_, page) => hitsPage(state, photo, crop, page, signal));
    const [answers] = await Promise.all([Promise.all(pages), showFacets(signal)]);
    if (signal.aborted) return;
    showHits(answers, name, isMore);
    if (!answers[0].hits.length) await showNoHits(signal);
  } catch (error) {
    if (!failed(error, signal)) return;
    drawn = { identity: "", count: 0 };
    exchange(byId("grid"), [], byId("results-title"));
    byId("more").hidden = true;
    byId("status").textContent = "";
    byId("notice").replaceChildren(errorNotice(error, arrive, askForKey));
  } finally {
    clearTimeout(slow);
    clearTimeout(verySlow);
    if (!signal.aborted) {
      byId("grid").setAttribute("aria-busy", "false");
      byId("more").disabled = false;
    }
  }
}

/** Whether an error is to be shown. A key that is refused is asked for anew. */
function failed(error, signal) {
  if (signal.aborted || error.name === "AbortError") return false;
  if (!(error instanceof ApiError)) throw error;
  if (error.status === 401) {
    const why = key() ? "This key was refused. It may be mistyped, or no longer count." : "";
    setKey("");
    askForKey(why);
  }
  return true;
}

async function showFacets(signal) {
  const found = await facets(state, signal);
  if (signal.aborted) return;
  under = found;
  drawFacets(found, state, go);
}

function showQuery() {
  byId("query-photo").hidden = !photo;
  byId("query-product").hidden = !state.product;
  byId("query-words").hidden = !state.words;
  byId("query-words").textContent = state.words ? `“${state.words}”` : "";
  document.querySelector(".another").open = false;
  if (photo) cropBox.show(photo, crop);
  else if (state.product) {
    const known = seenProduct(state.product);
    byId("asked-title").textContent = known?.title ?? "Product";
    byId("asked-id").textContent = state.product;
    byId("asked-thumb").replaceChildren(...(known ? [photograph(known.sha256, "")] : []));
    byId("asked-thumb").hidden = !known;
  }
  const changes = state.but.map((one) => {
    const label = `but ${attributeParts(one).filter(Boolean).join(": ")}`;
    const without = { ...state, page: 0, but: state.but.filter((other) => other !== one) };
    return element("li", {}, token(label, `Take back: ${label}`, "", () => go(without)));
  });
  exchange(byId("changes"), changes, byId("results-title"));
  document.title = `${photo ? "Like your photo" : state.words || `Like ${state.product}`} · Drape`;
}

function showHits(answers, name, isMore) {
  const hits = answers.flatMap((answer) => answer.hits);
  const from = isMore && drawn.count <= hits.length && !byId("grid").querySelector(".skeleton") ? drawn.count : 0;
  const cards = hits.slice(from).map((hit) => card(hit, state, { like, reason, choice: compareChoice }));
  if (from) byId("grid").append(...cards);
  else exchange(byId("grid"), cards, byId("results-title"));
  drawn = { identity: name, count: hits.length };
  const last = answers.at(-1);
  const isLast = last.hits.length < HITS_PER_PAGE || state.page >= 99;
  byId("more").hidden = isLast;
  const subject = photo ? (crop ? "the box in your photo" : "your photo") : state.words ? "your words" : state.product;
  const number = isLast ? counted(hits.length, "item", "items") : `The nearest ${hits.length} items`;
  byId("status").textContent = hits.length ? [`${number} like ${subject}`, ignoredWords(answers[0])].filter(Boolean).join(". ") : "";
  if (from) cards[0]?.querySelector("button").focus();
  showFacts(answers[0]);
}

/** What was made of none of the words. */
function ignoredWords({ understood }) {
  const ignored = understood?.ignored ?? [];
  return ignored.length ? `Not understood: ${ignored.join(", ")}` : "";
}

async function showNoHits(signal) {
  const filters = activeFilters(state);
  byId("status").textContent = "Nothing found";
  if (!filters.length) {
    const isEmpty = under !== null && under.num_products === 0;
    byId("notice").replaceChildren(
      isEmpty ? emptyCatalog() : notice("Nothing resembles this", ["Try another photo, or draw the box around one item only."]),
    );
    return;
  }
  const title = filters.length > 1 ? "Nothing matches all of these filters" : "Nothing matches this filter";
  const show = (sentences, ways) => byId("notice").replaceChildren(notice(title, sentences, ways));
  const all = { label: "Clear all filters", run: () => go(withoutFilters(state)), main: true };
  show([], [all]);
  const ways = await loosenings(state, signal);
  if (signal.aborted) return;
  if (ways.length) show(["There would be something without one of them:"], ways.map(({ label, without }) => ({ label, run: () => go(without) })));
  else show(["Taking off one of them alone is not enough."], [all]);
}

function showFacts({ timings_ms: timings, model_version: model, gallery, mode }) {
  const total = Object.values(timings).reduce((sum, value) => sum + value, 0);
  const stages = Object.entries(timings).map(([stage, value]) => `${stage} ${value.toFixed(1)}`).join(", ");
  const facts = [
    ["Model", model],
    ["Gallery", gallery],
    ["Ranking", [mode, modeWords(mode)[1]].filter(Boolean).join(": ")],
    ["Time", `${("total" in timings ? timings.total : total).toFixed(1)} ms (${stages})`],
  ];
  byId("facts").replaceChildren(...facts.flatMap(([term, fact]) => [element("dt", {}, term), element("dd", {}, fact)]));
  void abilities().then(({ modes }) => showModes(modes.length ? modes : [mode]));
}

function showModes(modes) {
  const place = byId("modes");
  const focused = place.contains(document.activeElement);
  const choices = modes.map((mode) => {
    const [label, explained] = modeWords(mode);
    return element(
      "label",
      {},
      element("input", { type: "radio", name: "mode", value: mode, checked: mode === state.mode, on: { change: () => go({ ...state, page: 0, mode }) } }),
      element("span", {}, label, explained ? element("span", { className: "soft" }, ` ${explained}`) : null),
    );
  });
  place.replaceChildren(place.querySelector("legend"), ...choices);
  if (focused) place.querySelector(":checked")?.focus();
}

/** Search with something else, without the filters that were set. */
function begin({ product = "", words = "", photo: taken = null }) {
  go({ ...NOTHING, mode: words ? NOTHING.mode : state.mode, product, words }, { photo: taken, crop: null });
  window.scrollTo({ top: 0 });
  byId("results-title").focus({ preventScroll: true });
}

function like(hit) {
  begin({ product: hit.product.id });
}

/** The menu of a reason: demand it, forbid it, or have it changed. */
async function reason(button, attribute) {
  const [group, word] = [attributeParts(attribute)[0], attributeWord(attribute)];
  const isDemanded = state.all.includes(attribute);
  const items = [
    isDemanded
      ? { label: `No longer only ${word}`, run: () => go(withAttribute(state, attribute, null)) }
      : { label: `Only ${word}`, run: () => go(withAttribute(state, attribute, "all")) },
    { label: `Without ${word}`, tone: "not", run: () => go(withAttribute(state, attribute, "none")) },
  ];
  const raw = attribute.includes("=") ? attribute.slice(0, attribute.indexOf("=")) : "";
  const others = (under?.attributes[raw] ?? []).map(({ value }) => `${raw}=${value}`).filter((one) => one !== attribute);
  if (!state.words && others.length && (await abilities()).but) {
    const change = (one) => ({
      label: attributeWord(one),
      run: () => go({ ...state, page: 0, mode: state.mode === "visual" ? "rerank" : state.mode, but: [...state.but.filter((two) => !two.startsWith(`${raw}=`)), one] }),
    });
    items.push({ label: `Change ${word} to …`, items: others.map(change) });
  }
  openMenu(button, group && group !== word ? `${group}: ${word}` : word, items);
}

async function searchPhoto(file) {
  try {
    const taken = await takePhoto(file);
    begin({ photo: taken });
  } catch {
    const said = notice("This file is not a photo that the browser can show", [`Received: ${file.name || "a file"}`, "Expected: a JPEG, PNG, WebP or AVIF."], [], "wrong");
    const place = byId("work").hidden ? byId("start") : byId("notice");
    place.querySelector(".notice")?.remove();
    place.append(said);
  }
}

function install() {
  cropBox = new CropBox((box) => go({ ...state, page: 0 }, { crop: box, replace: true }));
  installMenu();
  installCompare(like);
  installKeys(() => {
    forgetAnswers();
    arrive();
  });
  installSubjects({ photo: searchPhoto, product: (product) => begin({ product }), words: (words) => begin({ words }) });
  void abilities().then(({ words }) => {
    for (const form of document.querySelectorAll("[data-by-words]")) form.hidden = !words;
  });
  byId("home").addEventListener("click", (event) => {
    event.preventDefault();
    go(NOTHING, { photo: null, crop: null });
  });
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("results-title").focus();
  });
  byId("more").addEventListener("click", () => go({ ...state, page: state.page + 1 }));
  byId("filters").open = window.matchMedia("(min-width: 60rem)").matches;
  window.addEventListener("popstate", arrive);
  arrive();
}

install();
