/**
 * Who follows the log hears of entries of all hubs in the order of their positions, and of each once. It goes up to the safe
 * head: below it no insert is on its way any more, so nothing can appear behind a follower's back. What this hub has stored
 * itself comes from memory, the rest from ClickHouse.
 */
import type { Cancel, Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { createSeldom } from "#src/lib/seldom.ts";
import { releaseColumns } from "#src/protocol/columns/release.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { Arrived } from "#src/protocol/log-columns.ts";
import { sliceColumns } from "#src/protocol/columns/stretch.ts";
import { rawBytesOf } from "../chunk.ts";
import type { Cluster } from "../cluster/port.ts";
import { createListeners } from "../listeners.ts";
import type { Wanted } from "../log-port.ts";
import { readArrivals } from "./arrivals-reading.ts";
import type { Clickhouse } from "./client.ts";
import { lastStored } from "./extent.ts";
import type { Ledger, PendingInsert } from "./ledger.ts";

/** How often the ledger is asked when nobody says that there is something new. */
const lookEveryMs = 500;
/** However many hubs say so at once, it is asked no more often than this, with and without anybody who follows. */
const leastPauseMs = { followed: 40, alone: 200 } as const;
/** Own entries that wait for others before them; what does not fit is read again. */
const mostKeptBytes = 32 * 1024 * 1024;
/** Trouble that stays is said again only after this long. */
const sayEveryMs = 60_000;
/** Who follows is given no more entries at once. */
const entriesAtOnce = 16_384;
/** A replica that lags behind is waited for, so often and so long. */
const lagRetryMs = 200;
const longestLagMs = 15_000;

/** More servers than this are not asked for by name. */
const mostServers = 1000;

const everything: Wanted = { servers: () => null, passed: () => undefined };

const putBack =
  "it was put back to an earlier time. New entries go on behind those; what senders repeat of that time is stored again";

export type ArrivalsWorld = {
  readonly client: Pick<Clickhouse, "blocks" | "rows" | "cluster">;
  readonly ledger: Pick<Ledger, "look" | "holes" | "raise">;
  readonly cluster: Pick<Cluster, "onSignal">;
  readonly clock: Clock;
  readonly log: { warn(message: string): void };
  /** Hears of the inserts that are on their way, if any. Never rejects. */
  readonly settle: (pending: readonly PendingInsert[]) => Promise<unknown>;
};

export type Arrivals = {
  /** Begins to follow; rejects when the ledger can't be read. */
  readonly start: () => Promise<void>;
  /** The safe head, as last seen. */
  readonly head: () => number;
  /** The highest position that is given, whether its entry is stored or not. */
  readonly given: () => number;
  /** What this hub has stored; it is given back when all have heard of it. */
  readonly add: (arrived: readonly Arrived[]) => void;
  /** Something may be new. */
  readonly look: () => void;
  /** Asks the ledger; the head is as it is now, or later, when this resolves. Rejects when it can't be asked. */
  readonly refresh: () => Promise<number>;
  /** Inserts whose entries were not known to be stored when the ledger was asked last, and for how long. */
  readonly pending: () => { readonly inserts: number; readonly oldestMs: number | null };
  readonly onArrival: (listener: (arrived: Arrived) => void, wanted?: Wanted) => Cancel;
  readonly arrivalsAfter: (
    position: number,
    upTo: number,
    servers?: ReadonlySet<string> | null,
  ) => AsyncIterable<Arrived>;
  readonly close: () => Promise<void>;
};

export function createArrivals(world: ArrivalsWorld): Arrivals {
  const { client, ledger, cluster, clock, log, settle } = world;
  const seldom = createSeldom(clock, sayEveryMs);
  const failed = (error: unknown): void => {
    if (!ended.signal.aborted && seldom("failed"))
      log.warn(`following the log failed, and goes on: ${reasonOf(error)}`);
  };
  const listeners = createListeners<[Arrived]>(failed);
  const ended = new AbortController();
  /** own entries by their first position, oldest first */
  const own = new Map<number, Arrived>();
  let ownBytes = 0;
  /** what each listener wants */
  const listening = new Set<Wanted>();
  let head = 0;
  let given = 0;
  /** up to where listeners have heard */
  let told = 0;
  /** inserts on their way, and since when each was seen */
  let waiting: ReadonlyMap<string, number> = new Map();
  let again = false;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | undefined;
  let cancelTimer: Cancel | undefined;
  let cancelSignal: Cancel | undefined;
  /** heads as they were seen over the last seconds: what is above the oldest is recent */
  let seen: { readonly atMs: number; readonly head: number }[] = [];

  async function ask(): Promise<readonly PendingInsert[]> {
    const { head: newest, pending } = await ledger.look();
    if (newest < given && (await ledger.raise(given))) {
      log.warn(`the database knows of ${newest} positions of log entries, but ${given} were given: ${putBack}`);
      return await ask();
    }
    given = Math.max(given, newest);
    const first = pending.reduce((least, { firstPosition }) => Math.min(least, firstPosition), Infinity);
    head = Math.max(head, Math.min(newest, first - 1));
    const now = clock.monotonic();
    waiting = new Map(pending.map(({ id }) => [id, waiting.get(id) ?? now]));
    return pending;
  }

  async function lookOnce(): Promise<void> {
    const pending = await ask();
    const now = clock.monotonic();
    seen = [...seen.filter(({ atMs }) => atMs > now - longestLagMs), { atMs: now, head }];
    const [toldAll] = await Promise.allSettled([tellUpTo(head), settle(pending)]);
    if (toldAll.status === "rejected") throw toldAll.reason;
  }

  /** Looks until nobody has asked again meanwhile. */
  async function run(): Promise<void> {
    try {
      while (again && !ended.signal.aborted) {
        const pauseMs = listening.size > 0 ? leastPauseMs.followed : leastPauseMs.alone;
        const earlyMs = lookedAt + pauseMs - clock.monotonic();
        if (earlyMs > 0) await new Promise<void>((resolve) => clock.after(earlyMs, resolve));
        again = false;
        lookedAt = clock.monotonic();
        await lookOnce();
      }
    } catch (error) {
      failed(error);
    } finally {
      running = undefined;
      if (!ended.signal.aborted) cancelTimer = clock.after(lookEveryMs, look);
    }
  }

  function look(): void {
    again = true;
    if (running !== undefined || ended.signal.aborted) return;
    cancelTimer?.();
    running = run();
    keep(running, failed);
  }

  async function tellUpTo(safe: number): Promise<void> {
    while (told < safe) {
      const mine = own.get(told + 1);
      if (mine !== undefined) {
        tell(mine);
        forget(mine);
        continue;
      }
      // keys are in the order of positions, and what is behind is forgotten
      const [next = Infinity] = own.keys();
      const end = Math.min(safe, next - 1);
      if (listening.size > 0) for await (const arrived of arrivalsAfter(told, end, wantedServers())) tell(arrived);
      told = Math.max(told, end);
      for (const { passed } of listening) passed(told);
    }
  }

  /** null: all. */
  function wantedServers(): ReadonlySet<string> | null {
    // what is missing on a replica is noticed by its positions, which are all known only when all are read
    if (client.cluster !== null) return null;
    const all = new Set<string>();
    for (const { servers } of listening) {
      const own = servers();
      if (own === null) return null;
      for (const server of own) all.add(server);
    }
    return all.size > mostServers ? null : all;
  }

  function tell(arrived: Arrived): void {
    told = Math.max(told, arrived.firstPosition + arrived.columns.count - 1);
    listeners.tell(arrived);
  }

  function forget(arrived: Arrived): void {
    own.delete(arrived.firstPosition);
    ownBytes -= rawBytesOf(arrived.columns);
    releaseColumns(arrived.columns);
  }

  /** Entries in order; on a cluster, none is passed over that a replica does not have yet. */
  async function* arrivalsAfter(
    position: number,
    upTo: number,
    servers: ReadonlySet<string> | null = null,
  ): AsyncGenerator<Arrived, void> {
    if (client.cluster === null) {
      yield* readArrivals(client, position, upTo, ended.signal, servers);
      return;
    }
    let at = position;
    let waitedMs = 0;
    for (;;) {
      let isMissing = false;
      for await (const arrived of readArrivals(client, at, upTo, ended.signal)) {
        if (waitedMs < longestLagMs) {
          isMissing = await misses(at, arrived.firstPosition - 1);
          if (isMissing) break;
        }
        yield arrived;
        at = arrived.firstPosition + arrived.columns.count - 1;
        waitedMs = 0;
      }
      if (waitedMs >= longestLagMs) return;
      if (!isMissing && !(await misses(at, upTo))) return;
      waitedMs += lagRetryMs;
      await new Promise<void>((resolve) => clock.after(lagRetryMs, resolve));
    }
  }

  /** Whether entries between two positions ought to be there, as new as they are. */
  async function misses(after: number, upTo: number): Promise<boolean> {
    const from = Math.max(after, seen[0]?.head ?? 0);
    return upTo > from && (await ledger.holes(from, upTo)) < upTo - from;
  }

  return {
    async start() {
      await ask();
      given = Math.max(given, await lastStored(client, given));
      // what is stored, somebody gave a position
      await ask();
      told = head;
      cancelSignal = cluster.onSignal("logs", look);
      look();
    },
    head: () => head,
    given: () => given,
    add(arrived) {
      for (const one of arrived.flatMap(inPieces)) {
        const bytes = rawBytesOf(one.columns);
        const isWanted = listening.size > 0 && one.firstPosition > told && ownBytes + bytes <= mostKeptBytes;
        if (isWanted) {
          own.set(one.firstPosition, one);
          ownBytes += bytes;
        } else releaseColumns(one.columns);
      }
      look();
    },
    look,
    async refresh() {
      await ask();
      look();
      return head;
    },
    pending() {
      const [oldest] = [...waiting.values()].sort((a, b) => a - b);
      return { inserts: waiting.size, oldestMs: oldest === undefined ? null : clock.monotonic() - oldest };
    },
    onArrival(listener, wanted = everything) {
      const cancel = listeners.add(listener);
      const own = { ...wanted };
      listening.add(own);
      return () => {
        cancel();
        listening.delete(own);
      };
    },
    arrivalsAfter,
    async close() {
      ended.abort();
      cancelTimer?.();
      cancelSignal?.();
      await running;
      own.clear();
    },
  };
}

function inPieces(arrived: Arrived): readonly Arrived[] {
  const { serverId, firstPosition, columns } = arrived;
  if (columns.count <= entriesAtOnce) return [arrived];
  return Array.from({ length: Math.ceil(columns.count / entriesAtOnce) }, (_, i) => {
    const from = i * entriesAtOnce;
    const own = sliceColumns(columns, from, Math.min(from + entriesAtOnce, columns.count));
    return { serverId, firstPosition: firstPosition + from, columns: own };
  });
}
