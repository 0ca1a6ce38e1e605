/** Servers by what people call them. */
import { type Server, server as serverSchema, serversPage } from "#src/protocol/api.ts";

import { CliFault, exitCodes } from "../exit.ts";
import { nearest } from "../nearest.ts";
import type { HubClient } from "./client.ts";
import { HubRefusal } from "./refusal.ts";

/** Servers of one answer. */
const pageSize = "1000";

/** All servers, or those of a project (id or name), by hostname. */
export async function listServers(hub: HubClient, project?: string): Promise<readonly Server[]> {
  const all: Server[] = [];
  let cursor: string | undefined;
  do {
    const query = { limit: pageSize, cursor, project };
    const page = await hub.ask({ path: "/api/servers", query }, serversPage);
    all.push(...page.servers);
    cursor = page.cursor ?? undefined;
  } while (cursor !== undefined);
  return all;
}

/**
 * The server of this id, hostname, or unique beginning of an id.
 * @throws {CliFault} there is none, or several are meant, naming them
 */
export async function findServer(hub: HubClient, name: string): Promise<Server> {
  if (/^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/.test(name)) {
    try {
      return await hub.ask({ path: `/api/servers/${name}` }, serverSchema);
    } catch (error) {
      // a host may have such a name
      if (!(error instanceof HubRefusal) || error.status !== 404) throw error;
    }
  }
  const all = await listServers(hub);
  const named = all.filter(({ hostname }) => hostname === name);
  const meant = named.length > 0 ? named : all.filter(({ id }) => name !== "" && id.startsWith(name));
  const [found] = meant;
  if (found !== undefined && meant.length === 1) return found;
  if (found === undefined) {
    const guess = nearest(
      name,
      all.map(({ hostname }) => hostname),
    );
    throw new CliFault(
      exitCodes.failed,
      "not-found",
      `there is no server "${name}"`,
      `${guess === undefined ? "" : `Did you mean ${guess}? `}See orion server list`,
    );
  }
  const some = meant.slice(0, 5).map(({ id, hostname }) => `${id} (${hostname})`);
  const more = meant.length > some.length ? ` and ${meant.length - some.length} more` : "";
  throw new CliFault(
    exitCodes.failed,
    "conflict",
    `"${name}" is ${meant.length} servers: ${some.join(", ")}${more}`,
    "Name the one that is meant by its id",
  );
}
