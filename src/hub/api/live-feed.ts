/** The feed of a page that shows everything: first all servers, then each that changes, and every new event. */
import type { Events, Servers } from "./ports.ts";
import { serverJson } from "./server-view.ts";
import { type Feed, createBell, sseEvent } from "./sse.ts";

/** Servers or events of one piece of text. */
const maxItems = 100;

/** Servers as `server` events without id; agent events as `event` with the id to resume from. */
export function createLiveFeed(events: Events, servers: Servers, from: number): Feed {
  let position = Math.min(from, events.eventsHead());
  let ready = false;
  // a server that changes faster than the reader reads is sent once, as it is then
  const changed = new Set(servers.all().map((server) => server.id));
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
    for (const id of changed) {
      changed.delete(id);
      const server = servers.get(id);
      if (server !== undefined) text += sseEvent("server", serverJson(servers, server));
      if (++count >= maxItems) break;
    }
    return text;
  }

  return {
    next() {
      const text = nextServers();
      if (text !== "") return text;
      if (!ready) {
        ready = true;
        return sseEvent("ready", JSON.stringify({ position: String(position) }), String(position));
      }
      const fresh = events.eventsAfter(position, maxItems);
      const last = fresh.at(-1);
      if (last === undefined) return undefined;
      position = Number(last.id);
      return fresh.map((event) => sseEvent("event", JSON.stringify(event), event.id)).join("");
    },
    wait: bell.wait,
    close() {
      for (const cancel of cancels) cancel();
    },
  };
}
