/** Known text, compared four bytes at a time. */

export type Literal = {
  readonly length: number;
  /** the last one may overlap the one before */
  readonly words: Int32Array;
};

/** `text` is ASCII, four characters at least. */
export function literal(text: string): Literal {
  const bytes = Buffer.from(text, "latin1");
  const starts = Array.from({ length: Math.ceil(bytes.length / 4) }, (_, i) => Math.min(i * 4, bytes.length - 4));
  return { length: bytes.length, words: Int32Array.from(starts, (start) => bytes.readInt32LE(start)) };
}

export function isAt(view: DataView, at: number, { length, words }: Literal): boolean {
  if (at + length > view.byteLength) return false;
  const last = words.length - 1;
  for (let i = 0; i < last; i++) if (view.getInt32(at + i * 4, true) !== words[i]) return false;
  return view.getInt32(at + length - 4, true) === words[last];
}

/** Which of them is there; -1: none. */
export function whichAt(view: DataView, at: number, literals: readonly Literal[]): number {
  for (let i = 0; i < literals.length; i++) if (isAt(view, at, literals[i] as Literal)) return i;
  return -1;
}
