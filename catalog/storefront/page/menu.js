// A menu beside a button: arrows, Home, End, letters, Escape; focus goes back to where it came from.

import { byId, element } from "./dom.js";

let opener = null;

/** Open it. Items are `{label, note, run}`, or `{label, items}`, which lead on to more. */
export function openMenu(button, title, items) {
  closeMenu();
  opener = button;
  button.setAttribute("aria-expanded", "true");
  show(title, items);
}

export function closeMenu({ refocus = false } = {}) {
  const menu = byId("menu");
  if (menu.hidden) return;
  menu.hidden = true;
  menu.replaceChildren();
  opener?.setAttribute("aria-expanded", "false");
  if (refocus) opener?.focus();
  opener = null;
}

function show(title, items) {
  const menu = byId("menu");
  const list = element("div", { className: "menu-items", role: "menu", aria: { label: title } });
  for (const item of items) {
    list.append(
      element(
        "button",
        {
          type: "button",
          role: "menuitem",
          tabIndex: -1,
          className: item.tone ?? "",
          aria: { haspopup: item.items ? "menu" : null },
          on: { click: () => (item.items ? show(item.label, item.items) : run(item)) },
        },
        element("span", {}, item.label),
        item.note ? element("span", { className: "soft" }, item.note) : null,
      ),
    );
  }
  menu.replaceChildren(element("p", { className: "menu-title", aria: { hidden: true } }, title), list);
  menu.hidden = false;
  place(menu);
  list.firstElementChild?.focus();
}

function run(item) {
  closeMenu({ refocus: true });
  item.run();
}

function place(menu) {
  const from = opener.getBoundingClientRect();
  const size = menu.getBoundingClientRect();
  const width = document.documentElement.clientWidth;
  const left = Math.max(8, Math.min(from.left, width - size.width - 8));
  const below = from.bottom + 6;
  const top = below + size.height > window.innerHeight - 8 ? Math.max(8, from.top - size.height - 6) : below;
  menu.style.left = `${left}px`;
  menu.style.top = `${top}px`;
}

/** Listen for keys and for clicks elsewhere; once, at the start. */
export function installMenu() {
  const menu = byId("menu");
  menu.addEventListener("keydown", (event) => {
    const items = [...menu.querySelectorAll("[role=menuitem]")];
    const at = items.indexOf(document.activeElement);
    const steps = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 };
    if (event.key === "Escape") closeMenu({ refocus: true });
    else if (event.key === "Tab") closeMenu({ refocus: true });
    else if (event.key in steps) items[steps[event.key] % items.length].focus();
    else if (event.key.length === 1 && /\S/.test(event.key)) {
      const after = [...items.slice(at + 1), ...items.slice(0, at + 1)];
      after.find((item) => item.textContent.toLowerCase().startsWith(event.key.toLowerCase()))?.focus();
      return;
    } else return;
    if (event.key !== "Tab") event.preventDefault();
  });
  document.addEventListener("pointerdown", (event) => {
    if (!menu.contains(event.target) && !opener?.contains(event.target)) closeMenu();
  });
  window.addEventListener("scroll", () => closeMenu(), { passive: true });
  window.addEventListener("resize", () => closeMenu());
}
