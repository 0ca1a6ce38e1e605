/** Working out once what comes back with every event of a flood: names, messages, hashes. */

/** Texts that are remembered, and characters of the longest. */
const mostKnown = 2000;
const longestKnown = 300;

/** `make`, which must be pure, with what it gave of late at hand. */
export function remembering<T>(make: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    const made = make(text);
    if (text.length > longestKnown) return made;
    if (known.size >= mostKnown) known.clear();
    known.set(text, made);
    return made;
  };
}
