// The one door to the API: keys, errors in one shape, photos.

const KEY = "drape-key";
const MOST_PHOTOS = 300;

/** An answer that says no, with the API's own facts. Status 0: there was no answer. */
export class ApiError extends Error {
  constructor(status, facts) {
    super(facts.message);
    this.status = status;
    this.facts = facts;
  }
}

export function key() {
  return sessionStorage.getItem(KEY) ?? "";
}

export function setKey(value) {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
  for (const url of photos.values()) url.then((made) => URL.revokeObjectURL(made), () => {});
  photos.clear();
}

/** The JSON of an answer. Paths are relative to the page, which may be served below a folder. */
export async function ask(path, options = {}) {
  const response = await answerTo(path, options);
  return response.json();
}

async function answerTo(path, { headers = {}, ...options } = {}) {
  const sent = key() ? { ...headers, "X-Api-Key": key() } : headers;
  let response;
  try {
    response = await fetch(path, { ...options, headers: sent, credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, {
      message: "The service does not answer",
      remedy: navigator.onLine ? "see whether drape serve is running, then try again" : "this device is offline",
    });
  }
  if (response.ok) return response;
  let facts = null;
  try {
    facts = (await response.json()).error;
  } catch {
    // Something between here and the service has answered in its stead.
  }
  throw new ApiError(response.status, facts ?? { message: `The service answered with status ${response.status}`, remedy: "try again in a moment" });
}

const photos = new Map();

/** An address at which the browser finds a photo. Photos need the key, which <img> cannot send: they come as blobs. */
export function photoAddress(sha256, width) {
  const path = `v1/images/${sha256}?width=${width}`;
  if (!key()) return Promise.resolve(path);
  if (!photos.has(path)) {
    if (photos.size >= MOST_PHOTOS) {
      const [oldest, url] = photos.entries().next().value;
      photos.delete(oldest);
      url.then((made) => URL.revokeObjectURL(made), () => {});
    }
    const made = answerTo(path).then((response) => response.blob()).then((blob) => URL.createObjectURL(blob));
    made.catch(() => photos.delete(path));
    photos.set(path, made);
  }
  return photos.get(path);
}

let described = null;

/** What this version of the service can do, from its own description; asked for once. */
export function abilities() {
  described ??= ask("openapi.json").then(
    ({ components: { schemas } }) => ({
      modes: schemas.SearchMode?.enum ?? [],
      but: "but" in (schemas.Query?.properties ?? {}),
      words: "words" in (schemas.Query?.properties ?? {}),
    }),
    () => {
      described = null;
      return { modes: [], but: false, words: false };
    },
  );
  return described;
}
