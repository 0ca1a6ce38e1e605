/** Damaged blocks are made anew where that is possible, and put aside where it is not. */
import type { Commits } from "../commits.ts";
import type { Checked, Repaired } from "../log-port.ts";
import { quickLevel } from "./block.ts";
import type { BlockRow } from "./block-rows.ts";
import { type Found, type IntegrityWorld, checkAll } from "./integrity.ts";
import { readOwners, remakeBlock } from "./remake.ts";

/** Losses that are told one by one; more are only counted. */
const mostTold = 1000;

export type RepairWorld = IntegrityWorld & { readonly commits: Commits; readonly now: () => number };

/** Goes through everything and mends it. Runs alone. Rejects with SQLite's error where the file itself is broken. */
export async function repairAll(world: RepairWorld): Promise<Repaired> {
  const lost: Checked[] = [];
  let [mended, blocks, lines, senders] = [0, 0, 0, 0];
  for await (const found of checkAll(world)) {
    if (found.problem === null) continue;
    if (found.kind === "block" && found.bodyIsSound && (await mend(world, found.row))) {
      mended++;
      continue;
    }
    await putAside(world, found);
    if (found.kind === "sender") {
      senders++;
      continue;
    }
    blocks++;
    lines += found.lines;
    const { block, problem, serverId, sources, firstMs, lastMs } = found;
    if (lost.length < mostTold) lost.push({ block, problem, lines: found.lines, firstMs, lastMs, serverId, sources });
  }
  return { mended, blocks, lines, senders, lost };
}

/** Puts a block that was made anew in the place of a damaged one. @returns whether it could be made */
async function mend({ database, blocks, commits }: RepairWorld, row: BlockRow): Promise<boolean> {
  const body = blocks.body(row.id);
  if (body === null) return false;
  const serverId = blocks.originName(row.origin);
  const made = await remakeBlock({ row, body, serverId, stored: blocks.whole(row), owners: readOwners(database) });
  if (made === undefined) return false;
  await commits.write(made.body.length, () => {
    blocks.remove(row.id);
    blocks.put(made, quickLevel);
  });
  return true;
}

async function putAside({ database, blocks, hot, commits, now }: RepairWorld, found: Found): Promise<void> {
  const keep = database.query<unknown, [number, string, string, Uint8Array | null]>(
    "INSERT INTO quarantine (at_ms, problem, row, body) VALUES (?, ?, ?, ?)",
  );
  await commits.write(0, () => {
    if (found.kind === "block") {
      const { counts: _, ...figures } = found.row;
      const names = { server: found.serverId, sources: found.sources };
      keep.run(now(), found.problem ?? "", JSON.stringify({ ...figures, ...names }), blocks.body(found.row.id));
      blocks.remove(found.row.id);
    } else if (found.kind === "hot") {
      keep.run(now(), found.problem ?? "", JSON.stringify(found.row), hot.body(found.row.id));
      hot.remove(found.row.id);
    } else database.query<unknown, [string]>("DELETE FROM senders WHERE server = ?").run(found.serverId);
  });
}
