/**
 * What a body will take in memory once it is parsed, told before it is: text takes about as much as it did, but a value
 * takes up to 64 bytes, however short it is in JSON.
 */
import { HttpFault } from "../problem.ts";

/** Smaller bodies can't hold enough values to matter. */
const countFromBytes = 256 * 1024;
/** From so many values on, 16 MiB of them, a body takes its turn with the large ones. */
const heavyValues = 250_000;
/** Most values of a body that is read as one. The longest deliveries that are allowed have 100,000 entries. */
const maxValues = 2_500_000;
/** Log lines compress to a tenth or so, what is made to fill memory to far less. */
const plausibleRatio = 24;

/** Whether what is made of it would be many times its size. Counting costs, so what looks like log lines is believed. */
export function isHeavy(plain: Uint8Array, wireBytes: number): boolean {
  if (plain.length < countFromBytes) return false;
  const compressed = wireBytes * 2 < plain.length;
  if (compressed && wireBytes * plausibleRatio > plain.length) return false;
  return countValues(plain, heavyValues) > heavyValues;
}

/** Throws HttpFault 413 for a body that is small on the wire and huge in memory, such as 64 MiB of `{},{},…`. */
export function refuseManyValues(plain: Uint8Array): void {
  if (plain.length <= maxValues || countValues(plain, maxValues) <= maxValues) return;
  throw new HttpFault(413, `the body holds more than ${maxValues} values; send it in parts`);
}

/** Counts the characters that part values, until there are more than `most`. */
function countValues(plain: Uint8Array, most: number): number {
  let values = 0;
  for (let i = 0; i < plain.length && values <= most; i++) {
    const byte = plain[i];
    // , : newline { [
    if (byte === 44 || byte === 58 || byte === 10 || byte === 123 || byte === 91) values++;
  }
  return values;
}
