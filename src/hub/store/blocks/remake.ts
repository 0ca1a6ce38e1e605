/** A block made anew out of its body, where what else is stored of it is damaged. */
import type { Database } from "bun:sqlite";

import { type Block, crcOf, makeBlock, quickLevel } from "./block.ts";
import type { BlockRow } from "./block-rows.ts";
import { countEntries } from "./body.ts";
import { linesOf, openBody } from "./columns.ts";
import type { Outline } from "./outlines.ts";
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
  // the row's own number of them may be what is damaged
  const piece = pieceOf({ ...row, lines: countEntries(body) }, serverId, null);
  const made = await makeBlock(serverId, linesOf(openBody(piece, body)), quickLevel);
  const owner = [serverId, ...owners.origins, ...owners.senders].find(
    (one) => crcOf({ ...made, serverId: one }) === row.crc,
  );
  const isIntact = stored !== null && crcOf(stored) === crcOf(made) && owners.senders.includes(serverId);
  if (owner === undefined && !isIntact) return undefined;
  return { ...made, serverId: owner ?? serverId, small: row.small === 1 };
}

/** What is left of a block whose row is gone. */
export type Rowless = {
  readonly outline: Outline;
  /** by the outline */
  readonly serverId: string;
  readonly body: Uint8Array;
  readonly words: Uint8Array;
  readonly numbers: Uint8Array;
};

/**
 * A block without its row, and so without checksums: when its body gives the figures that its indexes have, and the filters
 * that are stored. undefined: something of it is not as it was.
 */
export async function remakeRowless(left: Rowless): Promise<Block | undefined> {
  const { outline, serverId, body } = left;
  const figures = {
    source: 0,
    levels: 0,
    streams: 0,
    raw_bytes: 0,
    bytes: 0,
    small: 0,
    pressed: 0,
    body_crc: 0,
    crc: 0,
  };
  const columns = openBody(pieceOf({ ...outline, ...figures, lines: countEntries(body) }, serverId, null), body);
  const made = await makeBlock(serverId, linesOf(columns), quickLevel);
  const isAsListed =
    made.firstMs === outline.first_ms &&
    made.lastMs === outline.last_ms &&
    made.firstPosition === outline.first_position &&
    made.lastPosition === outline.last_position;
  // that of numbers is made for the size of the body, which another version of zstd may make another
  const hasNumbers = left.numbers.length !== made.numbers.length || isSame(left.numbers, made.numbers);
  return isAsListed && isSame(left.words, made.words) && hasNumbers ? made : undefined;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
