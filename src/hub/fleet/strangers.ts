/**
 * What heartbeats give away: a host that has another name than its server, and two agents that share one token (a
 * cloned disk, say). Kept in memory only: the next heartbeats tell it again.
 */

/** Two agents are spoken of until only one has reported for this long. */
const doubtMs = 5 * 60_000;
/** Starts of an agent that are remembered: as many agents on one token are told from one that restarts. */
const maxStarts = 8;

/** What is known of the agents of one server. */
type Reports = {
  hostname: string;
  /** when the agents were started that have reported lately, the last one to report at the end */
  starts: string[];
  /** when an earlier agent spoke again after another one had */
  doubledAtMs: number | null;
};

export type Strangers = {
  /** Takes in a heartbeat. */
  readonly note: (id: string, hostname: string, startedAt: string) => void;
  /** The name under which the server's agent last reported. */
  readonly hostname: (id: string) => string | undefined;
  readonly doubled: (id: string) => boolean;
  /** What was noted was of other agents. */
  readonly forget: (id: string) => void;
  /** Servers that were doubled until now. */
  readonly settled: () => readonly string[];
};

export function createStrangers(now: () => number): Strangers {
  const all = new Map<string, Reports>();
  const doubted = new Set<string>();

  const isDoubled = ({ doubledAtMs }: Reports) => doubledAtMs !== null && now() - doubledAtMs <= doubtMs;

  return {
    note(id, hostname, startedAt) {
      const reports = all.get(id);
      if (reports === undefined) {
        all.set(id, { hostname, starts: [startedAt], doubledAtMs: null });
        return;
      }
      reports.hostname = hostname;
      const { starts } = reports;
      if (starts.at(-1) === startedAt) return;
      const before = starts.indexOf(startedAt);
      if (before !== -1) {
        // started earlier than the one that spoke last, and not gone: they take turns
        reports.doubledAtMs = now();
        doubted.add(id);
        starts.splice(before, 1);
      } else if (starts.length >= maxStarts) starts.shift();
      starts.push(startedAt);
    },
    hostname: (id) => all.get(id)?.hostname,
    doubled(id) {
      const reports = all.get(id);
      return reports !== undefined && isDoubled(reports);
    },
    forget(id) {
      all.delete(id);
      doubted.delete(id);
    },
    settled() {
      const over: string[] = [];
      for (const id of doubted) {
        const reports = all.get(id);
        if (reports !== undefined && isDoubled(reports)) continue;
        doubted.delete(id);
        over.push(id);
      }
      return over;
    },
  };
}
