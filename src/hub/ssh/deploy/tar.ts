/** Archives in the form of POSIX.1 ustar, as streams: what `docker load` reads. */

/** Bytes of a block, in which everything is counted. */
const block = 512;

export type TarEntry = {
  /** without a leading slash, at most 100 bytes; a folder's ends in a slash */
  readonly name: string;
  readonly mode: number;
  readonly owner?: number;
  readonly size: number;
  readonly content: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
};

export function tarFolder(name: string, mode: number, owner = 0): TarEntry {
  return { name, mode, owner, size: 0, content: () => [] };
}

export function tarText(name: string, mode: number, text: string): TarEntry {
  const bytes = Buffer.from(text);
  return { name, mode, size: bytes.length, content: () => [bytes] };
}

const padding = (size: number): number => (block - (size % block)) % block;

/** Bytes of the archive. */
export function tarSize(entries: readonly TarEntry[]): number {
  return entries.reduce((sum, { size }) => sum + block + size + padding(size), 2 * block);
}

/** The archive. The same entries give the same bytes: times are the epoch's beginning. */
export async function* writeTar(entries: readonly TarEntry[]): AsyncGenerator<Uint8Array> {
  for (const entry of entries) {
    yield header(entry);
    yield* entry.content();
    yield Buffer.alloc(padding(entry.size));
  }
  yield Buffer.alloc(2 * block);
}

/** pax(1), "ustar Interchange Format". */
function header({ name, mode, owner = 0, size }: TarEntry): Buffer {
  const bytes = Buffer.alloc(block);
  const octal = (value: number, width: number) => `${value.toString(8).padStart(width - 1, "0")}\0`;
  bytes.write(name, 0, 100);
  bytes.write(octal(mode, 8), 100);
  bytes.write(octal(owner, 8), 108);
  bytes.write(octal(owner, 8), 116);
  bytes.write(octal(size, 12), 124);
  bytes.write(octal(0, 12), 136);
  bytes.write(" ".repeat(8), 148);
  bytes.write(name.endsWith("/") ? "5" : "0", 156);
  bytes.write("ustar\u000000", 257);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return bytes;
}
