// More and less like this: buttons on a card that make its product one more example of what is looked for.

import { element } from "./dom.js";
import { MOST_EXAMPLES, withExample } from "./state.js";

/** The two buttons. `go` is called with the state that one of them leads to. */
export function exampleChoices({ product }, state, go) {
  const place = element("span", { className: "choices" });
  // Words say what is looked for, and examples show it: one or the other.
  if (state.words || state.like.length + state.unlike.length >= MOST_EXAMPLES) return place;
  const choice = (list, sign, said) =>
    element(
      "button",
      { type: "button", className: "choice", title: said, data: { [list]: product.id }, aria: { label: said }, on: { click: () => go(withExample(state, product.id, list)) } },
      element("span", { aria: { hidden: true } }, sign),
    );
  place.append(choice("like", "+", `More like ${product.title}, too`), choice("unlike", "−", `Less like ${product.title}`));
  return place;
}
