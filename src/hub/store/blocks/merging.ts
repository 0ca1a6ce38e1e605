/**
 * Blocks made better in the background: small ones of an origin are joined, so that quiet sources don't fill the store
 * with blocks of a few lines; and what is older than a day is pressed harder, once.
 */
import type { Database } from "bun:sqlite";

import type { Clock } from "#src/lib/clock.ts";
import { reasonOf } from "#src/protocol/fault.ts";
import type { Commits } from "../commits.ts";
import { type Block, dayMs, hardLevel, makeBlock, quickLevel } from "./block.ts";
import type { BlockRow, BlockRows } from "./block-rows.ts";
import { recompress } from "./body.ts";
import { linesOf, openBody } from "./columns.ts";
import { giveBack } from "./cutting.ts";
import { createGathering } from "./gathering.ts";
import { damaged } from "./hot-rows.ts";
import type { Lines } from "./lines.ts";
import { pieceOf } from "./pieces.ts";
import type { Turns } from "./turns.ts";

/**
 * Small blocks of one origin, day and size that are worth being joined. Sizes are a factor of eight apart, so that a line is
 * rewritten four times at most, however few come at once.
 */
const enoughSmall = 8;
const sizeClass = "(lines >= 8) + (lines >= 64) + (lines >= 512)";
/** Of days that are over, whatever is left is joined, but seldom: late lines may still trickle in. */
const sweepEveryMs = 6 * 3_600_000;
const enoughOfOldDay = 2;
/** Joined at once. */
const mostJoined = 64;
const mostLines = 32_768;
/** Blocks that are looked at for others to join. */
const looked = 1024;

export type MergingWorld = {
  readonly database: Database;
  readonly blocks: BlockRows;
  readonly commits: Commits;
  readonly turns: Turns;
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly onFailure: (error: unknown) => void;
};

/** An origin, and a day since the epoch. */
export type Place = { readonly origin: number; readonly day: number };

export type Merging = {
  /** Where small blocks were written since the last time, at the first time wherever there are some; null: nowhere. */
  readonly next: () => readonly Place[] | null;
  /** Joins the small blocks of a place where there are enough. */
  readonly join: (place: Place) => Promise<void>;
  /** Presses one old block. @returns whether there was one */
  readonly pressOne: () => Promise<boolean>;
};

export function createMerging({ database, blocks, commits, turns, clock, onFailure }: MergingWorld): Merging {
  // by id: the index of small ones would have to be sorted for it
  const newSmall = database.prepare<{ id: number; origin: number; last_ms: number }, [number, number]>(
    "SELECT id, origin, last_ms FROM blocks NOT INDEXED WHERE id > ? AND small = 1 ORDER BY id LIMIT ?",
  );
  const classes = database.prepare<{ class: number; blocks: number }, [number, number, number]>(
    `SELECT ${sizeClass} AS class, count(*) AS blocks FROM blocks WHERE small = 1 AND origin = ? AND last_ms >= ? AND last_ms < ? GROUP BY 1`,
  );
  const smallOnes = database.prepare<{ id: number; lines: number }, [number, number, number, number, number]>(
    `SELECT id, lines FROM blocks WHERE small = 1 AND origin = ? AND last_ms >= ? AND last_ms < ? AND ${sizeClass} <= ? ORDER BY last_ms, id LIMIT ?`,
  );
  const leaveAlone = database.prepare<unknown, [number]>("UPDATE blocks SET small = 0 WHERE id = ?");
  const oldLight = database.prepare<{ id: number }, [number]>(
    `SELECT id FROM blocks WHERE pressed < ${hardLevel} AND last_ms < ? ORDER BY last_ms LIMIT 1`,
  );
  const callPressed = database.prepare<unknown, [number]>(`UPDATE blocks SET pressed = ${hardLevel} WHERE id = ?`);
  // one set is joined at a time
  const gathering = createGathering();
  let lookedTo = 0;
  let sweptMs = clock.monotonic();
  let sweeping = true;

  /** The entries of a block, or undefined when they can't be read: then it is not touched again. */
  async function read(row: BlockRow): Promise<Lines | undefined> {
    const body = blocks.body(row.id);
    try {
      if (body === null || Bun.hash.crc32(body) !== row.body_crc)
        throw damaged(`block ${row.id}`, "its checksum is another");
      return linesOf(openBody(pieceOf(row, blocks.originName(row.origin), null), body));
    } catch (error) {
      onFailure(damaged(`block ${row.id}`, reasonOf(error)));
      await commits.write(0, () => leaveAlone.run(row.id));
      return undefined;
    }
  }

  /** The largest size of which, with all that are smaller, there are enough to join; undefined: there are none. */
  function joinable({ origin, day }: Place): number | undefined {
    const found = classes.all(origin, day * dayMs, (day + 1) * dayMs);
    if (sweeping && day < Math.floor(clock.now() / dayMs)) {
      const all = found.reduce((sum, one) => sum + one.blocks, 0);
      if (all >= enoughOfOldDay) return Math.max(...found.map((one) => one.class));
    }
    const enough = found.filter((one) => one.blocks >= enoughSmall).map((one) => one.class);
    return enough.length === 0 ? undefined : Math.max(...enough);
  }

  /** Of what is gathered. */
  async function makeBlocks(): Promise<Block[]> {
    const made: Block[] = [];
    for (const { serverId, blocks: parts } of gathering.origins()) {
      for (const lines of parts) {
        made.push(await makeBlock(serverId, lines, quickLevel));
        giveBack(lines);
        await turns.breathe();
      }
    }
    return made;
  }

  async function join(place: Place): Promise<void> {
    const largest = joinable(place);
    if (largest === undefined) return;
    // what one that failed has left
    gathering.reset();
    const { origin, day } = place;
    const serverId = blocks.originName(origin);
    const joined: number[] = [];
    for (const { id } of smallOnes.all(origin, day * dayMs, (day + 1) * dayMs, largest, mostJoined)) {
      const row = blocks.row(id);
      const own = row === null ? undefined : await read(row);
      if (own === undefined) continue;
      gathering.add(serverId, own, own.positions);
      joined.push(id);
      if (gathering.count >= mostLines) break;
      await turns.breathe();
    }
    const made = joined.length < 2 ? [] : await makeBlocks();
    gathering.reset();
    if (made.length === 0) return;
    // as many as before, and all still small: joining them again would change nothing
    const useless = made.length >= joined.length;
    await commits.write(0, () => {
      for (const block of made) blocks.put(useless ? { ...block, small: false } : block, quickLevel);
      for (const id of joined) blocks.remove(id);
    });
  }

  return {
    next() {
      if (clock.monotonic() - sweptMs >= sweepEveryMs) {
        sweptMs = clock.monotonic();
        sweeping = true;
        lookedTo = 0;
      }
      const found = newSmall.all(lookedTo, looked);
      const last = found.at(-1);
      if (last === undefined) {
        sweeping = false;
        return null;
      }
      lookedTo = last.id;
      const places = found.map(({ origin, last_ms }) => ({ origin, day: Math.floor(last_ms / dayMs) }));
      return [...new Map(places.map((place) => [`${place.origin} ${place.day}`, place])).values()];
    },
    join,
    async pressOne() {
      const found = oldLight.get(clock.now() - dayMs);
      if (found === null) return false;
      const body = blocks.body(found.id);
      const pressed =
        body === null || blocks.readable(found.id) !== true ? undefined : await recompress(body, hardLevel);
      await commits.write(pressed?.length ?? 0, () => {
        // a damaged one stays as it is, for `check` to find
        if (pressed === undefined || body === null || pressed.length >= body.length) callPressed.run(found.id);
        else blocks.putBody(found.id, pressed, hardLevel);
      });
      return true;
    },
  };
}
