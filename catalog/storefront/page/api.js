// The one door to the API: keys, errors in one shape, photos.

const KEY = "drape-key";
const MOST_PHOTOS = 300;

/** An answer that says no, with the API's own facts, and after how many seconds to try again, if it says. Status 0: there was no answer. */
export class ApiError extends Error {
  constructor(status, facts, wait = null) {
    super(facts.message);
    this.status = status;
    this.facts = facts;
    this.wait = wait;
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
    throw new ApiError(0, { message: "The service does not answer", remedy: "see whether drape serve is running, then try again" });
  }
  if (response.ok) return response;
  let facts = null;
  try {
    facts = (await response.json()).error;
  } catch {
    // Something between here and the service has answered in its stead.
  }
  const wait = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const unknown = { message: `The service answered with status ${response.status}`, remedy: "try again in a moment" };
  throw new ApiError(response.status, facts ?? unknown, Number.isFinite(wait) ? wait : null);
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
