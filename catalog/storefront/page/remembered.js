// Answers that this tab remembers, so that Back is immediate.

const MOST_REMEMBERED = 100;
const remembered = new Map();

/** The answer that has this name; `make()` asks for it, unless that was done before. */
export function recalled(name, signal, make) {
  if (!remembered.has(name)) {
    const made = make();
    const forget = () => {
      if (remembered.get(name) === made) remembered.delete(name);
    };
    // At once, and not when it has failed for that: whoever asks next must not wait for what is given up.
    signal.addEventListener("abort", forget);
    made.then(() => signal.removeEventListener("abort", forget), forget);
    remembered.set(name, made);
    if (remembered.size > MOST_REMEMBERED) remembered.delete(remembered.keys().next().value);
  }
  return remembered.get(name);
}

export function forgetAnswers() {
  remembered.clear();
}
