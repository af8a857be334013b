// A link to what is shown. Photos are in none.

import { byId } from "./dom.js";
import { current } from "./navigation.js";

const SAID_FOR = 6000;

let timer = 0;

/** Set it up; once. */
export function installShare() {
  byId("share").addEventListener("click", async () => {
    const link = location.href;
    const without = current.photo ? " Your photo is not in it: whoever opens it chooses one of their own, and finds the filters set." : "";
    try {
      await navigator.clipboard.writeText(link);
      say(`Link copied.${without}`);
    } catch {
      // Browsers give no clipboard to pages without TLS.
      byId("share-link").value = link;
      byId("share-note").textContent = without.trim();
      byId("share-dialog").showModal();
      byId("share-link").select();
    }
  });
  byId("share-close").addEventListener("click", () => byId("share-dialog").close());
}

function say(text) {
  const place = byId("shared");
  place.textContent = text;
  clearTimeout(timer);
  timer = setTimeout(() => { place.textContent = ""; }, SAID_FOR);
}
