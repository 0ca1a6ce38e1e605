/** The first hundred bytes of a database, which are the same in all of ours but for a few counters. */
import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";

/** As openDatabase makes them (sqlite.org/fileformat.html, section 1.3). */
const pageSize = 8192;
const headerBytes = 100;
/** The magic text, page size, the versions for WAL (2, 2), nothing reserved, and fractions of payload that never change. */
const beginning = Buffer.concat([
  Buffer.from("SQLite format 3\0"),
  Buffer.from([pageSize >> 8, pageSize & 255, 2, 2, 0, 64, 32, 32]),
]);
const versionsAt = 18;
const pagesAt = 28;
const formatAt = 44;
const encodingAt = 56;
const incrementalAt = 64;
const zerosAt = 72;
const zerosEnd = 92;

/** The header with what never changes as it should be. */
function withConstants(header: Buffer): Buffer {
  const mended = Buffer.from(header);
  beginning.copy(mended, 0);
  // one that was restored and never opened since is not in WAL mode yet
  if (header[versionsAt] === 1 && header[versionsAt + 1] === 1) mended.fill(1, versionsAt, versionsAt + 2);
  mended.writeUInt32BE(4, formatAt);
  mended.writeUInt32BE(1, encodingAt);
  mended.writeUInt32BE(1, incrementalAt);
  mended.fill(0, zerosAt, zerosEnd);
  return mended;
}

/** What is wrong with the header of the database in `path`; null: nothing. SQLite overlooks some of it. */
export function headerProblem(path: string): string | null {
  const fd = openSync(path, "r");
  try {
    const header = Buffer.alloc(headerBytes);
    // of a database that is new everything is still in the log of writes beside it
    if (fstatSync(fd).size <= pageSize) return null;
    readSync(fd, header, 0, headerBytes, 0);
    return withConstants(header).equals(header) ? null : "its header is not as it was made";
  } finally {
    closeSync(fd);
  }
}

/** Writes what is known of the header. */
export function mendHeader(path: string): void {
  const fd = openSync(path, "r+");
  try {
    const header = Buffer.alloc(headerBytes);
    if (readSync(fd, header, 0, headerBytes, 0) < headerBytes) return;
    const mended = withConstants(header);
    mended.writeUInt32BE(Math.floor(fstatSync(fd).size / pageSize), pagesAt);
    writeSync(fd, mended, 0, headerBytes, 0);
  } finally {
    closeSync(fd);
  }
}
