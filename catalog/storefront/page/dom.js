// Making elements. Text is always set as text: catalogs and feeds never become markup.

/** An element with properties and children; `data`, `aria` and `on` are taken apart, and empty children left out. */
export function element(name, { data = {}, aria = {}, on = {}, ...properties } = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value !== undefined && value !== null) made[key] = value;
  }
  Object.assign(made.dataset, data);
  for (const [key, value] of Object.entries(aria)) {
    if (value !== undefined && value !== null) made.setAttribute(`aria-${key}`, String(value));
  }
  for (const [kind, listener] of Object.entries(on)) made.addEventListener(kind, listener);
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Put children in the stead of those there are. Focus that was on one of them goes to `next`, and is not lost. */
export function exchange(place, children, next) {
  const hadFocus = place.contains(document.activeElement);
  place.replaceChildren(...children);
  if (hadFocus) next.focus({ preventScroll: true });
}

/** The element with an id, which the page has. */
export function byId(id) {
  return document.getElementById(id);
}
