/** A block made anew out of its body, where what else is stored of it is damaged. */
import type { Database } from "bun:sqlite";

import { type Block, crcOf, makeBlock, quickLevel } from "./block.ts";
import type { BlockRow } from "./block-rows.ts";
import { linesOf, openBody } from "./columns.ts";
import { pieceOf } from "./pieces.ts";

/** Whose blocks there may be, by two tables: a damaged name of one of them is right in the other. */
export type Owners = { readonly origins: readonly string[]; readonly senders: readonly string[] };

/** Reads both names of everybody who ever sent something. */
export function readOwners(database: Database): Owners {
  const names = (text: string) =>
    database
      .query<{ name: string }, []>(text)
      .all()
      .map(({ name }) => name);
  return { origins: names("SELECT name FROM origins"), senders: names("SELECT server AS name FROM senders") };
}

/** What is known of a damaged block. */
export type Remains = {
  readonly row: BlockRow;
  /** its checksum is right */
  readonly body: Uint8Array;
  /** whose it is by its row, which may be what is damaged */
  readonly serverId: string;
  /** all that is stored of it; null: a part is missing */
  readonly stored: Block | null;
  readonly owners: Owners;
};

/**
 * The block, when there is no doubt what it was: its figures and filters as they come out of the body, with the name of the
 * one whose block it was, have the checksum that was noted. When nobody's name gives that, and what is stored is just what
 * comes out, the noted checksum is what is damaged. undefined: it might become somebody else's, or was another.
 */
export async function remakeBlock({ row, body, serverId, stored, owners }: Remains): Promise<Block | undefined> {
  const made = await makeBlock(serverId, linesOf(openBody(pieceOf(row, serverId, null), body)), quickLevel);
  const owner = [serverId, ...owners.origins, ...owners.senders].find(
    (one) => crcOf({ ...made, serverId: one }) === row.crc,
  );
  const isIntact = stored !== null && crcOf(stored) === crcOf(made) && owners.senders.includes(serverId);
  if (owner === undefined && !isIntact) return undefined;
  return { ...made, serverId: owner ?? serverId, small: row.small === 1 };
}
