/** How much is stored, and whether it is sound. */
import type { Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { BlockStore, Checked } from "../log-port.ts";
import { isAway } from "./faults.ts";
import { storedTable } from "./logs-tables.ts";
import { type Client, dayMs, readDays } from "./retention-days.ts";
import { quote } from "./search/sql.ts";

/** How long figures are good, in milliseconds. */
const freshMs = 5000;
/** A day's parts are read from end to end. */
const checkMs = 6 * 3_600_000;

type Sizes = ReturnType<BlockStore["sizes"]>;

/** Figures as they were a few seconds ago: whoever asks does not wait for ClickHouse. */
export function createSizes(
  client: Client,
  clock: Pick<Clock, "monotonic">,
  warn: (error: unknown) => void,
): () => Sizes {
  let known: Sizes = { lines: 0, bytes: 0, blocks: 0 };
  let readAt = -Infinity;

  async function read(): Promise<void> {
    const days = await readDays(client);
    const sum = (of: (day: (typeof days)[number]) => number) => days.reduce((all, day) => all + of(day), 0);
    known = { lines: sum(({ rows }) => rows), bytes: sum((day) => day.bytes), blocks: sum(({ parts }) => parts) };
  }

  function refresh(): void {
    if (clock.monotonic() - readAt < freshMs) return;
    readAt = clock.monotonic();
    // while ClickHouse is away, others say so
    keep(read(), (error) => isAway(error) || warn(error));
  }

  refresh();
  return () => {
    refresh();
    return known;
  };
}

/** What there is to check. */
export async function countParts(client: Client): Promise<{ readonly parts: number; readonly bytes: number }> {
  const days = await readDays(client);
  return {
    parts: days.reduce((sum, day) => sum + day.parts, 0),
    bytes: days.reduce((sum, day) => sum + day.bytes, 0),
  };
}

/** Of each part that the server has (on a cluster: the one that is asked), by its checksums. */
export async function* checkParts(client: Client): AsyncGenerator<Checked, void, void> {
  const table = storedTable(client);
  for (const { day, beginMs } of await readDays(client)) {
    const parts = await client.rows<{ name: string; rows: number }>(
      `SELECT name, toFloat64(rows) AS rows FROM system.parts WHERE active AND database = ${quote(client.database)} AND table = ${quote(table)} AND partition_id = ${quote(day)}`,
    );
    const rows = new Map(parts.map((part) => [part.name, part.rows]));
    const checked = await client.rows<{ part_path: string; is_passed: number; message: string }>(
      `CHECK TABLE ${table} PARTITION ID ${quote(day)}`,
      { timeoutMs: checkMs, settings: { check_query_single_value_result: 0 } },
    );
    for (const { part_path: name, is_passed: passed, message } of checked) {
      yield {
        block: `part ${name}`,
        problem: passed === 1 ? null : message === "" ? "its checksums are others" : message,
        lines: rows.get(name) ?? 0,
        firstMs: beginMs,
        lastMs: beginMs + dayMs - 1,
        serverId: "",
        sources: [],
      };
    }
  }
}

/** Rejects with a Fault: that is ClickHouse's own. */
export function repairNothing(): Promise<never> {
  return Promise.reject(
    new Fault("conflict", "the logs are in ClickHouse, which repairs itself", {
      hint: "Replicas fetch damaged parts from each other. What a single server has put aside is listed in its table system.detached_parts",
    }),
  );
}
