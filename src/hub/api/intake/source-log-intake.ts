/**
 * What the ways in for applications share: the bound on memory, the rate of each source, the numbers of its entries, and
 * the store.
 */
import type { LogEntry } from "#src/protocol/log.ts";
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
  readonly entries: readonly SourceEntry[];
  /** size as JSON */
  readonly bytes: number;
  readonly batchId: string | null;
};

export type Intake = {
  /** The body of a request, inflated, while there is room for it and its source owes nothing; else 429 or 503. */
  receive(request: Request, source: SourceCaller, work: (plain: Uint8Array) => Promise<Response>): Promise<Response>;
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

  return {
    now,
    async receive(request, source, work) {
      refuseFast(source);
      return await admission.admit(request, source.sourceId, async (grow) => {
        const { plain } = await readDelivery(request, grow);
        return await work(plain);
      });
    },
    async store(source, { entries, bytes, batchId }) {
      if (entries.length === 0) return { accepted: 0, duplicates: 0 };
      // many requests may have come at once, before any of them was counted
      refuseFast(source);
      rate.charge(source.sourceId, entries.length, bytes);
      const first = number(source.sourceId, entries.length);
      const numbered = entries.map((entry, i): LogEntry => ({
        seq: first + i,
        ...entry,
        source: source.name,
        stream: "http",
      }));
      return await logs.append({
        serverId: source.sourceId,
        batchId,
        entries: numbered,
        times: Float64Array.from(numbered, ({ at }) => Date.parse(at)),
        ndjson: null,
        zstd: null,
      });
    },
  };
}
