/** Values as they stand in the text of a statement. */

/** The lexer ends at a NUL, a quote at a quote; everything else may stand there as it is. */
export function quoteText(text: string): string {
  const inside = text.replace(/[\\'\0]/g, (character) => (character === "\0" ? "\\0" : `\\${character}`));
  return `'${inside}'`;
}

export function quoteName(name: string): string {
  return `\`${name.replace(/[\\`\0]/g, (character) => (character === "\0" ? "\\0" : `\\${character}`))}\``;
}

export function quoteList(texts: readonly string[]): string {
  return `(${texts.map(quoteText).join(", ")})`;
}

/** A moment of whole seconds. */
export function secondText(seconds: number): string {
  // what a DateTime can't hold would come out as another moment
  return `toDateTime(${Math.min(Math.max(0, Math.floor(seconds)), 0xffff_ffff)}, 'UTC')`;
}
