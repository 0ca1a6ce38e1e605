/** How searches ask ClickHouse: columns as they come, ended when nobody wants them or their time is up. */
import type { Clickhouse, Settings } from "../client.ts";
import { logsTable, storedTable } from "../logs-tables.ts";
import type { NativeBlock } from "../native-read.ts";

/** A question that nobody limits ends after this long all the same, in milliseconds. */
const longestMs = 600_000;

/** What a server that ends a question itself is given besides, in milliseconds. */
const graceMs = 1000;

/** The time that a question was given is over. What it has answered until then counts for nothing. */
export class TimeUp extends Error {
  constructor() {
    super("the time for a question to ClickHouse is over");
    this.name = "TimeUp";
  }
}

export type Patience = {
  /** milliseconds; null: as long as it takes */
  readonly timeoutMs: number | null;
  readonly signal?: AbortSignal | undefined;
};

export type Counted<Row> = { readonly rows: Row[]; readonly whole: boolean };

export type Reading = {
  /** what is asked for entries */
  readonly table: string;
  /** what has the parts that figures are read from */
  readonly stored: string;
  readonly cluster: string | null;
  /** Throws `TimeUp`, or a Fault; or the reason of the signal that ended it. */
  blocks(select: string, patience: Patience): AsyncGenerator<NativeBlock, void>;
  rows<Row>(select: string, patience: Patience): Promise<Row[]>;
  /** What could be counted in time; `whole`: that is all. */
  rowsInTime<Row>(select: string, patience: Patience): Promise<Counted<Row>>;
};

/** What every search wants of the server, whatever it is set to. */
const settings: Settings = {
  // a scope can name thousands of servers
  max_query_size: "67108864",
  // numbers are compared as the hub compares them
  precise_float_parsing: 1,
  // sorting goes to the disk before it takes all memory
  max_bytes_before_external_sort: "536870912",
  // tables that change all the time have nothing that could be remembered
  use_query_cache: 0,
};

export function createReading(clickhouse: Pick<Clickhouse, "blocks" | "rows" | "cluster">): Reading {
  /** The signal of a question, and what ends its timer. */
  function limit({ timeoutMs, signal }: Patience) {
    const own = new AbortController();
    const ms = timeoutMs ?? longestMs;
    const timer = setTimeout(() => own.abort(new TimeUp()), ms);
    const both = signal === undefined ? own.signal : AbortSignal.any([signal, own.signal]);
    return { ask: { settings, signal: both, timeoutMs: ms + 1000 }, end: () => clearTimeout(timer) };
  }

  async function rows<Row>(select: string, patience: Patience, more: Settings = {}): Promise<Row[]> {
    const { ask, end } = limit(patience);
    try {
      return await clickhouse.rows<Row>(select, { ...ask, settings: { ...ask.settings, ...more } });
    } finally {
      end();
    }
  }

  return {
    table: logsTable,
    stored: storedTable(clickhouse),
    cluster: clickhouse.cluster,
    async *blocks(select, patience) {
      const { ask, end } = limit(patience);
      try {
        yield* clickhouse.blocks(select, ask);
      } finally {
        end();
      }
    },
    rows,
    async rowsInTime<Row>(select: string, { timeoutMs, signal }: Patience): Promise<Counted<Row>> {
      if (timeoutMs === null) return { rows: await rows<Row>(select, { timeoutMs, signal }), whole: true };
      const began = performance.now();
      const inTime: Settings = { max_execution_time: timeoutMs / 1000, timeout_overflow_mode: "break" };
      try {
        // it is the server that ends it, and gives what it has; it looks at its clock from time to time only
        const found = await rows<Row>(select, { timeoutMs: timeoutMs * 2 + graceMs, signal }, inTime);
        return { rows: found, whole: performance.now() - began < timeoutMs };
      } catch (error) {
        if (error instanceof TimeUp) return { rows: [], whole: false };
        throw error;
      }
    },
  };
}
