/**
 * Which lines of a batch may hold a secret: one look at each byte for all rules, before anything is decoded.
 *
 * The text is read four bytes at a time, ASCII letters in lower case, and the first three and the last three of them are
 * looked up. A needle of five bytes or more has, wherever it lies, its bytes 1 to 3 or 3 to 5 in one of these places; so
 * these two are in the table, and the needle itself is compared only where one of them is found. Four digits side by side
 * are seen on the way: every card number, in one piece or in the groups that people write, has four that fill a place.
 * (Measured: as fast as sixteen `Buffer.indexOf`, and there are two hundred needles in both cases.)
 */
import { type Rule, shortestNeedle } from "./rule.ts";

/** Bits of a rule each: what `scan` tells of a line. */
export type Bits = number;
/** One bit a rule, in an integer that is not negative. */
export const mostRules = 31;

export type Scan = {
  /**
   * The rules that may have to do with each line of `text`, which ends with a newline; line i lies from `offsets[i]` up to
   * `offsets[i + 1]`. undefined: none has to do with any.
   */
  lines(text: Buffer, offsets: Uint32Array, count: number): Int32Array | undefined;
};

type Needle = { readonly bytes: Uint8Array; readonly at: number; readonly bit: Bits };

/** Lower case for ASCII letters; what else falls together is told apart when the needle is compared. */
const fold = 0x20202020;
/** A byte in lower case, as `fold` makes it. */
const folded = Array.from({ length: 256 }, (_, byte) => byte | 0x20).filter((byte, i, all) => all.indexOf(byte) === i);
/** What a character of a needle may stand for: `?` for what is printed, `<` for what is before a word. */
const classes: Readonly<Record<string, readonly number[]>> = {
  "?": folded.filter((byte) => byte > 0x20 && byte <= 0x7f),
  // of what is not ASCII, the last byte (RFC 3629 section 3)
  "<": folded.filter((byte) => !/[\w-]/.test(String.fromCharCode(byte)) && byte < 0xc0),
};
/** In place of such a character; no folded byte is 0. */
const wild = 0;

export function createScan(rules: readonly Rule[]): Scan {
  if (rules.length > mostRules) throw new RangeError(`${rules.length} rules are more than ${mostRules}`);
  const chains = new Map<number, Needle[]>();
  let cardBit = 0;
  let addressBit = 0;
  rules.forEach((rule, i) => {
    const bit = 1 << i;
    if (rule.sign === "digits") cardBit |= bit;
    if (rule.sign === "@") addressBit |= bit;
    for (const needle of rule.needles) add(needle, bit);
  });
  const table = createTable([...chains.keys()]);

  function add(text: string, bit: Bits): void {
    if (text.length < shortestNeedle) throw new RangeError(`the needle "${text}" is too short to be found`);
    const bytes = Uint8Array.from(Buffer.from(text), (byte) =>
      String.fromCharCode(byte) in classes ? wild : byte | 0x20,
    );
    const from = rarest(text);
    for (const at of [from, from + 2]) {
      for (const three of spelledOut(text.slice(at, at + 3))) {
        const chain = chains.get(three);
        if (chain === undefined) chains.set(three, [{ bytes, at, bit }]);
        else chain.push({ bytes, at, bit });
      }
    }
  }

  /** The rules of the needles whose bytes `at` and on are the three at `from`. */
  function needlesAt(text: Buffer, from: number, three: number): Bits {
    let bits = 0;
    for (const { bytes, at, bit } of chains.get(three) ?? []) {
      const start = from - at;
      let i = 0;
      while (i < bytes.length && (bytes[i] === wild || bytes[i] === ((text[start + i] ?? 0) | 0x20))) i++;
      if (i === bytes.length) bits |= bit;
    }
    return bits;
  }

  return {
    lines(text, offsets, count) {
      const words = wordsOf(text);
      let found: Int32Array | undefined;
      let line = 0;
      const tell = (at: number, bits: Bits): void => {
        if (bits === 0) return;
        found ??= new Int32Array(count);
        while (line < count - 1 && (offsets[line + 1] ?? 0) <= at) line++;
        found[line] = (found[line] ?? 0) | bits;
      };
      for (let i = nextPlace(words, table, 0); i !== -1; i = nextPlace(words, table, i + 1)) {
        const word = (words[i] as number) | fold;
        const at = i * 4;
        // of the three bytes the last one is in the line that the needle is in: a line may end before a word begins
        tell(at + 2, needlesAt(text, at, word & 0xffffff));
        tell(at + 3, needlesAt(text, at + 1, word >>> 8));
        if (cardBit !== 0 && haveDigits(noDigits(words[i - 1] ?? 0), noDigits(word)) && mayBeCard(text, at + 2)) {
          tell(at + 2, cardBit);
        }
      }
      if (addressBit === 0) return found;
      line = 0;
      eachAddress(text, offsets, count, (at) => tell(at, addressBit));
      return found;
    },
  };
}

/** Threes of bytes, each shifted up by a byte, each where `placeOf` says: no two of them in the same place. */
type Table = { readonly threes: Int32Array; readonly spread: number; readonly shift: number };

/** Places for half of all threes by chance are a second-level cache's worth. */
const tableBits = 16;
/** Odd numbers that are tried with a table before it is made larger. */
const spreads = 64;

function createTable(threes: readonly number[]): Table {
  // 2^32 / golden ratio: neighbours end up far apart (Knuth, The Art of Computer Programming, 6.4)
  let spread = 0x9e3779b1;
  for (let tried = 1; ; tried++) {
    const bits = tableBits + Math.floor(tried / spreads);
    const table = { threes: new Int32Array(1 << bits), spread, shift: 32 - bits };
    if (threes.every((three) => put(table, three << 8))) return table;
    // the next one of a sequence with no pattern (Numerical Recipes, 7.1)
    spread = (Math.imul(spread, 1664525) + 1013904223) | 1;
  }
}

function put({ threes, spread, shift }: Table, three: number): boolean {
  const place = placeOf(three, spread, shift);
  if (threes[place] !== 0) return false;
  threes[place] = three;
  return true;
}

const placeOf = (three: number, spread: number, shift: number): number => Math.imul(three, spread) >>> shift;

/** The next word that is of interest, from word `from` on; -1: there is none. A loop of its own, so that it is compiled as one. */
function nextPlace(words: Int32Array, { threes, spread, shift }: Table, from: number): number {
  let before = noDigits(words[from - 1] ?? 0);
  for (let i = from; i < words.length; i++) {
    const word = (words[i] as number) | fold;
    const first = word << 8;
    const last = word & 0xffffff00;
    const here = noDigits(word);
    if (
      threes[placeOf(first, spread, shift)] === first ||
      threes[placeOf(last, spread, shift)] === last ||
      haveDigits(before, here)
    ) {
      return i;
    }
    before = here;
  }
  return -1;
}

/** The upper half of each byte that is a digit becomes 0, and of each other byte something else. */
const noDigits = (word: number): number => (word ^ 0x30303030) | ((word ^ 0x30303030) + 0x06060606);

/**
 * Whether two words, as `noDigits` has them, are digits as those of a card are somewhere, wherever it begins: three and
 * three, with two digits or a digit and a gap between; or, for groups of 4, 6 and 5 digits, four, one, a gap, and two.
 */
const haveDigits = (before: number, here: number): boolean =>
  ((before & 0x00f0f0f0) | (here & 0xf0f0f000)) === 0 || ((before & 0xf0f0f0f0) | (here & 0xf0f000f0)) === 0;

/** How seldom letters are in running text, the most frequent first; whatever else there is comes between. */
const letters = "etaoinsrhldcumfpgwybvkxjqz";
const rankOf = (letter: string): number =>
  letter in classes ? -letters.length : letters.includes(letter) ? letters.indexOf(letter) : letters.length / 2;

/** Which three letters of a needle, and which two after them, are found seldom where the needle is not. */
function rarest(needle: string): number {
  const rank = (at: number) => [0, 1, 2].reduce((sum, i) => sum + rankOf(needle.charAt(at + i)), 0);
  const places = Array.from({ length: needle.length - shortestNeedle + 1 }, (_, at) => at);
  const worst = (at: number) => Math.min(rank(at), rank(at + 2));
  return places.reduce((best, at) => (worst(at) > worst(best) ? at : best), 0);
}

/** All that three characters may be, as a number with the first in the lowest byte. */
function spelledOut(three: string): number[] {
  const [a = [], b = [], c = []] = Array.from(three, (one) => classes[one] ?? [one.charCodeAt(0) | 0x20]);
  return a.flatMap((one) => b.flatMap((two) => c.map((last) => one | (two << 8) | (last << 16))));
}

/** The text four bytes at a time; up to three at its end are left over, the newline among them. */
function wordsOf(text: Buffer): Int32Array {
  const own = text.byteOffset % 4 === 0 ? text : new Uint8Array(text);
  return new Int32Array(own.buffer, own.byteOffset, own.length >> 2);
}

/** Fewest digits of a card number. */
const fewestDigits = 13;
/** How far around a place its digits are looked at: no card number with its gaps is longer. */
const reach = 24;

/** Whether the digit at `at`, with those around it and single blanks or dashes between, can be of the number of a card. */
function mayBeCard(text: Buffer, at: number): boolean {
  let from = at;
  while (at - from < reach && (isDigit(text[from - 1]) || (isGap(text[from - 1]) && isDigit(text[from - 2])))) from--;
  let digits = 0;
  let to = from;
  for (; to - at < reach && (isDigit(text[to]) || (isGap(text[to]) && isDigit(text[to + 1]))); to++) {
    if (isDigit(text[to])) digits++;
  }
  if (digits < fewestDigits) return false;
  // no card begins with 0, 1 or 7 and on (ISO/IEC 7812), but times in milliseconds do; in groups it may begin further on
  const first = text[from] ?? 0;
  return to - from > digits || (first >= 0x32 && first <= 0x36);
}

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;
const isGap = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x2d;

/** Tells each line in which an `@` comes after `://`, once. */
function eachAddress(text: Buffer, offsets: Uint32Array, count: number, tell: (at: number) => void): void {
  let line = 0;
  let scheme = -1;
  for (let at = text.indexOf(0x40); at !== -1;) {
    while (line < count - 1 && (offsets[line + 1] ?? 0) <= at) line++;
    const start = offsets[line] ?? 0;
    const end = offsets[line + 1] ?? text.length;
    if (scheme < start) scheme = text.indexOf("://", start);
    if (scheme === -1) return;
    if (scheme < text.lastIndexOf(0x40, end - 1)) tell(at);
    at = text.indexOf(0x40, end);
  }
}
