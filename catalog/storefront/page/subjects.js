// Ways to say what is searched with: a photo that is chosen, dropped or pasted, the id of a product, or words.

import { byId } from "./dom.js";

/** Listen for all of them. `photo(file)`, `product(id)` and `words(text)` are called with it. */
export function installSubjects({ photo, product, words }) {
  const chosen = byId("file");
  for (const button of document.querySelectorAll("[data-choose-photo]")) {
    button.addEventListener("click", () => chosen.click());
  }
  chosen.addEventListener("change", () => {
    const [file] = chosen.files;
    chosen.value = "";
    if (file) photo(file);
  });
  for (const form of document.querySelectorAll("[data-by-id]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const id = form.elements.id.value.trim();
      form.elements.id.value = "";
      if (id) product(id);
    });
  }
  for (const form of document.querySelectorAll("[data-by-words]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = form.elements.words.value.trim();
      form.elements.words.value = "";
      if (text) words(text);
    });
  }
  document.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith("image/"));
    if (file) {
      event.preventDefault();
      photo(file);
    }
  });
  installDrop(photo);
}

function installDrop(photo) {
  const veil = byId("veil");
  const hasFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  let depth = 0;
  document.addEventListener("dragenter", (event) => {
    if (!hasFile(event)) return;
    depth += 1;
    veil.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (!hasFile(event)) return;
    depth = Math.max(0, depth - 1);
    veil.hidden = depth > 0 ? veil.hidden : true;
  });
  document.addEventListener("dragover", (event) => {
    if (hasFile(event)) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    depth = 0;
    veil.hidden = true;
    if (!hasFile(event)) return;
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) photo(file);
  });
}
