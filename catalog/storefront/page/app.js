// The page: shows what the address names, and listens for what is done.

import { ApiError, key, setKey } from "./api.js";
import { showAnswer, showNoAnswer, showWaiting } from "./answer.js";
import { installCompare } from "./compare.js";
import { byId, exchange } from "./dom.js";
import { drawFacets } from "./facets.js";
import { activeFilters, filterTokens } from "./filters.js";
import { askForKey, installKeys } from "./keys.js";
import { closeMenu, installMenu } from "./menu.js";
import { arrive, begin, current, go, installNavigation, isAtStart } from "./navigation.js";
import { errorNotice, keyNotice, notice } from "./notices.js";
import { takePhoto } from "./photo.js";
import { installQuery, showQuery } from "./query.js";
import { installRanking, showRanking } from "./ranking.js";
import { forgetAnswers } from "./remembered.js";
import { facets, hitsPage } from "./search.js";
import { installShare } from "./share.js";
import { installStart, showStart } from "./start.js";
import { NOTHING, withWish, withoutFilters } from "./state.js";
import { installSubjects } from "./subjects.js";
import { installSuggestions } from "./suggestions.js";

let running = new AbortController();
let isOffline = false;

function show() {
  closeMenu();
  running.abort();
  running = new AbortController();
  isOffline = false;
  const isStart = isAtStart();
  byId("start").hidden = !isStart;
  byId("work").hidden = isStart;
  byId("skip").hidden = isStart;
  const { signal } = running;
  const shown = isStart ? showStart(signal) : showResults(signal);
  shown.catch((error) => {
    if (!signal.aborted) fail(error, isStart);
  });
}

async function showResults(signal) {
  const { state } = current;
  showQuery(signal);
  showRanking(state, go);
  exchange(byId("tokens"), filterTokens(state, go), byId("results-title"));
  const number = activeFilters(state).length;
  byId("num-filters").textContent = String(number);
  byId("num-filters").hidden = !number;
  const done = showWaiting(signal, stop);
  try {
    const asked = { ...current };
    const pages = Array.from({ length: state.page + 1 }, (_, page) => hitsPage(asked, page, signal));
    const [found, ...answers] = await Promise.all([facets(state, signal), ...pages]);
    if (signal.aborted) return;
    drawFacets(found, answers[0].understood, state, go);
    done();
    await showAnswer(answers, found, signal);
  } finally {
    done();
  }
}

/** Give up what is looked for: that it takes long is no reason to leave. */
function stop() {
  running.abort();
  showNoAnswer(notice("You stopped this search", [], [{ label: "Search again", run: arrive, main: true }]));
  byId("notice").querySelector("button").focus();
}

function fail(error, isStart) {
  if (!(error instanceof ApiError)) throw error;
  isOffline = error.status === 0 && !navigator.onLine;
  const isKeyMissing = error.status === 401 && !key();
  if (error.status === 401) {
    setKey("");
    askForKey(isKeyMissing ? "" : "This key was refused. It may be mistyped, or no longer count.");
  }
  const { state } = current;
  const ways = [{ label: "Back to the start", run: goHome }];
  if (activeFilters(state).length) ways.unshift({ label: "Clear all filters", run: () => go(withoutFilters(state)) });
  if (state.wish) ways.unshift({ label: "Search without these words", run: () => go(withWish(state, "")) });
  const said = isKeyMissing ? keyNotice(askForKey) : errorNotice(error, arrive, askForKey, ways);
  if (isStart) byId("start-notice").replaceChildren(said);
  else showNoAnswer(said);
}

function goHome() {
  go(NOTHING, { photo: null, crop: null });
}

async function searchPhoto(file) {
  try {
    begin({ photo: await takePhoto(file) });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const facts = [`Received: ${file.name || "a file"}`, "Expected: a JPEG, PNG, WebP or AVIF."];
    const place = byId(byId("work").hidden ? "start-notice" : "notice");
    place.replaceChildren(notice("This file is not a photo that the browser can show", facts, [], "wrong"));
  }
}

function install() {
  installMenu();
  installCompare((hit) => begin({ product: hit.product.id }));
  installKeys(() => {
    forgetAnswers();
    arrive();
  });
  installSubjects({ photo: searchPhoto, product: (product) => begin({ product }), words: (words) => begin({ words }) });
  installSuggestions();
  installQuery();
  installRanking();
  installStart();
  installShare();
  byId("home").addEventListener("click", (event) => {
    event.preventDefault();
    goHome();
  });
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("results-title").focus();
  });
  byId("more").addEventListener("click", () => go({ ...current.state, page: current.state.page + 1 }));
  byId("filters").open = window.matchMedia("(min-width: 60rem)").matches;
  window.addEventListener("online", () => {
    if (isOffline) arrive();
  });
  installNavigation(show);
}

install();
