/** Memory given back before the collector would: the next delivery then finds it still in the processor's cache. */
import type { LogColumns } from "../log-columns.ts";
import { roomBytes } from "./room.ts";

/** Of columns that nobody will look at any more. What shares its memory with others is left to the collector. */
export function releaseColumns({ text, times, count }: LogColumns): void {
  release(text);
  if (times.byteOffset === 0 && times.buffer.byteLength === roomBytes(count)) free(times.buffer);
}

/** Of bytes that nobody will look at any more; they are empty then, unless they are a part of something larger. */
export function release({ buffer, byteLength }: Uint8Array): void {
  if (buffer.byteLength === byteLength) free(buffer);
}

function free(buffer: ArrayBufferLike): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
