/** Watches on pipes, by inotify(7), each for one write. */
import { closeSync } from "node:fs";

import { openInotify, watchOnce } from "#src/lib/libc.ts";

import type { LogPort } from "./ports.ts";

export type Watches<T> = {
  /** Watches `path` for `of`. @returns false: it can't be watched, and must be looked at instead */
  watch(path: string, of: T): boolean;
  forget(of: T): void;
  /** Forgets all of them. */
  close(): void;
};

/**
 * @param onWritten for each that was written to, whose watch is thereby over
 * @param onRound once behind those that were told of together
 */
export function createWatches<T>(log: LogPort, onWritten: (of: T) => void, onRound: () => void): Watches<T> {
  const watches = new Map<number, T>();
  let inotify: { readonly fd: number; readonly reader: ReadableStreamDefaultReader<Uint8Array> } | undefined;

  /** @returns the inotify descriptor, or -1: fs.inotify.max_user_instances is reached */
  function start(): number {
    if (inotify !== undefined) return inotify.fd;
    const fd = openInotify();
    if (fd === -1) return -1;
    const reader = Bun.file(fd).stream().getReader();
    inotify = { fd, reader };
    void read(reader).catch((error: unknown) => log.error(`watching pipes failed: ${String(error)}`));
    return fd;
  }

  async function read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      // struct inotify_event: watch (i32), mask, cookie, length of name (u32 each), name; inotify(7)
      const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
      for (let at = 0; at + 16 <= view.byteLength; at += 16 + view.getUint32(at + 12, true)) {
        const of = watches.get(view.getInt32(at, true));
        if (of === undefined) continue;
        watches.delete(view.getInt32(at, true));
        onWritten(of);
      }
      onRound();
    }
  }

  return {
    watch(path, of) {
      const fd = start();
      const id = fd === -1 ? -1 : watchOnce(fd, path);
      if (id === -1) return false;
      watches.set(id, of);
      return true;
    },
    forget(of) {
      for (const [id, watched] of watches) if (watched === of) watches.delete(id);
    },
    close() {
      watches.clear();
      if (inotify === undefined) return;
      const { fd, reader } = inotify;
      inotify = undefined;
      // the stream reads a duplicate of its own
      closeSync(fd);
      void reader.cancel().catch((error: unknown) => log.warn(`closing inotify failed: ${String(error)}`));
    },
  };
}
