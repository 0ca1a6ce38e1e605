/** Servers and events as they are now: one live connection that all pages share, from signing in to signing out. */
import { type ReadonlySignal, signal } from "@preact/signals";

import type { EventsPage, Server, StoredEvent } from "#src/protocol/api.ts";
import { type Connection, eachFrame, openStream } from "./stream.ts";

/** Events that the pages keep. */
const keptEvents = 200;

const [states, all, happened] = [signal<Connection>("connecting"), signal(false), signal<readonly StoredEvent[]>([])];
const known = signal<readonly Server[]>([]);
const skew = signal(0);
const clock = signal(Date.now());

export const connection: ReadonlySignal<Connection> = states;
/** False until all servers have come once. */
export const loaded: ReadonlySignal<boolean> = all;
/** By hostname. A server that has not changed is the same object as before. */
export const servers: ReadonlySignal<readonly Server[]> = known;
/** Newest first. */
export const events: ReadonlySignal<readonly StoredEvent[]> = happened;
/** The time now by the hub's clock, again every second. Milliseconds. */
export const now: ReadonlySignal<number> = clock;

const byName = new Intl.Collator("en", { numeric: true }).compare;

/** Follows the fleet. @returns ends it, and forgets what it knew: the next one may be somebody else */
export function startLive(): () => void {
  const current = new Map<string, Server>();
  // those that the present connection has told of
  const told = new Set<string>();
  const latest = new Map<string, StoredEvent>();
  let ended = false;

  const showServers = eachFrame(() => {
    if (ended) return;
    known.value = [...current.values()].sort((a, b) => byName(a.hostname, b.hostname) || (a.id < b.id ? -1 : 1));
  });
  const showEvents = eachFrame(() => {
    if (ended) return;
    happened.value = [...latest.values()]
      .sort((a, b) => Date.parse(b.event.at) - Date.parse(a.event.at))
      .slice(0, keptEvents);
  });

  async function loadEvents(): Promise<void> {
    const response = await fetch(`/api/events?limit=${keptEvents}`);
    if (!response.ok) return;
    const page = (await response.json()) as EventsPage;
    for (const event of page.events) latest.set(event.id, event);
    const hubTime = Date.parse(response.headers.get("date") ?? "");
    // the header has whole seconds
    if (!Number.isNaN(hubTime)) skew.value = Math.abs(hubTime - Date.now()) < 2000 ? 0 : hubTime - Date.now();
    showEvents();
  }

  const close = openStream(
    () => "/api/live",
    {
      server: (data) => {
        const server = data as Server;
        current.set(server.id, server);
        told.add(server.id);
        showServers();
      },
      gone: (data) => {
        current.delete((data as { readonly id: string }).id);
        showServers();
      },
      event: (data) => {
        const event = data as StoredEvent;
        latest.set(event.id, event);
        if (latest.size > keptEvents * 2) latest.delete(latest.keys().next().value ?? "");
        showEvents();
      },
      ready: () => {
        all.value = true;
        // what went while there was no connection
        for (const id of current.keys()) if (!told.has(id)) current.delete(id);
        showServers();
        // a failed load shows as fewer events; the next connection loads again
        loadEvents().catch(showEvents);
      },
    },
    (state) => {
      states.value = state;
      if (state === "live") told.clear();
    },
  );
  const timer = setInterval(() => {
    if (document.visibilityState !== "hidden") clock.value = Date.now() + skew.value;
  }, 1000);

  return () => {
    ended = true;
    clearInterval(timer);
    close();
    known.value = [];
    happened.value = [];
    all.value = false;
  };
}
