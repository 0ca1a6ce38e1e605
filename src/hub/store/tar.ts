/**
 * Tar archives, written and read as streams: a backup is larger than memory. The ustar format of POSIX.1-1988, with
 * GNU's base-256 numbers for files of 8 GiB and more (tar(5)), which every tar of today can list and unpack.
 */
import type { FileHandle } from "node:fs/promises";

const blockBytes = 512;
/** Read or written at once. */
const pieceBytes = 1024 * 1024;
/** The first number that eleven octal digits can't hold. */
const octalLimit = 8 ** 11;

export type TarEntry = { readonly name: string; readonly bytes: number };

/** Where a tar goes wrong. */
export class TornTar extends Error {}

/** Adds a header; exactly `bytes` of content and {@link padding} must follow. */
export function tarHeader({ name, bytes }: TarEntry, mode: number, atMs: number): Uint8Array {
  const block = Buffer.alloc(blockBytes);
  block.write(name, 0, 100, "utf8");
  block.write(octal(mode, 7), 100);
  // uid and gid: 0
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  if (bytes < octalLimit) block.write(octal(bytes, 11), 124);
  else {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(bytes), 128);
  }
  block.write(octal(Math.floor(atMs / 1000), 11), 136);
  // a regular file
  block.write("0", 156);
  block.write("ustar\u000000", 257);
  // the checksum is made with spaces in its own place
  block.fill(0x20, 148, 156);
  block.write(`${octal(checksum(block), 6)}\u0000 `, 148);
  return block;
}

/** Zeroes that fill the last block of a file of `bytes`. */
export function padding(bytes: number): Uint8Array {
  return new Uint8Array((blockBytes - (bytes % blockBytes)) % blockBytes);
}

/** What ends an archive. */
export const tarEnd: Uint8Array = new Uint8Array(2 * blockBytes);

/** The pieces of `file` from `position`, up to `bytes` of them or to its end. */
export async function* readPieces(file: FileHandle, position = 0, bytes = Infinity): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(Math.min(pieceBytes, bytes));
  for (let done = 0; done < bytes;) {
    const wanted = Math.min(buffer.length, bytes - done);
    const { bytesRead } = await file.read(buffer, 0, wanted, position + done);
    if (bytesRead === 0) return;
    done += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** Writes all of `piece` at the file's end. */
export async function writePiece(file: FileHandle, piece: Uint8Array): Promise<void> {
  for (let done = 0; done < piece.length;) {
    const { bytesWritten } = await file.write(piece, done, piece.length - done);
    done += bytesWritten;
  }
}

/** A file of an archive, and its content, which must be read to its end before the next one. */
export type TarFile = TarEntry & { readonly pieces: () => AsyncGenerator<Uint8Array> };

/** The regular files of an archive. @throws {TornTar} when it is none, or ends too early */
export async function* readTar(file: FileHandle): AsyncGenerator<TarFile> {
  const block = Buffer.alloc(blockBytes);
  for (let position = 0; ;) {
    const { bytesRead } = await file.read(block, 0, blockBytes, position);
    if (bytesRead === blockBytes && block.every((byte) => byte === 0)) return;
    if (bytesRead < blockBytes) throw new TornTar("it ends where another file should begin");
    const entry = readHeader(block);
    const start = position + blockBytes;
    yield {
      ...entry,
      async *pieces() {
        let got = 0;
        for await (const piece of readPieces(file, start, entry.bytes)) {
          got += piece.length;
          yield piece;
        }
        if (got < entry.bytes) throw new TornTar(`it ends within ${entry.name}`);
      },
    };
    position = start + Math.ceil(entry.bytes / blockBytes) * blockBytes;
  }
}

function readHeader(block: Buffer): TarEntry {
  const claimed = Number.parseInt(block.toString("latin1", 148, 156), 8);
  const blank = Buffer.from(block);
  blank.fill(0x20, 148, 156);
  if (claimed !== checksum(blank) || block.toString("latin1", 257, 262) !== "ustar")
    throw new TornTar("it is not a tar");
  const end = block.indexOf(0);
  const name = block.toString("utf8", 0, Math.min(end === -1 ? 100 : end, 100));
  const large = block[124] === 0x80;
  const bytes = large ? Number(block.readBigUInt64BE(128)) : Number.parseInt(block.toString("latin1", 124, 136), 8);
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw new TornTar("a size in it is none");
  return { name, bytes };
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

function checksum(block: Uint8Array): number {
  return block.reduce((sum, byte) => sum + byte, 0);
}
