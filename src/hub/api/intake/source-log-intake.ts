/**
 * What the ways in for applications share: the bound on memory, the rate of each source, and the store.
 */
import { createColumnBuilder } from "#src/protocol/columns/builder.ts";
import type { Admission } from "./admission.ts";
import { readDelivery } from "../body.ts";
import type { SourceCaller } from "../caller.ts";
import type { Appended, Logs } from "../ports.ts";
import { HttpFault } from "../problem.ts";
import type { RateLimiter } from "./rate.ts";
import type { SourceEntry } from "./source-log-entry.ts";

export type IntakeWorld = {
  readonly logs: Pick<Logs, "append">;
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
    const builder = createColumnBuilder();
    for (const { at, ...entry } of entries) {
      builder.add({ seq: 0, at, ...entry, source: source.name, stream: "http" }, Date.parse(at));
    }
    // like an agent's the numbers begin at the time in microseconds; several hubs may have deliveries of one source at once
    const numberFrom = Math.floor(now() * 1000);
    const columns = builder.columns();
    return await logs.append({ serverId: source.sourceId, batchId, columns, zstd: null, bytes, numberFrom });
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
