/**
 * Blocks made better in the background: small ones of an origin are joined, so that quiet sources don't fill the store
 * with blocks of a few lines; and what is older than a day is pressed harder, once.
 */
import type { Database } from "bun:sqlite";

import { reasonOf } from "#src/protocol/fault.ts";
import type { Commits } from "../commits.ts";
import { type Block, dayMs, makeBlock, quickLevel, splitLines } from "./block.ts";
import type { BlockRow, BlockRows } from "./block-rows.ts";
import { recompress } from "./body.ts";
import { linesOf, openBody } from "./columns.ts";
import { damaged } from "./hot-rows.ts";
import type { Lines } from "./lines.ts";
import { pieceOf } from "./pieces.ts";
import { regroup } from "./regroup.ts";
import type { Turns } from "./turns.ts";

/** Small blocks of one origin and day that are worth being joined: each line is rewritten about four times at most. */
const enoughSmall = 8;
/** Of a day that is over, nothing more will come. */
const enoughOfOldDay = 2;
/** Joined at once. */
const mostJoined = 64;
const mostLines = 32_768;

/** Level 9 saves an eighth of level 1 for about ten times the time, and is inflated faster. */
export const hardLevel = 9;

export type MergingWorld = {
  readonly database: Database;
  readonly blocks: BlockRows;
  readonly commits: Commits;
  readonly turns: Turns;
  readonly now: () => number;
  readonly onFailure: (error: unknown) => void;
};

export type Merging = {
  /** Joins one set of small blocks. @returns whether there was one */
  readonly joinOne: () => Promise<boolean>;
  /** Presses one old block. @returns whether there was one */
  readonly pressOne: () => Promise<boolean>;
};

export function createMerging({ database, blocks, commits, turns, now, onFailure }: MergingWorld): Merging {
  const candidates = database.prepare<{ origin: number; day: number }, [number, number, number]>(
    `SELECT origin, last_ms / ${dayMs} AS day FROM blocks WHERE small = 1 AND last_ms >= 0 GROUP BY 1, 2 HAVING count(*) >= CASE WHEN day < ? THEN ? ELSE ? END LIMIT 1`,
  );
  const smallOnes = database.prepare<{ id: number; lines: number }, [number, number, number, number]>(
    "SELECT id, lines FROM blocks WHERE small = 1 AND origin = ? AND last_ms >= ? AND last_ms < ? ORDER BY last_ms, id LIMIT ?",
  );
  const leaveAlone = database.prepare<unknown, [number]>("UPDATE blocks SET small = 0 WHERE id = ?");
  const oldLight = database.prepare<{ id: number }, [number]>(
    `SELECT id FROM blocks WHERE pressed < ${hardLevel} AND last_ms < ? ORDER BY last_ms LIMIT 1`,
  );
  const callPressed = database.prepare<unknown, [number]>(`UPDATE blocks SET pressed = ${hardLevel} WHERE id = ?`);

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

  async function join(origin: number, day: number): Promise<void> {
    const sources: Lines[] = [];
    const joined: number[] = [];
    let count = 0;
    for (const { id, lines } of smallOnes.all(origin, day * dayMs, (day + 1) * dayMs, mostJoined)) {
      const row = blocks.row(id);
      if (row === null) continue;
      const own = await read(row);
      if (own === undefined) continue;
      sources.push(own);
      joined.push(id);
      count += lines;
      if (count >= mostLines) break;
      await turns.breathe();
    }
    if (joined.length < 2) return;
    const serverId = blocks.originName(origin);
    const made: Block[] = [];
    for (const group of regroup(sources)) {
      for (const lines of splitLines(group)) {
        made.push(await makeBlock(serverId, lines, quickLevel));
        await turns.breathe();
      }
    }
    // as many as before, and all still small: joining them again would change nothing
    const useless = made.length >= joined.length;
    await commits.write(0, () => {
      for (const block of made) blocks.put(useless ? { ...block, small: false } : block, quickLevel);
      for (const id of joined) blocks.remove(id);
    });
  }

  return {
    async joinOne() {
      const found = candidates.get(Math.floor(now() / dayMs), enoughOfOldDay, enoughSmall);
      if (found === null) return false;
      await join(found.origin, found.day);
      return true;
    },
    async pressOne() {
      const found = oldLight.get(now() - dayMs);
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
