/** Waiting for the first report of an agent that was just put on its host. */
import type { Clock } from "#src/lib/clock.ts";
import type { AgentTokens } from "./deploy.ts";

export type Reports = {
  get(serverId: string): { readonly version: string | null; readonly lastSeenMs: number | null } | undefined;
  offeredToken(serverId: string): { readonly usedAtMs: number | null } | undefined;
  onChange(listener: (serverId: string) => void): () => void;
};

export function createReported(reports: Reports, clock: Pick<Clock, "after">): AgentTokens["reported"] {
  return async (serverId, { version, sinceMs, withinMs, signal }) => {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<AgentTokens["reported"]>>>();
    const heard = (): string | null => {
      const server = reports.get(serverId);
      const used = reports.offeredToken(serverId)?.usedAtMs ?? 0;
      // the agent before may have reported in the same moment: it has another token
      return used >= sinceMs && (server?.lastSeenMs ?? 0) >= sinceMs ? (server?.version ?? null) : null;
    };
    const look = () => {
      if (heard() === version) resolve("in time");
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
