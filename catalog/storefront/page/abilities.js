// What this version of the service can do, from its own description; asked for once.

import { ask } from "./api.js";

let described = null;

/** `{modes, takes, has}`: ways to rank; what a search takes; which paths there are. */
export function abilities() {
  described ??= ask("openapi.json").then(
    ({ paths, components: { schemas } }) => ({
      modes: schemas.SearchMode?.enum ?? [],
      takes: (name) => name in (schemas.Query?.properties ?? {}),
      has: (path) => path in paths,
    }),
    () => {
      described = null;
      return { modes: [], takes: () => false, has: () => false };
    },
  );
  return described;
}
