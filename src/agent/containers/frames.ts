/**
 * What a container's log stream is made of: messages, each with the engine's timestamp before it. Without a terminal each
 * comes in a frame of 8 bytes (stream, 0, 0, 0, length as big-endian u32) and its content; with one, they follow each
 * other raw. See "Attach to a container" in the engine's API. Pure; bytes may be split anywhere.
 */

/** One message: a line with its newline, or a part of one that the engine split, without. */
export type OnMessage = (stream: "stdout" | "stderr", message: Buffer) => void;

export type Decoder = {
  /** @returns false when these bytes can't be what they should: nothing after them can be told apart */
  push(bytes: Buffer, onMessage: OnMessage): boolean;
  /** Gives what is left at the end of a stream: a raw line without its newline. */
  finish(onMessage: OnMessage): void;
};

/** The engine splits lines at 16 KiB; a frame beyond this is no frame. */
const maxFrameBytes = 8 * 1024 * 1024;
const headerBytes = 8;

/** Decodes frames. */
export function createFrameDecoder(): Decoder {
  let rest: Buffer = Buffer.alloc(0);
  let broken = false;
  return {
    push(bytes, onMessage) {
      if (broken) return false;
      const all = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
      let at = 0;
      while (all.length - at >= headerBytes) {
        const type = all[at] ?? 0;
        const length = all.readUInt32BE(at + 4);
        const zeros = all[at + 1] === 0 && all[at + 2] === 0 && all[at + 3] === 0;
        if (type > 3 || !zeros || length > maxFrameBytes) {
          broken = true;
          rest = Buffer.alloc(0);
          return false;
        }
        const end = at + headerBytes + length;
        if (end > all.length) break;
        onMessage(type === 2 || type === 3 ? "stderr" : "stdout", all.subarray(at + headerBytes, end));
        at = end;
      }
      // a copy: the engine's buffer may be large, and used again
      rest = Buffer.from(all.subarray(at));
      return true;
    },
    finish() {
      // half a frame is read again from its beginning
    },
  };
}

/** The engine's parts of a long line. */
const partBytes = 16 * 1024;
/** `2026-01-02T03:04:05.123456789Z ` or with an offset of six characters. */
const stamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(?:Z|[+-]\d\d:\d\d) /;
const longestStamp = 36;
/** A terminal's line that has no newline for so long is taken apart. */
const maxRawBytes = 1024 * 1024;

/** Decodes a terminal's output, which has no frames: a part of 16 KiB is told by the timestamp that follows it. */
export function createRawDecoder(): Decoder {
  let rest: Buffer = Buffer.alloc(0);
  return {
    push(bytes, onMessage) {
      const all = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
      let at = 0;
      for (;;) {
        const size = nextMessage(all, at);
        if (size === 0) break;
        onMessage("stdout", all.subarray(at, at + size));
        at += size;
      }
      rest = Buffer.from(all.subarray(at));
      return true;
    },
    finish(onMessage) {
      if (rest.length > 0) onMessage("stdout", rest);
      rest = Buffer.alloc(0);
    },
  };
}

/** Bytes of the message that begins at `at`; 0 when its end can't be told yet. */
function nextMessage(all: Buffer, at: number): number {
  const head = stampLength(all, at);
  const newline = all.indexOf(10, at);
  const size = newline === -1 ? all.length - at : newline + 1 - at;
  const partEnd = head + partBytes;
  if (size > partEnd) {
    if (newline === -1 && all.length - at < partEnd + longestStamp) return 0;
    if (stampLength(all, at + partEnd) > 0) return partEnd;
  }
  if (newline !== -1) return size;
  return size > maxRawBytes ? maxRawBytes : 0;
}

function stampLength(all: Buffer, at: number): number {
  return stamp.exec(all.toString("latin1", at, at + longestStamp))?.[0].length ?? 0;
}
