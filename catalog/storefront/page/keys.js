// Asking the visitor for an API key, once for each tab.

import { byId } from "./dom.js";
import { key, setKey } from "./api.js";

/** Set the dialog up. `entered` is called once there is a new key, or none any more. */
export function installKeys(entered) {
  const dialog = byId("key-dialog");
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const said = byId("key").value.trim();
    // Headers take no other characters.
    if (!/^[\x21-\x7e]+$/.test(said)) {
      byId("key-error").textContent = "A key has letters, digits, - and _ only.";
      return;
    }
    setKey(said);
    byId("key").value = "";
    dialog.close();
    showKeyButtons();
    entered();
  });
  byId("key-cancel").addEventListener("click", () => dialog.close());
  byId("enter-key").addEventListener("click", () => askForKey());
  byId("forget-key").addEventListener("click", () => {
    setKey("");
    showKeyButtons();
    entered();
  });
  showKeyButtons();
}

/** Open the dialog, with the reason why the key that was tried does not do. */
export function askForKey(why = "") {
  const dialog = byId("key-dialog");
  byId("key-error").textContent = why;
  byId("enter-key").hidden = false;
  if (!dialog.open) dialog.showModal();
}

function showKeyButtons() {
  byId("forget-key").hidden = !key();
  byId("enter-key").hidden = true;
}
