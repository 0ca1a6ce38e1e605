/**
 * What was taken out of a pipe but is not yet durable elsewhere. The kernel moves bytes from pipe to journal in one step
 * (splice(2)), so a SIGKILL of this process loses nothing between the two; what was handed on is told by the position
 * that the taker keeps. Two files take turns: the other one begins with what was left of the first, and only when it
 * is whole is the first emptied. They lie in the run directory, which is a tmpfs as a rule and gone after a reboot.
 *
 * Neither file gives its first page back, so that lines of up to a page go on passing through a disk without a byte left.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";

import { removeIfThere } from "#src/lib/files.ts";
import { pipeContent, punchHole, spliceToFile } from "#src/lib/libc.ts";

/** magic, length of what was carried over (u32), position of the first byte behind the header (f64) */
const headerBytes = 16;
const magic = 0x314a524f; // "ORJ1", little-endian

const newline = 10;
/** A multiple of every page size in use: only whole pages are given back. */
const pageBytes = 65_536;

/** What an emptied file keeps: less than a header, so that it is none, and more than nothing, so that the page stays. */
const emptiedBytes = 8;

type Half = { readonly fd: number; base: number; size: number };

/** The bytes of a stream from `position` on, up to `end`; positions count from the making of the pipe. */
export type Journal = {
  /** of the first byte that is kept */
  readonly position: () => number;
  /** behind the last byte that is kept */
  readonly end: () => number;
  /** Takes up to `bytes` out of the pipe. @returns how many, 0 when it is empty */
  fill(pipeFd: number, bytes: number): number;
  /** Whether the last `fill` found no room on the disk beyond the pages that it has. */
  readonly cramped: () => boolean;
  /**
   * Ends the last line with a newline, which then counts as a byte of the stream, when it has none; with `open` also
   * when nothing is kept, because what was kept of the line has been released.
   */
  endLine(open: boolean): void;
  /** Copies what is kept into `target`. @returns how many bytes */
  read(target: Uint8Array): number;
  /** Everything before `position` is durable elsewhere and may go. */
  release(position: number): void;
  close(): void;
  remove(): void;
};

/** Bytes of released content after which the kept rest moves to the other file. */
const turnAfterBytes = 256 * 1024;
/** The same, when there is no rest to move. */
const emptyAfterBytes = 4096;

function openHalf(path: string): Half | { fd: number; base: undefined; size: number } {
  // "a+" would make splice(2) fail with EINVAL, and "w+" would empty it
  const fd = openSync(path, "r+");
  const size = fstatSync(fd).size;
  if (size < headerBytes) return { fd, base: undefined, size };
  const header = Buffer.alloc(headerBytes);
  readSync(fd, header, 0, headerBytes, 0);
  const whole = header.readUInt32LE(0) === magic && size >= headerBytes + header.readUInt32LE(4);
  return whole ? { fd, base: header.readDoubleLE(8), size } : { fd, base: undefined, size };
}

function empty(fd: number): void {
  ftruncateSync(fd, emptiedBytes);
}

function begin(half: { fd: number }, base: number, carry: Uint8Array): Half {
  const bytes = Buffer.allocUnsafe(headerBytes + carry.length);
  bytes.writeUInt32LE(magic, 0);
  bytes.writeUInt32LE(carry.length, 4);
  bytes.writeDoubleLE(base, 8);
  bytes.set(carry, headerBytes);
  empty(half.fd);
  for (let at = 0; at < bytes.length;) at += writeSync(half.fd, bytes, at, bytes.length - at, at);
  return { fd: half.fd, base, size: bytes.length };
}

/**
 * Opens the journal of a pipe, the one an earlier process left or a new one.
 * @param durable the position up to which the taker has everything, or undefined when it has nothing
 */
export function openJournal(path: string, durable: number | undefined): Journal {
  const paths = [`${path}.a`, `${path}.b`] as const;
  for (const file of paths) closeSync(openSync(file, "a", 0o600));
  const [first, second] = [openHalf(paths[0]), openHalf(paths[1])];
  let active: Half;
  let idle: { fd: number };
  if (first.base === undefined && second.base === undefined) {
    active = begin(first, durable ?? 0, new Uint8Array());
    idle = second;
  } else if (second.base === undefined || (first.base !== undefined && first.base > second.base)) {
    active = first as Half;
    idle = second;
  } else {
    active = second;
    idle = first;
  }
  empty(idle.fd);
  try {
    // a file that was only made longer has no page yet
    writeSync(idle.fd, new Uint8Array(emptiedBytes), 0, emptiedBytes, 0);
  } catch {
    // the disk is full already: there is one page less to go on with
  }
  // offset in the active file of the first byte that is kept
  let kept = headerBytes;
  let cramped = false;
  let closed = false;

  /** Goes on in the other file, with what is kept. Nothing of the old one goes before the new one is whole. */
  function turn(): void {
    const carry = Buffer.allocUnsafe(active.size - kept);
    const from = journal.position();
    let next: Half;
    try {
      next = begin(idle, from, carry.subarray(0, journal.read(carry)));
    } catch {
      // no room for the other file: this one goes on, without the pages that are no longer wanted
      punchHole(active.fd, pageBytes, Math.floor(kept / pageBytes) * pageBytes - pageBytes);
      return;
    }
    empty(active.fd);
    idle = active;
    active = next;
    kept = headerBytes;
  }

  const journal: Journal = {
    position: () => active.base + kept - headerBytes,
    end: () => active.base + active.size - headerBytes,
    fill(pipeFd, bytes) {
      let moved = spliceToFile(pipeFd, active.fd, active.size, bytes);
      cramped = moved <= 0 && pipeContent(pipeFd) > 0;
      const released = kept - headerBytes;
      if (moved <= 0 && (released >= emptyAfterBytes || (released > 0 && cramped))) {
        // the pipe is empty, and then this gives back memory; or the disk is full, and then it may make room
        turn();
        moved = spliceToFile(pipeFd, active.fd, active.size, bytes);
      }
      if (moved <= 0) return 0;
      active.size += moved;
      return moved;
    },
    cramped: () => cramped,
    endLine(open) {
      const last = Buffer.alloc(1);
      if (active.size > kept) readSync(active.fd, last, 0, 1, active.size - 1);
      else if (!open) return;
      if (last[0] === newline) return;
      try {
        active.size += writeSync(active.fd, Buffer.of(newline), 0, 1, active.size);
      } catch {
        // the disk is full: the line stays, and goes on with what is printed next
      }
    },
    read(target) {
      const length = Math.min(target.length, active.size - kept);
      let got = 0;
      while (got < length) {
        const n = readSync(active.fd, target, got, length - got, kept + got);
        if (n === 0) break;
        got += n;
      }
      return got;
    },
    release(position) {
      const offset = Math.min(position - active.base + headerBytes, active.size);
      if (offset <= kept) return;
      kept = offset;
      if (kept - headerBytes >= (kept === active.size ? emptyAfterBytes : turnAfterBytes)) turn();
    },
    close() {
      if (closed) return;
      closed = true;
      closeSync(active.fd);
      closeSync(idle.fd);
    },
    remove() {
      journal.close();
      for (const file of paths) removeIfThere(file);
    },
  };
  if (durable !== undefined && durable > journal.end()) active = begin(active, durable, new Uint8Array());
  else if (durable !== undefined) journal.release(durable);
  return journal;
}
