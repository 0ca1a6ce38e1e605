/**
 * The pieces of text that a block's filters hold. Every piece depends on its own bytes alone, so that whatever text
 * holds a literal also holds all of the literal's pieces: that is what makes the filters right for any substring.
 *
 * Words are four bytes without a digit: text repeats itself, so a block has few of them. Digits do not repeat, and all
 * their short combinations occur in every block; of them only what tells blocks apart is kept:
 * - five digits in a row (ids, sizes, amounts);
 * - two numbers in the middle of a dotted chain with the digits that touch them, `0.20.30.4` of `10.20.30.40`: one piece
 *   for an IP address, which almost no other address shares;
 * - five letters, digits, `:` or `-` in a row of which some are digits and some are not (hashes, UUIDs, IPv6, times).
 */

/** Of each byte: its lower case, and whether it is a digit, the end of a line, or joins what stands around it. */
const joins = 256;
const isDigit = 512;
const isLineEnd = 1024;
const kinds = Uint16Array.from({ length: 256 }, (_, byte) => {
  const lower = byte >= 65 && byte <= 90 ? byte + 32 : byte;
  if (byte === 10) return byte | isLineEnd;
  if (byte >= 48 && byte <= 57) return byte | isDigit;
  return (lower >= 97 && lower <= 122) || byte === 58 || byte === 45 || byte >= 128 ? lower | joins : lower;
});

const dot = 46;
// odd multipliers that mix bits well (Knuth's golden ratio, MurmurHash3's finalizer)
const golden = 0x9e3779b1 | 0;
const mixer = 0x85ebca6b | 0;

/**
 * Distinct pieces, by place: all that is known of a piece is one of half a million places for words and of a million
 * for the others, and two pieces may share one. `noted` has a bit for each place, few enough to stay in the cache of a
 * core; of `list` only what is used takes memory.
 */
type Places = { readonly noted: Uint32Array; readonly list: Uint32Array; count: number };

function createPlaces(bits: number): Places {
  return { noted: new Uint32Array(2 ** (bits - 5)), list: new Uint32Array(2 ** bits), count: 0 };
}

// one set for every call: gathering is synchronous, and clearing costs as much as was noted
const words = createPlaces(19);
const numbers = createPlaces(20);
const mixed = createPlaces(20);

function take(places: Places): Uint32Array {
  const taken = places.list.slice(0, places.count);
  places.count = 0;
  for (let i = 0; i < taken.length; i++) places.noted[(taken[i] as number) >>> 5] = 0;
  return taken;
}

/** Distinct places of the pieces in some text. */
export type Grams = {
  readonly words: Uint32Array;
  readonly numbers: Uint32Array;
  /** numbers among letters; there may be very many, so that a filter may keep a share of them */
  readonly mixed: Uint32Array;
  /** newlines in the first text */
  readonly newlines: number;
};

/** The pieces of lower-case UTF-8 texts (ASCII is folded here); none reaches over a newline. */
export function findGrams(...texts: readonly Uint8Array[]): Grams {
  let newlines: number | undefined;
  for (const text of texts) {
    const found = scan(text);
    newlines ??= found;
  }
  return { words: take(words), numbers: take(numbers), mixed: take(mixed), newlines: newlines ?? 0 };
}

/**
 * Runs of up to four digits with the four bytes on both sides that were looked through already, each in the slot of its
 * hash: times and versions repeat themselves, and their pieces are noted.
 */
const seenSlots = 2048;
const seen = new Int32Array(seenSlots * 3);
/** What a slot is empty with belongs into another one. */
const unseen = new Int32Array(seenSlots * 3);
unseen.fill(-1, slotOf(0, 0, 0), slotOf(0, 0, 0) + 3);

function slotOf(before: number, from: number, after: number): number {
  const key = Math.imul(before, mixer) + Math.imul(from, golden) + after;
  return (Math.imul(key ^ (key >>> 15), golden) >>> 21) * 3;
}

/** Whether a run of digits has come before among the same bytes; it counts as seen from now on. */
function isSeen(view: DataView, begin: number, end: number): boolean {
  if (end - begin > 4 || begin < 4 || begin + 8 > view.byteLength) return false;
  const before = view.getInt32(begin - 4, true);
  const from = view.getInt32(begin, true);
  const after = view.getInt32(begin + 4, true);
  const slot = slotOf(before, from, after);
  if (seen[slot] === before && seen[slot + 1] === from && seen[slot + 2] === after) return true;
  seen[slot] = before;
  seen[slot + 1] = from;
  seen[slot + 2] = after;
  return false;
}

/** Goes from one run of digits to the next. This is where a block's time goes: the inner loops stay small. */
function scan(text: Uint8Array): number {
  const wordNoted = words.noted;
  const wordList = words.list;
  let wordCount = words.count;
  const numberNoted = numbers.noted;
  const numberList = numbers.list;
  let numberCount = numbers.count;
  const { length } = text;
  const view = new DataView(text.buffer, text.byteOffset, length);
  seen.set(unseen);
  let lines = 0;
  // the last four bytes, in lower case
  let last = 0;
  // of a dotted chain: how many numbers came before this one, the last two, and the last digits of three
  let chain = 0;
  let chainAt = -1;
  let first = 0;
  let second = 0;
  let firstLast = 0;
  let secondLast = 0;
  let thirdLast = 0;
  for (let i = 0; i < length;) {
    const textBegin = i + 3;
    let kind = 0;
    for (; i < length; i++) {
      kind = kinds[text[i] as number] as number;
      if (kind >= isDigit) break;
      last = (last << 8) | (kind & 255);
      if (i < textBegin) continue;
      const place = Math.imul(last ^ (last >>> 15), golden) >>> 13;
      const cell = wordNoted[place >>> 5] as number;
      if ((cell & (1 << (place & 31))) !== 0) continue;
      wordNoted[place >>> 5] = cell | (1 << (place & 31));
      wordList[wordCount++] = place;
    }
    if (i === length) break;
    if (kind >= isLineEnd) {
      lines++;
      i++;
      continue;
    }
    const begin = i;
    chain = begin === chainAt ? chain + 1 : 0;
    if (chain >= 3) {
      const key = Math.imul(second ^ Math.imul(first, mixer), golden) + Math.imul(thirdLast * 64 + (kind & 255), mixer);
      const place = Math.imul(key ^ (key >>> 15), golden) >>> 12;
      const cell = numberNoted[place >>> 5] as number;
      if ((cell & (1 << (place & 31))) === 0) {
        numberNoted[place >>> 5] = cell | (1 << (place & 31));
        numberList[numberCount++] = place;
      }
    }
    let value = 0;
    for (; i < length; i++) {
      const byte = text[i] as number;
      if ((byte - 48) >>> 0 > 9) break;
      const fifth = last >>> 24;
      last = (last << 8) | byte;
      value = Math.imul(value, 31) + byte;
      if (i < begin + 4) continue;
      const key = Math.imul(last, mixer) + fifth;
      const place = Math.imul(key ^ (key >>> 13), golden) >>> 12;
      const cell = numberNoted[place >>> 5] as number;
      if ((cell & (1 << (place & 31))) !== 0) continue;
      numberNoted[place >>> 5] = cell | (1 << (place & 31));
      numberList[numberCount++] = place;
    }
    if ((isJoining(text, begin - 1) || isJoining(text, i)) && !isSeen(view, begin, i)) noteMixed(text, begin, i);
    if (text[i] !== dot) continue;
    thirdLast = secondLast;
    secondLast = firstLast;
    firstLast = last & 255;
    second = first;
    first = value + ((i - begin) << 24);
    chainAt = i + 1;
  }
  words.count = wordCount;
  numbers.count = numberCount;
  return lines;
}

/** The mixed pieces that begin or end in a run of digits, or hold it. */
function noteMixed(text: Uint8Array, begin: number, end: number): void {
  let from = begin;
  const earliest = Math.max(0, begin - 4);
  while (from > earliest && isSolid(text[from - 1] as number)) from--;
  let to = end;
  const latest = Math.min(text.length, end + 4);
  while (to < latest && (kinds[text[to] as number] as number) >>> 8 === 1) to++;
  for (let at = from; at + 5 <= to; at++) {
    // digits alone are numbers
    if (at >= begin && at + 5 <= end) continue;
    let front = 0;
    for (let i = at; i < at + 4; i++) front = (front << 8) | ((kinds[text[i] as number] as number) & 255);
    const key = Math.imul(front, golden) + Math.imul((kinds[text[at + 4] as number] as number) & 255, mixer);
    const place = Math.imul(key ^ (key >>> 13), mixer) >>> 12;
    const cell = mixed.noted[place >>> 5] as number;
    if ((cell & (1 << (place & 31))) !== 0) continue;
    mixed.noted[place >>> 5] = cell | (1 << (place & 31));
    mixed.list[mixed.count++] = place;
  }
}

function isJoining(text: Uint8Array, at: number): boolean {
  return at >= 0 && at < text.length && ((kinds[text[at] as number] as number) & joins) !== 0;
}

/** A digit, or what joins. */
function isSolid(byte: number): boolean {
  const kind = (kinds[byte] as number) >>> 8;
  return kind === 1 || kind === 2;
}
