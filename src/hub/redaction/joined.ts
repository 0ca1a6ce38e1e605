/** Texts as one buffer, to be scanned together. */

/** Each followed by a newline, as in the columns of log entries. */
export function joinLines(texts: readonly string[]): { readonly text: Buffer; readonly offsets: Uint32Array } {
  const offsets = new Uint32Array(texts.length + 1);
  const text = Buffer.from(`${texts.join("\n")}\n`);
  let at = 0;
  texts.forEach((one, i) => {
    offsets[i + 1] = at += Buffer.byteLength(one) + 1;
  });
  return { text, offsets };
}
