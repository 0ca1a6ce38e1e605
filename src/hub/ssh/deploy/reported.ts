/** Waiting for the first report of an agent that was just put on its host. */
import type { Clock } from "#src/lib/clock.ts";
import type { AgentTokens } from "./deploy.ts";
import { withdrawn } from "./unheard.ts";

export type Reports = {
  get(serverId: string): { readonly version: string | null; readonly lastSeenMs: number | null } | undefined;
  offeredToken(serverId: string): { readonly usedAtMs: number | null } | undefined;
  onChange(listener: (serverId: string) => void): () => void;
};

export function createReported(reports: Reports, clock: Pick<Clock, "after">): AgentTokens["reported"] {
  return async (serverId, { version, after, withinMs, signal }) => {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<AgentTokens["reported"]>>>();
    // that it was used at all since it was offered: clocks may jump
    const heard = (): string | null => {
      const server = reports.get(serverId);
      const used = (reports.offeredToken(serverId)?.usedAtMs ?? null) !== null;
      return used && server !== undefined && server.lastSeenMs !== after ? server.version : null;
    };
    const look = () => {
      if (reports.offeredToken(serverId) === undefined) reject(withdrawn());
      else if (heard() === version) resolve("in time");
    };
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort);
    const cancelTimer = clock.after(withinMs, () => resolve({ version: heard() }));
    const cancelListener = reports.onChange((id) => {
      if (id === serverId) look();
    });
    try {
      look();
      return await promise;
    } finally {
      cancelTimer();
      cancelListener();
      signal.removeEventListener("abort", abort);
    }
  };
}
