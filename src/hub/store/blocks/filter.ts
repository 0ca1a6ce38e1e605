/** Filters of a block: Bloom filters of the pieces of its text, one of words and one of numbers. */
import { type Grams, findGrams } from "./grams.ts";
import type { Probe } from "./reader-port.ts";

/** With seven bits a piece and four hash functions one piece in thirty is let through wrongly. */
const bitsPerPiece = 7;
const hashes = 4;
/**
 * A filter of numbers takes about this share of the block's body at most. Then of the mixed pieces one in two or four is
 * kept (a hash or an UUID has a dozen), and after that each gets fewer bits.
 */
const largestShare = 0.13;
const fewestKept = 2;
const fewestBits = 4;
const smallestBytes = 8;

/** Both filters; the first byte of `numbers` says which share of the mixed pieces was kept: one in 2^n. */
export type Filter = { readonly words: Uint8Array; readonly numbers: Uint8Array };

/** The filter of what was found in a block; `bodyBytes` is its compressed size. */
export function createFilter({ words, numbers, mixed }: Grams, bodyBytes: number): Filter {
  const budget = Math.max(512, bodyBytes * largestShare) * 8;
  let share = 0;
  let kept: Uint32Array = mixed;
  while (kept.length > 0 && (numbers.length + kept.length) * bitsPerPiece > budget && share < fewestKept) {
    share++;
    kept = kept.filter((place) => isKept(place, share));
  }
  const pieces = numbers.length + kept.length;
  const bits = Math.max(fewestBits, Math.min(bitsPerPiece, budget / Math.max(1, pieces)));
  const bytes = new Uint8Array(1 + sizeFor(pieces, bits));
  bytes[0] = share;
  const bloom = bytes.subarray(1);
  fill(bloom, numbers);
  fill(bloom, kept);
  const ofWords = new Uint8Array(sizeFor(words.length, bitsPerPiece));
  fill(ofWords, words);
  return { words: ofWords, numbers: bytes };
}

/** What to look for in filters, for text that is compared in lower case. */
export function probeOf(literal: string): Probe {
  // half of a character has no bytes of its own
  const whole = literal.toLowerCase().replaceAll(/\p{Surrogate}/gu, "\n");
  const { words, numbers, mixed } = findGrams(Buffer.from(whole));
  return { words, numbers, mixed };
}

/** False: the block holds no such word. */
export function mayHoldWords(filter: Uint8Array, probe: Probe): boolean {
  return holdsAll(filter, 0, probe.words);
}

/** False: the block holds no such number. */
export function mayHoldNumbers(filter: Uint8Array, probe: Probe): boolean {
  if (!holdsAll(filter, 1, probe.numbers)) return false;
  const share = filter[0] ?? 0;
  if (share === 0) return holdsAll(filter, 1, probe.mixed);
  return holdsAll(
    filter,
    1,
    probe.mixed.filter((place) => isKept(place, share)),
  );
}

/** By bits that say nothing of the piece itself. */
function isKept(place: number, share: number): boolean {
  return Math.imul(place ^ (place >>> 9), 0xc2b2ae35 | 0) >>> (32 - share) === 0;
}

function sizeFor(pieces: number, bits: number): number {
  return Math.max(smallestBytes, Math.ceil((pieces * bits) / 8));
}

// two hashes make all of them (Kirsch and Mitzenmacher, "Less Hashing, Same Performance")
function fill(bloom: Uint8Array, places: Uint32Array): void {
  const scale = (bloom.length * 8) / 2 ** 32;
  for (let i = 0; i < places.length; i++) {
    const place = places[i] as number;
    let hash = Math.imul(place + 1, 0x27d4eb2f);
    const step = Math.imul(place ^ 0x5bd1e995, 0x165667b1) | 1;
    for (let n = 0; n < hashes; n++) {
      const bit = Math.floor((hash >>> 0) * scale);
      bloom[bit >>> 3] = (bloom[bit >>> 3] as number) | (1 << (bit & 7));
      hash = (hash + step) | 0;
    }
  }
}

function holdsAll(filter: Uint8Array, from: number, places: Uint32Array): boolean {
  const scale = ((filter.length - from) * 8) / 2 ** 32;
  for (let i = 0; i < places.length; i++) {
    const place = places[i] as number;
    let hash = Math.imul(place + 1, 0x27d4eb2f);
    const step = Math.imul(place ^ 0x5bd1e995, 0x165667b1) | 1;
    for (let n = 0; n < hashes; n++) {
      const bit = Math.floor((hash >>> 0) * scale);
      if (((filter[from + (bit >>> 3)] as number) & (1 << (bit & 7))) === 0) return false;
      hash = (hash + step) | 0;
    }
  }
  return true;
}
