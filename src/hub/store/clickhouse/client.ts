/**
 * The connection to ClickHouse: its HTTP interface, by the official client where rows or nothing come back, by plain fetch
 * where whole columns go in or out. What fails becomes a Fault; none of them holds a password.
 */
import { ClickHouseLogLevel, type ClickHouseSettings, createClient } from "@clickhouse/client-web";

import type { Clock } from "#src/lib/clock.ts";
import { Fault } from "#src/protocol/fault.ts";
import { type Place, readPlace } from "./address.ts";
import { clickhouseFault, isAway } from "./faults.ts";
import { type NativeBlock, readNative } from "./native-read.ts";
import { type Insert, sendInsert } from "./send.ts";

export type { Insert } from "./send.ts";

/** How long an answer may take when nothing else is said. */
const usualTimeoutMs = 30_000;
/** For a server that is starting when the hub starts. */
const startMs = 30_000;
const retryMs = 250;
/** The limits are ours; the client's own must never come first. */
const noTimeoutMs = 2 ** 31 - 1;
/** LTS of August 2023: deduplication tokens, lightweight deletes and zstd bodies are all there. */
const oldest = [23, 8] as const;

export type Settings = ClickHouseSettings;

export type Ask = {
  /** for `{name: Type}` in the query */
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly settings?: Settings;
  readonly signal?: AbortSignal;
  /** until the whole answer is there; of `blocks`, until it begins */
  readonly timeoutMs?: number;
  /** of `blocks`, how long the next piece may take to come; left out: as long as it takes */
  readonly stallMs?: number;
};

export type Clickhouse = {
  /** with user and password: for whoever opens connections of its own, and for no message */
  readonly url: string;
  /** host and port, for messages */
  readonly address: string;
  readonly database: string;
  /** as the server says it, such as 24.8.4.13 */
  readonly version: string;
  /** null: a single server */
  readonly cluster: string | null;
  /** All rows of an answer; 64-bit integers are numbers. Rejects with a Fault. */
  rows<Row>(sql: string, ask?: Ask): Promise<Row[]>;
  /** What gives no rows: DDL, mutations. Rejects with a Fault. */
  run(sql: string, ask?: Ask): Promise<void>;
  /**
   * The answer as columns, block by block as it comes; `sql` is without FORMAT. Whoever stops early, or aborts `signal`,
   * ends the query. Rejects with a Fault, also half-way.
   */
  blocks(sql: string, ask?: Ask): AsyncGenerator<NativeBlock, void>;
  /**
   * The answer as it comes, in the format that is in the query's text; cancelling it ends the query. Rejects with a Fault;
   * what goes wrong after it has begun stands in the answer itself (see native-read.ts).
   */
  read(sql: string, ask?: Ask): Promise<ReadableStream<Uint8Array>>;
  /** Rejects with a Fault; then it may have been done all the same, and can be repeated with the same token. */
  insert(insert: Insert): Promise<void>;
  close(): Promise<void>;
};

export type ClickhouseWorld = {
  readonly clock: Clock;
  readonly log: { info(message: string): void };
  readonly cluster: string | null;
  /** for tests */
  readonly startMs?: number;
};

/**
 * Connects, waiting for a server that is starting, and makes its database when there is none.
 * @throws {Fault} `invalid`: the URL; `unavailable`: not reached in time; `denied`: wrong user or password; `failed`: too
 * old, or it may not be used
 */
export async function openClickhouse(url: string, world: ClickhouseWorld): Promise<Clickhouse> {
  const place = readPlace(url);
  const first = connect(place, "default");
  try {
    const version = await greet(first, place, world);
    refuseOld(version, place);
    const cluster = world.cluster === null ? "" : ` ON CLUSTER \`${world.cluster}\``;
    await first.run(`CREATE DATABASE IF NOT EXISTS \`${place.database}\`${cluster}`);
    return { ...connect(place, place.database), url, version, cluster: world.cluster };
  } finally {
    await first.close();
  }
}

type Connected = Omit<Clickhouse, "url" | "version" | "cluster">;

function connect(place: Place, database: string): Connected {
  const { origin, address, username, password } = place;
  const client = createClient({
    url: origin,
    username,
    password,
    database,
    request_timeout: noTimeoutMs,
    log: { level: ClickHouseLogLevel.OFF },
  });

  async function limited<T>(
    { signal, timeoutMs = usualTimeoutMs }: Ask,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    // one of its own: the client puts itself in the place of whoever listens to a signal
    const own = new AbortController();
    const timer = setTimeout(() => own.abort(), timeoutMs);
    const leave = (): void => own.abort();
    signal?.addEventListener("abort", leave);
    try {
      signal?.throwIfAborted();
      return await work(own.signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw clickhouseFault(own.signal.aborted ? new Error(`no answer within ${timeoutMs} ms`) : error, address);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", leave);
    }
  }

  const paramsOf = ({ parameters, settings }: Ask, extra: Settings, signal: AbortSignal) => ({
    ...(parameters === undefined ? {} : { query_params: { ...parameters } }),
    clickhouse_settings: { ...extra, ...settings },
    abort_signal: signal,
  });

  async function read(sql: string, ask: Ask = {}): Promise<ReadableStream<Uint8Array>> {
    const own = new AbortController();
    const leave = (): void => own.abort();
    const stop: Settings = { cancel_http_readonly_queries_on_client_close: 1, readonly: "2" };
    const answer = await limited(ask, async (late) => {
      late.addEventListener("abort", leave);
      return (await client.exec({ query: sql, ...paramsOf(ask, stop, own.signal) })).stream;
    });
    // from here on only whoever asked ends it
    if (ask.signal?.aborted === true) own.abort();
    ask.signal?.addEventListener("abort", leave);
    return answer as ReadableStream<Uint8Array>;
  }

  return {
    address,
    database,
    rows: async <Row>(sql: string, ask: Ask = {}) =>
      await limited(ask, async (signal) => {
        // whole, and not as it comes: then a failure half-way is no half answer
        const extra: Settings = { output_format_json_quote_64bit_integers: 0, wait_end_of_query: 1 };
        const query = { query: sql, format: "JSONEachRow" as const, ...paramsOf(ask, extra, signal) };
        return await (await client.query(query)).json<Row>();
      }),
    run: async (sql, ask = {}) => {
      await limited(ask, (signal) =>
        client.command({ query: sql, ...paramsOf(ask, { wait_end_of_query: 1 }, signal) }),
      );
    },
    async *blocks(sql, ask = {}) {
      try {
        yield* readNative(await read(`${sql} FORMAT Native`, ask), ask.stallMs);
      } catch (error) {
        ask.signal?.throwIfAborted();
        throw clickhouseFault(error, address);
      }
    },
    read,
    insert: (insert) => sendInsert(place, insert, usualTimeoutMs),
    close: () => client.close(),
  };
}

/** What the server says that it is. */
async function greet(client: Connected, { address }: Place, { clock, log, startMs: ms = startMs }: ClickhouseWorld) {
  const end = clock.monotonic() + ms;
  let told = false;
  for (;;) {
    try {
      const [row] = await client.rows<{ version: string }>("SELECT version() AS version", { timeoutMs: 5000 });
      return row?.version ?? "";
    } catch (error) {
      if (!isAway(error) || clock.monotonic() >= end) throw error;
      if (!told) log.info(`waiting for ClickHouse at ${address}`);
      told = true;
      await new Promise<void>((resolve) => clock.after(retryMs, resolve));
    }
  }
}

function refuseOld(version: string, { address }: Place): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return;
  throw new Fault("failed", `ClickHouse at ${address} is too old: ${version}`, {
    hint: `The hub needs ClickHouse ${oldest.join(".")} or newer`,
  });
}
