/**
 * What the ways in for applications share: the bound on memory, the rate of each source, the numbers of its entries, and
 * the store.
 */
import { createColumnBuilder } from "#src/protocol/columns/builder.ts";
import type { Admission } from "./admission.ts";
import { readDelivery } from "../body.ts";
import type { SourceCaller } from "../caller.ts";
import type { Appended, Logs } from "../ports.ts";
import { HttpFault } from "../problem.ts";
import type { RateLimiter } from "./rate.ts";
import type { SourceEntry } from "./source-log-entry.ts";

/** Sources whose last number is kept in memory; of others the store is asked. */
const maxNumbered = 100_000;

export type IntakeWorld = {
  readonly logs: Pick<Logs, "append" | "lastSeq">;
  readonly admission: Admission;
  readonly rate: RateLimiter;
  /** wall time, milliseconds */
  readonly now: () => number;
};

/** A delivery of a source. */
export type Delivered = {
  /** entries in all */
  readonly count: number;
  /** a large one comes in parts, each stored by itself; the same ones whenever it is delivered again */
  readonly parts: () => Iterable<readonly SourceEntry[]>;
  /** size as JSON */
  readonly bytes: number;
  readonly batchId: string | null;
  readonly sweep: () => Promise<void>;
};

/** Parts of a large body, 16 MiB, after which it is worth the time to sweep. */
const partsBetweenSweeps = 8;

/** What is made of a body in between, so that the body itself need not be kept until it is stored. */
export type Steps<Read> = {
  readonly read: (plain: Uint8Array) => Read;
  /** `sweep` gives back what earlier parts of a large body have left */
  readonly store: (read: Read, sweep: () => Promise<void>) => Promise<Response>;
};

export type Intake = {
  /** The body of a request, inflated, while there is room for it and its source owes nothing; else 429 or 503. */
  receive<Read>(request: Request, source: SourceCaller, steps: Steps<Read>): Promise<Response>;
  /** Stores entries; durable when it resolves. Rejects with HttpFault 429 when the source has meanwhile had its share. */
  store(source: SourceCaller, delivered: Delivered): Promise<Appended>;
  now(): number;
};

export function createIntake({ logs, admission, rate, now }: IntakeWorld): Intake {
  const last = new Map<string, number>();

  /** The first of `count` new numbers. Like an agent's they begin at the time in microseconds, and none comes twice. */
  function number(sourceId: string, count: number): number {
    const first = Math.max(Math.floor(now() * 1000), (last.get(sourceId) ?? logs.lastSeq(sourceId)) + 1);
    // the newest stands last, so that the one forgotten is the one that rested longest
    last.delete(sourceId);
    last.set(sourceId, first + count - 1);
    const [oldest] = last.keys();
    if (last.size > maxNumbered && oldest !== undefined) last.delete(oldest);
    return first;
  }

  function refuseFast({ sourceId, name }: SourceCaller): void {
    const seconds = rate.waitSeconds(sourceId, name);
    if (seconds === 0) return;
    throw new HttpFault(429, `this source logs faster than it may; try again in ${seconds} s`, {
      "retry-after": String(seconds),
    });
  }

  async function append(
    source: SourceCaller,
    entries: readonly SourceEntry[],
    batchId: string | null,
    bytes: number,
  ): Promise<Appended> {
    let seq = number(source.sourceId, entries.length);
    const builder = createColumnBuilder();
    for (const { at, ...entry } of entries) {
      builder.add({ seq: seq++, at, ...entry, source: source.name, stream: "http" }, Date.parse(at));
    }
    return await logs.append({ serverId: source.sourceId, batchId, columns: builder.columns(), zstd: null, bytes });
  }

  return {
    now,
    async receive(request, source, { read, store }) {
      refuseFast(source);
      return await admission.admit(request, source.sourceId, async (room) => {
        const found = await readDelivery(request, room).then(({ plain }) => read(plain));
        await room.sweep();
        return await store(found, room.sweep);
      });
    },
    async store(source, { count, parts, bytes, batchId, sweep }) {
      const answer = { accepted: 0, duplicates: 0 };
      if (count === 0) return answer;
      // many requests may have come at once, before any of them was counted
      refuseFast(source);
      rate.charge(source.sourceId, count, bytes);
      let done = 0;
      let part = 0;
      for (const entries of parts()) {
        if (++part % partsBetweenSweeps === 0) await sweep();
        const name = batchId === null || done === 0 ? batchId : `${batchId} from ${done}`;
        const { accepted, duplicates } = await append(source, entries, name, (bytes * entries.length) / count);
        answer.accepted += accepted;
        answer.duplicates += duplicates;
        done += entries.length;
      }
      return answer;
    },
  };
}
