/** The feed of a page that shows everything: first all servers, then each that changes, and every new event. */
import type { Events, Servers, Visible } from "../ports.ts";
import { serverJson } from "./server-view.ts";
import { type Feed, createBell, sseEvent } from "../sse.ts";

/** Servers or events of one piece of text. */
const maxItems = 100;

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
  // a server that changes faster than the reader reads is sent once, as it is then
  const changed = new Set(sight.servers().map((server) => server.id));
  const told = new Set<string>();
  const bell = createBell();
  const cancels = [
    events.onEvent(bell.ring),
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

  function nextEvents(): string | undefined {
    const fresh = events.eventsAfter(position, maxItems);
    const last = fresh.at(-1);
    if (last === undefined) return undefined;
    position = Number(last.id);
    const visible = sight.visible();
    const text = fresh
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
    },
  };
}
