/** Error groups as they change: one connection for all parts of a page that show them, open while one of them does. */
import type { GroupGone, GroupNews } from "#src/protocol/error-group.ts";
import { openStream } from "./stream.ts";

export type ErrorListener = {
  readonly onGroup: (news: GroupNews) => void;
  readonly onGone: (gone: GroupGone) => void;
  /** what was read before may have changed unsaid: a connection is new, or more changed than it could tell */
  readonly onAgain: () => void;
};

const listeners = new Set<ErrorListener>();
let close: (() => void) | undefined;

/** Tells of each group that changes. @returns ends it */
export function followErrors(listener: ErrorListener): () => void {
  listeners.add(listener);
  close ??= openStream(
    () => "/api/errors/live",
    {
      group: (data) => tell(({ onGroup }) => onGroup(data as GroupNews)),
      gone: (data) => tell(({ onGone }) => onGone(data as GroupGone)),
      lost: () => tell(({ onAgain }) => onAgain()),
      ready: () => tell(({ onAgain }) => onAgain()),
    },
    // the bar says how the connection to the hub is
    () => undefined,
  );
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    close?.();
    close = undefined;
  };
}

function tell(one: (listener: ErrorListener) => void): void {
  for (const listener of listeners) one(listener);
}
