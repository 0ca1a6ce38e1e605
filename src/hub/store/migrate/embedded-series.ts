/** `metrics.db` as a migration sees it: blocks by their number, beside the hub that works on it; and what is in none yet. */
import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { join } from "node:path";

import type { Tier } from "#src/protocol/series.ts";
import { readColumns, readRolled } from "../series/block.ts";
import { type Column, type Rolled, mergeColumns, mergeRolled } from "../series/column.ts";
import { replay } from "../series/journal.ts";
import { createLanes } from "../series/lanes.ts";

/** Blocks that are read at once. */
const pageBlocks = 50;

/** What is in a block, or in none yet. */
export type SeriesPiece = {
  /** of the block; what is in none has the greatest */
  readonly id: number;
  readonly origin: string;
  readonly tier: Tier;
  /** of tier 0 */
  readonly columns: readonly Column[];
  /** of the others */
  readonly rolled: readonly Rolled[];
};

export type EmbeddedSeries = {
  /** The newest block. */
  head(): number;
  /** Blocks after one, in the order in which they were written: of equal stretches the later one counts. */
  after(id: number): Generator<SeriesPiece>;
  /** What is in no block yet; all of it only when no hub works on the file. */
  open(): Generator<SeriesPiece>;
  /** All blocks of an origin and tier that reach beyond a second, put together. */
  whole(origin: string, tier: 0, sinceS: number): readonly Column[];
  whole(origin: string, tier: 300 | 3600, sinceS: number): readonly Rolled[];
  /** The first second that any block after one has something of, in a tier; Infinity: there is none. */
  changedSince(id: number, tier: Tier): number;
  /** Everything is read as it is now, until `release`: a hub that works on the file goes on. */
  hold(): void;
  release(): void;
  origins(): readonly string[];
  /** Hours of origins, in seconds since the epoch, that are not rolled up, or not with all there is now. */
  openHours(): ReadonlySet<string>;
  close(): void;
};

export const hourKey = (origin: string, hourS: number): string => `${hourS} ${origin}`;

export function readHourKey(key: string): { readonly hour: number; readonly origin: string } {
  const space = key.indexOf(" ");
  return { hour: Number(key.slice(0, space)), origin: key.slice(space + 1) };
}

type Row = { readonly id: number; readonly name: string; readonly tier: Tier; readonly body: Uint8Array };

/** Opens `metrics.db` below `folder`; null: there is none. `onDamage` hears of what can't be read, which is left out. */
export function openEmbeddedSeries(folder: string, onDamage: (error: unknown) => void): EmbeddedSeries | null {
  const file = join(folder, "metrics.db");
  if (!existsSync(file)) return null;
  const database = new Database(file, { readonly: true, strict: true });
  database.run("PRAGMA busy_timeout = 5000");
  const columns = "blocks.id, origins.name, tier, body FROM blocks JOIN origins ON origins.id = origin";
  const page = database.prepare<Row, [number, number]>(
    `SELECT ${columns} WHERE blocks.id > ? ORDER BY blocks.id LIMIT ?`,
  );
  const ofOrigin = database.prepare<Row, [string, number, number]>(
    `SELECT ${columns} WHERE origins.name = ? AND tier = ? AND last_s >= ? ORDER BY blocks.id`,
  );
  const changed = database.prepare<{ first: number | null }, [number, number]>(
    "SELECT min(first_s) AS first FROM blocks WHERE id > ? AND tier = ?",
  );

  function pieceOf({ id, name: origin, tier, body }: Row): SeriesPiece | undefined {
    try {
      return tier === 0
        ? { id, origin, tier, columns: readColumns(body), rolled: [] }
        : { id, origin, tier, columns: [], rolled: readRolled(body) };
    } catch (error) {
      onDamage(error);
      return undefined;
    }
  }

  function* open(): Generator<SeriesPiece> {
    const names = new Map(
      database
        .query<{ id: number; name: string }, []>("SELECT id, name FROM origins")
        .all()
        .map(({ id, name }) => [id, name]),
    );
    const lanes = createLanes();
    const rows = database.query<{ id: number; body: Uint8Array }, []>("SELECT id, body FROM journal ORDER BY id").all();
    const { damaged } = replay(rows, lanes, 0, (origin) => names.has(origin));
    if (damaged > 0) onDamage(new Error(`${damaged} rows of the journal of metrics.db are damaged`));
    for (let lane = lanes.oldest(); lane !== undefined; lane = lanes.oldest()) {
      const merged = mergeColumns(lane.segments.map((segment) => segment.columns()));
      const origin = names.get(lane.origin) ?? "";
      yield { id: Number.MAX_SAFE_INTEGER, origin, tier: 0, columns: [...merged.values()], rolled: [] };
      lanes.drop(lane.origin);
    }
  }

  function whole(origin: string, tier: Tier, sinceS: number): readonly Column[] | readonly Rolled[] {
    const pieces = ofOrigin.all(origin, tier, sinceS).flatMap((row) => pieceOf(row) ?? []);
    if (tier !== 0) return [...mergeRolled(pieces.map(({ rolled }) => rolled)).values()];
    return [...mergeColumns(pieces.map((piece) => piece.columns)).values()];
  }

  return {
    head: () => database.query<{ id: number | null }, []>("SELECT max(id) AS id FROM blocks").get()?.id ?? 0,
    *after(id) {
      for (let last = id; ;) {
        const rows = page.all(last, pageBlocks);
        for (const row of rows) {
          const piece = pieceOf(row);
          if (piece !== undefined) yield piece;
        }
        if (rows.length < pageBlocks) return;
        last = rows.at(-1)?.id ?? last;
      }
    },
    open,
    whole: whole as EmbeddedSeries["whole"],
    changedSince: (id, tier) => changed.get(id, tier)?.first ?? Infinity,
    hold() {
      database.run("BEGIN");
      // from the first read on
      database.query("SELECT 1 FROM blocks LIMIT 1").get();
    },
    release: () => void database.run("COMMIT"),
    origins: () =>
      database
        .query<{ name: string }, []>("SELECT name FROM origins ORDER BY name")
        .all()
        .map(({ name }) => name),
    openHours() {
      const due = database
        .query<{ name: string; start_s: number }, []>(
          "SELECT name, start_s FROM due JOIN origins ON origins.id = origin WHERE work = 1",
        )
        .all();
      return new Set(due.map(({ name, start_s: hour }) => hourKey(name, hour)));
    },
    close: () => database.close(),
  };
}
