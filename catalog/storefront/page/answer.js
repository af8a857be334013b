// The answer to a search: cards, how many there are, what was made of words; and what is shown while, or where, there is none.

import { card } from "./cards.js";
import { compareChoice } from "./compare.js";
import { byId, element, exchange } from "./dom.js";
import { exampleChoices } from "./examples.js";
import { activeFilters, loosenings } from "./filters.js";
import { begin, current, go } from "./navigation.js";
import { emptyCatalog, notice, skeletons } from "./notices.js";
import { showUnderstood } from "./query.js";
import { openReason } from "./reasons.js";
import { identity } from "./search.js";
import { HITS_PER_PAGE, LAST_PAGE, withWish, withoutFilters } from "./state.js";
import { counted, modeWords, orderWords } from "./words.js";

const SLOW = 300;
const VERY_SLOW = 6000;

let drawn = { identity: "", count: 0 };

/** Say that the answer is waited for, once it takes long. The function that comes back ends it. */
export function showWaiting(signal, stop) {
  const { photo } = current;
  const isMore = isDrawn();
  exchange(byId("notice"), [], byId("results-title"));
  byId("grid").setAttribute("aria-busy", "true");
  byId("more").disabled = true;
  const button = byId("stop");
  button.onclick = stop;
  const slow = setTimeout(() => {
    if (!isMore) {
      exchange(byId("grid"), skeletons(8), byId("results-title"));
      drawn = { identity: "", count: 0 };
      byId("more").hidden = true;
    }
    byId("status").textContent = "Looking…";
    button.hidden = false;
  }, SLOW);
  const verySlow = setTimeout(() => {
    byId("status").textContent = photo
      ? "Still looking. The first photo after a start waits until the network is loaded."
      : "Still looking. The connection is slow.";
  }, VERY_SLOW);
  const end = () => {
    clearTimeout(slow);
    clearTimeout(verySlow);
  };
  signal.addEventListener("abort", end);
  return () => {
    end();
    if (signal.aborted) return;
    byId("grid").setAttribute("aria-busy", "false");
    byId("more").disabled = false;
    if (document.activeElement === button) byId("results-title").focus({ preventScroll: true });
    button.hidden = true;
  };
}

/** Show pages of hits, and where there are none, the ways out. */
export async function showAnswer(answers, found, signal) {
  const { state } = current;
  const hits = answers.flatMap((answer) => answer.hits);
  const from = isDrawn() && drawn.count <= hits.length && !byId("grid").querySelector(".skeleton") ? drawn.count : 0;
  const actions = {
    like: (hit) => begin({ product: hit.product.id }),
    reason: (button, attribute) => openReason(button, attribute, found),
    choices: (hit) => [compareChoice(hit), exampleChoices(hit, state, go)],
  };
  const cards = hits.slice(from).map((hit) => card(hit, state, actions));
  if (from) byId("grid").append(...cards);
  else exchange(byId("grid"), cards, byId("results-title"));
  drawn = { identity: identity(current), count: hits.length };
  const last = answers.at(-1);
  const isLast = last.hits.length < HITS_PER_PAGE || state.page >= LAST_PAGE || isAll(hits, last);
  byId("more").hidden = isLast;
  byId("status").textContent = hits.length ? said(hits, answers[0], isLast) : "";
  if (from) cards[0]?.querySelector("button").focus();
  showFacts(answers[0]);
  if (answers[0].understood) showUnderstood(answers[0].understood);
  if (!hits.length) await showNoHits(answers[0], found, signal);
}

/** Show a notice in the stead of hits. */
export function showNoAnswer(said) {
  drawn = { identity: "", count: 0 };
  exchange(byId("grid"), [], byId("results-title"));
  byId("grid").setAttribute("aria-busy", "false");
  byId("more").hidden = true;
  byId("stop").hidden = true;
  byId("status").textContent = "";
  byId("notice").replaceChildren(said);
}

function isDrawn() {
  return drawn.count > 0 && drawn.identity === identity(current);
}

function isAll(hits, { total }) {
  return total.relation === "exact" && hits.length >= total.value;
}

/** How many are shown of how many, what they resemble, and what was not understood. */
function said(hits, answer, isLast) {
  const { state, photo, crop } = current;
  const examples = state.like.length + state.unlike.length;
  const subject = photo
    ? crop ? "the box in your photo" : "your photo"
    : state.words ? "your words" : state.product || (examples > 1 ? "your examples" : state.like[0]);
  const order = orderWords(answer.reordered_by);
  const ignored = answer.understood?.ignored ?? [];
  return [
    `${number(hits, answer.total, isLast)} like ${subject}${examples && (photo || state.product) ? " and your examples" : ""}${order ? `, ${order}` : ""}`,
    !isLast && answer.total.relation !== "exact" ? "More below" : "",
    ignored.length ? `Not understood: ${ignored.join(", ")}` : "",
    ...answer.notes,
  ].filter(Boolean).join(". ");
}

/** How many are shown of how many. Where not all are counted, the number that is known is of candidates and tells nobody anything. */
function number(hits, { value, relation }, isLast) {
  const all = counted(Math.max(value, hits.length), "item", "items");
  if (relation !== "exact") return `The nearest ${counted(hits.length, "item", "items")}`;
  return isLast && hits.length >= value ? all : `The nearest ${hits.length} of ${all}`;
}

async function showNoHits(answer, found, signal) {
  const { state } = current;
  const filters = activeFilters(state);
  const show = (title, sentences, ways = []) => byId("notice").replaceChildren(notice(title, [...answer.notes, ...sentences], ways));
  byId("status").textContent = "Nothing found";
  if (state.wish) {
    const ways = [{ label: "Search without these words", run: () => go(withWish(state, "")), main: true }];
    if (filters.length) ways.push({ label: "Clear all filters", run: () => go(withoutFilters(state)) });
    show("Nothing is different in this way", [`You asked for it “${state.wish}”.`], ways);
    return;
  }
  if (!filters.length) {
    if (!found.num_products) byId("notice").replaceChildren(emptyCatalog());
    else if (state.words) show("Nothing is as these words say", ["Try fewer of them, or another price."]);
    else show("Nothing resembles this", ["Try another photo, or draw the box around one item only."]);
    return;
  }
  const title = filters.length > 1 ? "Nothing matches all of these filters" : "Nothing matches this filter";
  const all = { label: "Clear all filters", run: () => go(withoutFilters(state)), main: true };
  show(title, [], [all]);
  const ways = await loosenings(state, signal);
  if (signal.aborted) return;
  if (ways.length) show(title, ["There would be something without one of them:"], ways.map(({ label, without }) => ({ label, run: () => go(without) })));
  else show(title, [filters.length > 1 ? "Taking off one of them alone is not enough." : ""], [all]);
}

function showFacts({ timings_ms: timings, model_version: model, gallery, mode, ranked_by: features, reordered_by: reordered, indexed_at: indexed }) {
  const total = Object.values(timings).reduce((sum, value) => sum + value, 0);
  const stages = Object.entries(timings).map(([stage, value]) => `${stage} ${value.toFixed(1)}`).join(", ");
  const facts = [
    ["Model", model],
    ["Gallery", gallery],
    ["Indexed", new Date(indexed).toLocaleString()],
    ["Ranking", [mode, modeWords(mode)[1]].filter(Boolean).join(": ")],
    ["Features", features.join(", ")],
    ["Order", reordered.length ? `by score, then ${orderWords(reordered)}` : "by score"],
    ["Time", `${total.toFixed(1)} ms (${stages})`],
  ];
  byId("facts").replaceChildren(...facts.flatMap(([term, fact]) => [element("dt", {}, term), element("dd", {}, fact)]));
}
