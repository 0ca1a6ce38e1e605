/**
 * The feed of a live tail. It has no queue of its own: its place in the store is its queue, so a reader gets every
 * entry once and in order, also across reconnections. A reader too far behind is taken forward and told what it missed.
 */
import type { LogFilter, StoredEntry } from "#src/protocol/api.ts";
import type { Logs, Visible } from "../ports.ts";
import { type Feed, createBell, sseEvent } from "../sse.ts";

/** Entries of one piece of text. */
const maxEntries = 500;
/** Entries that a reader may be behind. A burst of this size reaches it whole. */
export const maxLag = 200_000;
/** Where it goes on when it was further behind. */
const keptLag = 1000;

/** Which entries a tail shows; `visible` is asked each time, because servers come and go. */
export type TailFilter = Omit<LogFilter, "project"> & { readonly visible: () => Visible };

/** Entries after `from` that the filter lets through. */
export function createLogFeed(logs: Logs, { visible, ...filter }: TailFilter, from: number): Feed {
  // an id of another store, or of the time before a restore: go on with what comes
  let position = Math.min(from, logs.head());
  let told = false;
  const bell = createBell();
  const cancel = logs.onAppend(bell.ring);

  function skip(): string {
    const to = logs.head() - keptLag;
    const missed = { lines: to - position, from: String(position + 1), to: String(to) };
    position = to;
    return sseEvent("skipped", JSON.stringify(missed), String(to));
  }

  return {
    next() {
      // where the tail begins: a reader that saw nothing yet can resume there
      if (!told) {
        told = true;
        return sseEvent("ready", JSON.stringify({ position: String(position) }), String(position));
      }
      const head = logs.head();
      if (position >= head) return undefined;
      if (head - position > maxLag) return skip();
      const { entries, position: reached } = logs.after(position, { ...filter, scope: visible() }, maxEntries);
      position = reached;
      if (entries.length > 0) return entries.map(entryEvent).join("");
      // more to look at: after others had their turn
      if (position < logs.head()) setImmediate(bell.ring);
      return undefined;
    },
    wait: bell.wait,
    close: cancel,
  };
}

function entryEvent(entry: StoredEntry): string {
  return sseEvent("log", JSON.stringify(entry), entry.id);
}
