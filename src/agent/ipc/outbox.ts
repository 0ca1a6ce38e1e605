/** What goes to one client: answers of one turn in one write, and a bound on what it leaves unread. */
import { maxIpcBacklogBytes } from "#src/protocol/ipc.ts";

/** What a connection needs of its socket. */
export type Wire = {
  /** @returns how many bytes were taken, -1 when the socket is closed */
  write(bytes: Uint8Array): number;
  /** Stops and goes on reading. */
  pause(): void;
  resume(): void;
  /** Ends it once everything is written. */
  end(): void;
  /** Ends it now. */
  terminate(): void;
};

export type Outbox = {
  push(line: string): void;
  /** The socket can take more. */
  drain(): void;
  /** Nothing waits to be written. */
  empty(): boolean;
  /** Forgets what waits. */
  close(): void;
};

/**
 * An outbox on `wire`. `onEmpty`: all is written; `onLost`: the client is gone, or was cut off because it left more than
 * `maxBytes` unread. One answer alone may be longer.
 */
export function createOutbox(
  wire: Wire,
  on: { readonly empty: () => void; readonly lost: () => void },
  maxBytes: number = maxIpcBacklogBytes,
): Outbox {
  let turn: string[] = [];
  let scheduled = false;
  let closed = false;
  // what the kernel has not taken yet
  let backlog: Buffer[] = [];
  let backlogBytes = 0;

  function flush(): void {
    scheduled = false;
    if (closed || turn.length === 0) return;
    const bytes = Buffer.from(turn.join(""));
    turn = [];
    if (backlogBytes > 0 && backlogBytes + bytes.length > maxBytes) {
      close();
      wire.terminate();
      return on.lost();
    }
    backlog.push(bytes);
    backlogBytes += bytes.length;
    // with more waiting before it, the socket calls drain when it is ready
    if (backlog.length === 1) write();
  }

  function write(): void {
    for (;;) {
      const bytes = backlog[0];
      if (closed || bytes === undefined) break;
      const written = wire.write(bytes);
      if (written < 0) {
        close();
        return on.lost();
      }
      backlogBytes -= written;
      if (written < bytes.length) {
        backlog[0] = bytes.subarray(written);
        return;
      }
      backlog.shift();
    }
    if (!closed) on.empty();
  }

  function close(): void {
    closed = true;
    turn = [];
    backlog = [];
    backlogBytes = 0;
  }

  return {
    push(line) {
      if (closed) return;
      turn.push(line);
      if (scheduled) return;
      scheduled = true;
      queueMicrotask(flush);
    },
    drain: write,
    empty: () => turn.length === 0 && backlogBytes === 0,
    close,
  };
}
