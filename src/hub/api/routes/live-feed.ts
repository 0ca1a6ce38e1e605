/** The feed of a page that shows everything: first all servers, then each that changes, and every new event. */
import { keep } from "#src/lib/keep.ts";
import type { StoredEvent } from "#src/protocol/api.ts";
import type { Events, Servers, Visible } from "../ports.ts";
import { serverJson } from "./server-view.ts";
import { type Feed, createBell, sseEvent } from "../sse.ts";

/** Servers or events of one piece of text. */
const maxItems = 100;
/** After the store has failed to give events. */
const againAfterMs = 1000;

export type LiveSight = {
  /** Which servers exist for this reader now, in the order in which they are told first. */
  readonly servers: () => readonly { readonly id: string }[];
  /** Whose servers and events may be told; asked each time, because servers come and go. */
  readonly visible: () => Visible;
};

/**
 * Servers as `server` events without id, those that are gone as `gone` events; agent events as `event` with the id to
 * resume from.
 */
export function createLiveFeed(events: Events, servers: Servers, sight: LiveSight, from: number): Feed {
  let position = Math.min(from, events.eventsHead());
  let ready = false;
  // the next events, read ahead of the reader's asking
  let fresh: readonly StoredEvent[] = [];
  let reading = false;
  // there may be more than what was read
  let more = true;
  let again: Timer | undefined;
  // a server that changes faster than the reader reads is sent once, as it is then
  const changed = new Set(sight.servers().map((server) => server.id));
  const told = new Set<string>();
  const bell = createBell();
  const cancels = [
    events.onEvent(() => {
      more = true;
      bell.ring();
    }),
    servers.onChange((id) => {
      changed.add(id);
      bell.ring();
    }),
  ];

  function nextServers(): string {
    let text = "";
    let count = 0;
    const visible = sight.visible();
    for (const id of changed) {
      changed.delete(id);
      const server = visible === null || visible.has(id) ? servers.get(id) : undefined;
      if (server !== undefined) {
        told.add(id);
        text += sseEvent("server", serverJson(servers, server));
      } else if (told.delete(id)) text += sseEvent("gone", JSON.stringify({ id }));
      else continue;
      if (++count >= maxItems) break;
    }
    return text;
  }

  async function read(): Promise<void> {
    more = false;
    try {
      fresh = await events.eventsAfter(position, maxItems);
      if (fresh.length === maxItems) more = true;
    } finally {
      reading = false;
    }
    if (fresh.length > 0 || more) bell.ring();
  }

  /** What was read; nothing: it is being read, and the bell rings when there is some. */
  function takeEvents(): readonly StoredEvent[] {
    const taken = fresh;
    const last = taken.at(-1);
    fresh = [];
    if (last !== undefined) position = Number(last.id);
    else if (more && !reading) {
      reading = true;
      keep(read(), () => {
        // a database that is away for a while: the reader has nothing to do with it
        more = true;
        again = setTimeout(bell.ring, againAfterMs);
      });
    }
    return taken;
  }

  function nextEvents(): string | undefined {
    const taken = takeEvents();
    if (taken.length === 0) return undefined;
    const visible = sight.visible();
    const text = taken
      .filter((event) => visible === null || visible.has(event.serverId))
      .map((event) => sseEvent("event", JSON.stringify(event), event.id))
      .join("");
    if (text !== "") return text;
    // all of them were others'; there may be more to look at, after others had their turn
    setImmediate(bell.ring);
    return undefined;
  }

  return {
    next() {
      const text = nextServers();
      if (text !== "") return text;
      if (ready) return nextEvents();
      ready = true;
      return sseEvent("ready", JSON.stringify({ position: String(position) }), String(position));
    },
    wait: bell.wait,
    close() {
      for (const cancel of cancels) cancel();
      clearTimeout(again);
    },
  };
}
