// The menu of a reason: demand its attribute, forbid it, or have it changed.

import { openMenu } from "./menu.js";
import { current, go } from "./navigation.js";
import { withAttribute } from "./state.js";
import { attributeParts, attributeWord } from "./words.js";

/** Open it at a chip. `found` are the counts under the filters, which know what else there is. */
export function openReason(button, attribute, found) {
  const { state } = current;
  const [group, word] = attributeParts(attribute);
  const isDemanded = state.all.includes(attribute);
  const items = [
    isDemanded
      ? { label: `No longer only ${word}`, run: () => go(withAttribute(state, attribute, null)) }
      : { label: `Only ${word}`, run: () => go(withAttribute(state, attribute, "all")) },
    { label: `Without ${word}`, tone: "not", run: () => go(withAttribute(state, attribute, "none")) },
  ];
  const raw = attribute.includes("=") ? attribute.slice(0, attribute.indexOf("=")) : "";
  const others = (found.attributes[raw] ?? []).map(({ value }) => `${raw}=${value}`).filter((one) => one !== attribute);
  if (!state.words && others.length) {
    items.push({ label: `Change ${word} to …`, items: others.map((one) => ({ label: attributeWord(one), run: () => go(changed(state, raw, one)) })) });
  }
  openMenu(button, group && group !== word ? `${group}: ${word}` : word, items);
}

/** One value of a group can be asked for instead; looks alone could not tell it. */
function changed(state, group, attribute) {
  const but = [...state.but.filter((one) => !one.startsWith(`${group}=`)), attribute];
  return { ...state, page: 0, mode: state.mode === "visual" ? "rerank" : state.mode, but };
}
