/** One server as it is now: asked for once, then followed over the live connection. */
import { useComputed } from "@preact/signals";

import type { Server } from "#src/protocol/api.ts";
import { address } from "../../client.ts";
import { loaded as allKnown, servers } from "../../live.ts";
import { type Loaded, useLoad } from "../../loading.ts";

/** As `useLoad`, and it stays fresh by itself. */
export function useServer(id: string): Loaded<Server> {
  const first = useLoad<Server>(address("/api/servers/:id", { id }));
  // the same object until this very server changes, so that a page of one is not drawn for the news of others
  const live = useComputed(() => servers.value.find((server) => server.id === id)).value;
  const known = useComputed(() => allKnown.value).value;
  const data = live ?? first.data;
  const deleted = known && live === undefined && first.data !== undefined;
  return {
    ...first,
    // only the answer about a single server says it
    data: data === undefined || first.data?.hasSsh === undefined ? data : { ...data, hasSsh: first.data.hasSsh },
    missing: first.missing || deleted,
  };
}

/** The latest figures, whichever way they came. */
export const reportOf = (server: Server): Server["polled"] | NonNullable<Server["latest"]> =>
  server.polled ?? server.latest ?? undefined;

/** How long before now, in milliseconds, the latest figures were taken by the clock of who took them. */
export const reportedAt = (server: Server): number => Date.parse(reportOf(server)?.at ?? "");
