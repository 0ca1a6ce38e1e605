/** Servers and events as they are now, kept current by the live stream. */
import { useEffect, useState } from "preact/hooks";

import type { EventsPage, Server, StoredEvent } from "#src/protocol/api.ts";
import { type Connection, eachFrame, openStream } from "./stream.ts";

/** Events that the page keeps. */
const keptEvents = 200;

export type FleetView = {
  readonly connection: Connection;
  /** false until all servers have come once */
  readonly loaded: boolean;
  /** by hostname */
  readonly servers: readonly Server[];
  /** newest first */
  readonly events: readonly StoredEvent[];
  /** the hub's clock minus this browser's, in milliseconds */
  readonly skewMs: number;
};

const nothing: FleetView = { connection: "connecting", loaded: false, servers: [], events: [], skewMs: 0 };

export function useFleet(): FleetView {
  const [view, setView] = useState(nothing);
  useEffect(() => {
    const servers = new Map<string, Server>();
    // those that the present connection has told of
    const told = new Set<string>();
    const events = new Map<string, StoredEvent>();
    let connection: Connection = "connecting";
    let loaded = false;
    let skewMs = 0;

    const show = eachFrame(() =>
      setView({
        connection,
        loaded,
        servers: [...servers.values()].sort((a, b) => a.hostname.localeCompare(b.hostname)),
        events: [...events.values()]
          .sort((a, b) => Date.parse(b.event.at) - Date.parse(a.event.at))
          .slice(0, keptEvents),
        skewMs,
      }),
    );

    async function loadEvents(): Promise<void> {
      const response = await fetch(`/api/events?limit=${keptEvents}`);
      const page = (await response.json()) as EventsPage;
      for (const event of page.events) events.set(event.id, event);
      const hubTime = Date.parse(response.headers.get("date") ?? "");
      // the header has whole seconds
      if (!Number.isNaN(hubTime)) skewMs = Math.abs(hubTime - Date.now()) < 2000 ? 0 : hubTime - Date.now();
      show();
    }

    return openStream(
      () => "/api/live",
      {
        server: (data) => {
          const server = data as Server;
          servers.set(server.id, server);
          told.add(server.id);
          show();
        },
        gone: (data) => {
          servers.delete((data as { readonly id: string }).id);
          show();
        },
        event: (data) => {
          const event = data as StoredEvent;
          events.set(event.id, event);
          if (events.size > keptEvents * 2) events.delete(events.keys().next().value ?? "");
          show();
        },
        ready: () => {
          loaded = true;
          // what went while there was no connection
          for (const id of servers.keys()) if (!told.has(id)) servers.delete(id);
          show();
          // a failed load shows as fewer events; the next connection loads again
          loadEvents().catch(() => show());
        },
      },
      (state) => {
        connection = state;
        if (state === "live") told.clear();
        show();
      },
    );
  }, []);
  return view;
}

/** The time now by the hub's clock, again every second. */
export function useHubNow(skewMs: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now + skewMs;
}
