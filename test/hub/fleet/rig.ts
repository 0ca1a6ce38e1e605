/** A fleet over a store in memory that can be made to fail, on a clock that a test moves. */
import { createToken, matchesToken } from "#src/hub/auth/token.ts";
import { createFleet } from "#src/hub/fleet/fleet.ts";
import type { FleetStore, ServerRecord } from "#src/hub/fleet/port.ts";
import { createTestClock } from "#test/kit/clock.ts";

export const beat = {
  version: "1.0.0",
  heartbeat: "{}",
  hostname: "web-1",
  startedAt: "2026-01-01T00:00:00.000Z",
};

export function fleetOn(
  records: readonly ServerRecord[] = [],
  pending = new Map<string, Uint8Array>(),
  silences = new Map<string, string>(),
) {
  const clock = createTestClock();
  const failing = { beats: false, puts: false };
  const disk = new Map(records.map((record) => [record.id, record]));
  const beats: ServerRecord[][] = [];
  const warnings: string[] = [];
  const store: FleetStore = {
    servers: async (ids) => [...disk.values()].filter(({ id }) => ids?.includes(id) !== false),
    async putServer(record) {
      if (failing.puts) throw new Error("disk full");
      disk.set(record.id, record);
    },
    async changeServer(id, _known, change) {
      if (failing.puts) throw new Error("disk full");
      const row = disk.get(id);
      if (row === undefined) return false;
      disk.set(id, { ...row, ...change });
      return true;
    },
    async deleteServer(id) {
      if (failing.puts) throw new Error("disk full");
      disk.delete(id);
    },
    async putBeats(rows) {
      if (failing.beats) throw new Error("disk full");
      beats.push(rows.map((row) => ({ ...row })));
    },
    watches: async () => [],
    putWatches: async () => undefined,
    pendingTokens: async () => [...pending].map(([serverId, digest]) => ({ serverId, digest })),
    async putPendingToken(serverId, digest) {
      if (failing.puts) throw new Error("disk full");
      if (digest === null) pending.delete(serverId);
      else pending.set(serverId, digest);
    },
  };
  const fleet = createFleet({
    store,
    tokens: { create: () => createToken("agent"), matches: matchesToken },
    clock,
    warn: (message) => void warnings.push(message),
    silences: async () => silences,
  });
  const register = (hostname: string, rest: Partial<Parameters<typeof fleet.register>[0]> = {}) =>
    fleet.register({ projectId: "p1", hostname, ...rest });
  const codes = (server: ServerRecord) => fleet.notices(server).map((notice) => notice.code);
  return { clock, disk, pending, beats, warnings, failing, fleet, register, codes };
}
