// Completing the word that is being typed, by the attributes of the catalog: a combobox with a list below it.

import { ApiError } from "./api.js";
import { element } from "./dom.js";
import { completions } from "./search.js";
import { attributeParts, counted } from "./words.js";

const LEAST_LETTERS = 2;
const MOST = 6;
const PAUSE = 150;

let lastId = 0;

/** Add it to every field for words that are searched with or wished; once. */
export function installSuggestions() {
  for (const input of document.querySelectorAll("[data-by-words] input, #wish")) new Suggestions(input);
}

class Suggestions {
  constructor(input) {
    lastId += 1;
    this.input = input;
    this.list = element("ul", { className: "suggestions", role: "listbox", id: `suggestions-${lastId}`, hidden: true, aria: { label: "Attributes of the catalog" } });
    this.asked = new AbortController();
    const said = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": this.list.id };
    for (const [name, value] of Object.entries(said)) input.setAttribute(name, value);
    input.closest(".joined").append(this.list);
    input.addEventListener("input", () => this.#ask());
    input.addEventListener("keydown", (event) => this.#key(event));
    input.addEventListener("blur", () => this.#close());
    input.form.addEventListener("submit", () => this.#close());
  }

  #ask() {
    this.asked.abort();
    this.asked = new AbortController();
    const { signal } = this.asked;
    const word = lastWord(this.input.value);
    if (word.length < LEAST_LETTERS) {
      this.#close();
      return;
    }
    setTimeout(async () => {
      if (signal.aborted) return;
      try {
        const found = await completions(word, MOST, signal);
        if (!signal.aborted) this.#show(found.attributes);
      } catch (error) {
        // Words are as good without: the search itself tells what is wrong.
        if (!(error instanceof ApiError) && error.name !== "AbortError") throw error;
        this.#close({ isAsking: true });
      }
    }, PAUSE);
  }

  #show(found) {
    const typed = lastWord(this.input.value).toLowerCase();
    const others = found.filter(({ value, count }) => value && value !== typed && count > 0);
    this.list.replaceChildren(
      ...others.map(({ attribute, count, matched }, rank) => {
        const [group, word] = attributeParts(attribute);
        const note = [group, counted(count, "product", "products")].filter(Boolean).join(", ");
        const item = element("li", { role: "option", id: `${this.list.id}-${rank}`, data: { word }, aria: { selected: false } }, element("span", {}, word, matched ? element("span", { className: "soft small" }, ` “${matched}”`) : null), element("span", { className: "soft small" }, note));
        // Before the field loses its focus.
        item.addEventListener("pointerdown", (event) => {
          event.preventDefault();
          this.#take(item);
        });
        return item;
      }),
    );
    this.list.hidden = !others.length;
    this.input.setAttribute("aria-expanded", String(others.length > 0));
    this.#activate(null);
  }

  #close({ isAsking = false } = {}) {
    if (!isAsking) this.asked.abort();
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.#activate(null);
  }

  #key(event) {
    if (this.list.hidden) return;
    const items = [...this.list.children];
    const at = items.findIndex((item) => item.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown") this.#activate(items[(at + 1) % items.length]);
    else if (event.key === "ArrowUp") this.#activate(items.at(at < 0 ? -1 : at - 1));
    else if (event.key === "Escape") this.#close();
    else if (event.key === "Enter" && at >= 0) this.#take(items[at]);
    else return;
    event.preventDefault();
  }

  #activate(item) {
    for (const one of this.list.children) one.setAttribute("aria-selected", String(one === item));
    if (item) {
      this.input.setAttribute("aria-activedescendant", item.id);
      item.scrollIntoView({ block: "nearest" });
    } else this.input.removeAttribute("aria-activedescendant");
  }

  #take(item) {
    const { value } = this.input;
    this.input.value = `${value.slice(0, value.length - lastWord(value).length)}${item.dataset.word} `;
    this.#close();
  }
}

function lastWord(text) {
  return /[^\s,;]*$/.exec(text)[0];
}
