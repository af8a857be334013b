// How hits are put in order: the way to rank, variety, and what comes first.

import { abilities } from "./abilities.js";
import { byId, element } from "./dom.js";
import { modeWords } from "./words.js";

const SWITCHES = [
  ["diverse", "diversity", "Mix it", "not one after the other of the same kind"],
  ["stocked", "boost", "In stock first", "where they are about as near"],
  ["newer", "boost", "New first", "where they are about as near"],
];

let can = null;
let redraw = null;

/** Set it up; once. */
export function installRanking() {
  void abilities().then((known) => {
    can = known;
    redraw?.();
  });
}

/** Show what is chosen; `go` is called with the state that a choice leads to. */
export function showRanking(state, go) {
  redraw = () => {
    const modes = can.modes.map((mode) => {
      const [label, explained] = modeWords(mode);
      return option("radio", "mode", mode, mode === state.mode, label, explained, () => go({ ...state, page: 0, mode }));
    });
    exchangeOptions(byId("modes"), modes);
    const switches = SWITCHES.filter(([, taken]) => can.takes(taken)).map(([name, , label, explained]) =>
      pill(name, state[name], label, explained, (isOn) => go({ ...state, page: 0, [name]: isOn })),
    );
    byId("order").hidden = !switches.length;
    exchangeOptions(byId("order"), switches);
  };
  if (can) redraw();
}

function option(type, name, value, checked, label, explained, changed) {
  return element(
    "label",
    {},
    element("input", { type, name, value, checked, on: { change: (event) => changed(event.target.checked) } }),
    element("span", {}, label, explained ? element("span", { className: "soft" }, ` ${explained}`) : null),
  );
}

function pill(value, checked, label, explained, changed) {
  return element(
    "label",
    { className: "toggle", title: explained },
    element("input", { type: "checkbox", name: "order", value, checked, on: { change: (event) => changed(event.target.checked) } }),
    element("span", {}, label),
  );
}

/** Redrawn under the visitor's hands: focus stays on the choice that was made. */
function exchangeOptions(place, options) {
  const focused = place.contains(document.activeElement) ? document.activeElement.value : null;
  place.replaceChildren(place.querySelector("legend"), ...options);
  if (focused) place.querySelector(`input[value="${CSS.escape(focused)}"]`)?.focus();
}
