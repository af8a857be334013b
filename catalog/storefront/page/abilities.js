// What this version of the service can do, from its own description; asked for once.

import { ask } from "./api.js";

let described = null;

/** `{modes, takes}`: ways to rank, and what a search takes. */
export function abilities() {
  described ??= ask("openapi.json").then(
    ({ components: { schemas } }) => ({
      modes: schemas.SearchMode?.enum ?? [],
      takes: (name) => name in (schemas.Query?.properties ?? {}),
    }),
    () => {
      described = null;
      return { modes: [], takes: () => false };
    },
  );
  return described;
}
