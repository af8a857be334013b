// What is said where there are no results: waiting, nothing there, nothing found, something wrong.

import { element } from "./dom.js";

/** Errors that another key mends. */
const KEY_CODES = new Set(["key_refused", "scope_missing", "origin_not_allowed"]);

/** Errors that nothing but time mends. */
const BUSY_CODES = new Set(["rate_limited", "too_many_requests"]);
const WAIT = 5;

/** A box with a title, sentences and things to do. */
export function notice(title, sentences, actions = [], tone = "") {
  return element(
    "div",
    { className: `notice ${tone}` },
    element("h2", {}, title),
    ...sentences.filter(Boolean).map((sentence) => (typeof sentence === "string" ? element("p", {}, sentence) : sentence)),
    actions.length
      ? element(
          "div",
          { className: "row" },
          ...actions.map(({ label, run, main }) =>
            element("button", { type: "button", className: main ? "main" : "", on: { click: run } }, label),
          ),
        )
      : null,
  );
}

/** An error in the API's own words: what was wrong, what was expected, what to do; with `ways` out of what only the visitor can mend. */
export function errorNotice({ facts, status, wait }, retry, askForKey, ways = []) {
  if (status === 0 && !navigator.onLine) {
    return notice("You are offline", ["This goes on by itself once there is a connection."], [{ label: "Try again", run: retry, main: true }]);
  }
  if (BUSY_CODES.has(facts.code)) {
    return notice("Too many searches at once", [countdown(wait ?? WAIT, retry)], [{ label: "Try now", run: retry }]);
  }
  const isOurs = status === 0 || status >= 500;
  const remedy = facts.remedy ? `${facts.remedy.charAt(0).toUpperCase()}${facts.remedy.slice(1)}.` : null;
  return notice(
    facts.message,
    [
      facts.received ? `Received: ${facts.received}` : null,
      facts.expected ? element("p", {}, "Expected: ", ...withCode(facts.expected)) : null,
      remedy ? element("p", {}, ...withCode(remedy)) : null,
      facts.id && !remedy?.includes(facts.id) ? element("p", { className: "soft small" }, `For the operator: ${facts.id}`) : null,
    ],
    isOurs
      ? [{ label: "Try again", run: retry, main: true }]
      : KEY_CODES.has(facts.code)
        ? [{ label: "Enter a key", run: () => askForKey(), main: true }]
        : ways,
    "wrong",
  );
}

/** Nobody has entered a key yet, which is no mistake. */
export function keyNotice(askForKey) {
  return notice("A key opens this catalog", ["Once it is entered, this goes on by itself."], [{ label: "Enter a key", run: () => askForKey(), main: true }]);
}

/** How many seconds there are to wait, after which `run` is called, unless what it stands in has gone by then. */
function countdown(seconds, run) {
  const number = element("span", {}, duration(seconds));
  const said = element("p", {}, "This goes on by itself in ", number, ".");
  let left = seconds;
  const timer = setInterval(() => {
    left -= 1;
    // Numbers are for the eye: nobody wants to hear each of them.
    number.textContent = duration(Math.max(left, 0));
    if (!said.isConnected) clearInterval(timer);
    else if (left <= 0) {
      clearInterval(timer);
      run();
    }
  }, 1000);
  number.setAttribute("aria-live", "off");
  return said;
}

function duration(seconds) {
  return seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}

/** Words, with what stands between backticks as code. */
function withCode(text) {
  return text.split("`").map((part, place) => (place % 2 ? element("code", {}, part) : part));
}

export function emptyCatalog() {
  return notice("There is nothing to search yet", [
    "No photo of this catalog has been indexed.",
    element("p", {}, "Take a product feed with ", element("code", {}, "drape ingest FEED --merchant NAME"), ", or look around with ", element("code", {}, "drape demo"), "."),
  ]);
}

/** Grey cards, in the stead of results that take their time. */
export function skeletons(count) {
  return Array.from({ length: count }, () =>
    element(
      "li",
      { className: "card skeleton", aria: { hidden: true } },
      element("div", { className: "shot" }),
      element("div", { className: "line" }),
      element("div", { className: "line short" }),
    ),
  );
}
