/**
 * Templates of messages, learned as they come: messages of one source with mostly the same words are one template, whose
 * other words are its values. After Drain (He et al., ICWS 2017): messages are compared with those of the same length and
 * first word only. Unlike there a template never loses so many words that the message it began with would no longer be
 * one of its own, so that a template is named after its first message for good.
 */

/** The share of words that a message must have in common with a template. */
const likeness = 0.7;
/** Words of a message that count. */
const maxWords = 60;
/** Templates of one source; what is like none of them after that has a template for all. */
const maxOfSource = 500;
/** Templates of all sources: about half a kilobyte each. */
const maxTemplates = 10_000;

/** Stands for a word that differs from message to message. */
export const anyWord = "<*>";

export type Template = {
  /** whose lines it was learned from: project, source, logger and level */
  readonly owner: string;
  /** the first message, masked: its name among the owner's */
  readonly first: string;
  /** null: stands for everything that came when there was no room for more */
  readonly words: readonly string[] | null;
};

/** How templates are kept: `first` and the words joined with a space; "" for everything else. */
export type TemplateRow = { readonly owner: string; readonly first: string; readonly words: string };

export type Templates = {
  /** The template of a masked message, learned if there is none like it. */
  readonly learn: (owner: string, masked: string) => Template;
  /** What has changed since the last call, to be kept. */
  readonly changes: () => readonly TemplateRow[];
  /** How many there are. */
  readonly count: () => number;
};

type Learned = { owner: string; first: string; words: string[] };

/** `known`: what was kept, in any order. */
export function createTemplates(known: Iterable<TemplateRow> = []): Templates {
  // by owner, number of words and first word
  const buckets = new Map<string, Learned[]>();
  const counts = new Map<string, number>();
  let total = 0;
  let changed = new Set<Learned>();

  const bucketOf = (owner: string, words: readonly string[]) => `${owner}\u0000${words.length}\u0000${words[0] ?? ""}`;

  function add(template: Learned): void {
    const key = bucketOf(template.owner, template.words);
    const bucket = buckets.get(key);
    if (bucket === undefined) buckets.set(key, [template]);
    else bucket.push(template);
    counts.set(template.owner, (counts.get(template.owner) ?? 0) + 1);
    total++;
  }

  for (const { owner, first, words } of known) add({ owner, first, words: words.split(" ") });

  return {
    learn(owner, masked) {
      const words = masked.split(" ", maxWords);
      const bucket = buckets.get(bucketOf(owner, words)) ?? [];
      let best: Learned | undefined;
      let most = 0;
      for (const template of bucket) {
        const constant = sharedConstants(template.words, words);
        if (constant > most) [best, most] = [template, constant];
      }
      if (best !== undefined) {
        if (generalize(best.words, words)) changed.add(best);
        return best;
      }
      if (total >= maxTemplates || (counts.get(owner) ?? 0) >= maxOfSource) return { owner, first: "", words: null };
      const learned = { owner, first: words.join(" "), words };
      add(learned);
      changed.add(learned);
      return learned;
    },
    changes() {
      const rows = [...changed].map(({ owner, first, words }) => ({ owner, first, words: words.join(" ") }));
      changed = new Set();
      return rows;
    },
    count: () => total,
  };
}

/** How many words would stay constant if `words` became one of the template's messages; 0: it must not. */
function sharedConstants(template: readonly string[], words: readonly string[]): number {
  let equal = 0;
  for (let i = 0; i < words.length; i++) if (template[i] === words[i] && words[i] !== anyWord) equal++;
  return equal >= words.length * likeness ? equal : 0;
}

/** Makes the words that differ values. @returns whether there were any */
function generalize(template: string[], words: readonly string[]): boolean {
  let differs = false;
  for (let i = 0; i < words.length; i++) {
    if (template[i] === words[i] || template[i] === anyWord) continue;
    template[i] = anyWord;
    differs = true;
  }
  return differs;
}
