/** The output of a poll, cut at its marker lines. Pure. */

/** `@@word name detail`, and the text up to the next marker. */
export type Section = { readonly name: string; readonly detail: string; readonly text: string };

export type Sections = {
  /** in the order in which they came */
  readonly all: readonly Section[];
  /** the script came to its end, and nothing of it was lost on the way */
  readonly whole: boolean;
};

/** What comes before the first marker, such as the greeting of a profile, is left out. */
export function cutSections(output: string, word: string): Sections {
  const [, ...parts] = output.split(`\n@@${word} `);
  const all = parts.map((part) => {
    const end = part.indexOf("\n");
    const head = end === -1 ? part : part.slice(0, end);
    const blank = head.indexOf(" ");
    return {
      name: blank === -1 ? head : head.slice(0, blank),
      detail: blank === -1 ? "" : head.slice(blank + 1),
      // the newline before the next marker is the marker's
      text: end === -1 ? "" : part.slice(end + 1),
    };
  });
  return { all, whole: all.at(-1)?.name === "end" };
}
