/** Reads the store by connections of its own: each snapshot sees one moment, and neither waits for writers nor stops them. */
import { Database } from "bun:sqlite";

import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { BlockRow } from "./block-rows.ts";
import { lastingColumns, openBody, openLines } from "./columns.ts";
import { readCounts } from "./counts.ts";
import { mayHoldNumbers, mayHoldWords } from "./filter.ts";
import { type HotRow, damaged, hotColumns, openHot } from "./hot-rows.ts";
import { numberLines, sortLines } from "./lines.ts";
import { type Kept, createKept } from "./kept.ts";
import { blockFigures, blockNames, listPieces } from "./listing.ts";
import { hotPieceOf, pieceOf } from "./pieces.ts";
import type { BlockReader, Columns, Piece, Snapshot } from "./reader-port.ts";

/** Connections that are kept open between snapshots. */
const mostIdle = 4;

/** Reads `logs.db`, which a store has open. Throws a Fault `failed` when it can't be opened. */
export function openBlockReader(file: string): BlockReader {
  const idle: Database[] = [];
  const kept = createKept();
  let closed = false;

  function connect(): Database {
    try {
      const database = new Database(file, { readonly: true, strict: true });
      for (const pragma of ["busy_timeout = 5000", "cache_size = -4000"]) database.run(`PRAGMA ${pragma}`);
      return database;
    } catch (error) {
      throw new Fault("failed", `can't read the log store ${file}: ${reasonOf(error)}`, { cause: error });
    }
  }

  return {
    snapshot() {
      const database = idle.pop() ?? connect();
      database.run("BEGIN");
      const end = () => {
        database.run("COMMIT");
        if (closed || idle.length >= mostIdle) database.close(true);
        else idle.push(database);
      };
      return readSnapshot(database, end, kept);
    },
    close() {
      closed = true;
      kept.clear();
      for (const database of idle.splice(0)) database.close(true);
    },
  };
}

/** The store as a connection sees it; `end` is called once, when it is disposed of. */
export function readSnapshot(database: Database, end: () => void, kept: Kept | null = null): Snapshot {
  const bodyOf = database.query<{ body: Uint8Array; body_crc: number }, [number]>(
    "SELECT body, body_crc FROM block_bodies JOIN blocks ON blocks.id = block WHERE block = ?",
  );
  const hotBodyOf = database.query<{ body: Uint8Array; crc: number | null }, [number]>(
    "SELECT body, crc FROM chunks WHERE id = ?",
  );
  const wordsOf = database.query<{ filter: Uint8Array }, [number]>("SELECT filter FROM block_words WHERE block = ?");
  const numbersOf = database.query<{ filter: Uint8Array }, [number]>(
    "SELECT filter FROM block_numbers WHERE block = ?",
  );
  const countsOf = database.query<{ counts: Uint8Array }, [number]>("SELECT counts FROM blocks WHERE id = ?");
  const blocksBetween = database.query<
    Omit<BlockRow, "counts"> & { readonly server: string; readonly source_name: string | null },
    [number, number]
  >(`SELECT ${blockFigures} FROM blocks ${blockNames} WHERE blocks.last_position > ? AND blocks.first_position <= ?`);
  const hotBetween = database.query<HotRow, [number, number]>(
    `SELECT ${hotColumns} FROM chunks WHERE last_position > ? AND id <= ?`,
  );

  function between(after: number, upTo: number): Piece[] {
    return [
      ...blocksBetween.all(after, upTo).map((row) => pieceOf(row, row.server, row.source_name)),
      ...hotBetween.all(after, upTo).map(hotPieceOf),
    ];
  }

  function open(piece: Piece, near = false): Columns {
    const known = kept?.get(piece);
    if (known !== undefined) return known;
    const opened = read(piece);
    if (!near || kept === null) return opened;
    const lasting = lastingColumns(opened);
    kept.put(lasting);
    return lasting;
  }

  function read(piece: Piece): Columns {
    if (piece.kind === "hot") {
      const row = { id: piece.id, server: piece.serverId, last_position: piece.lastPosition };
      const found = hotBodyOf.get(piece.id);
      if (found === null) throw damaged(`delivery ${piece.id} of the log store`, "it is missing");
      return openLines(piece, sortLines(numberLines(openHot(row, found).columns, piece.id)));
    }
    const name = `block ${piece.id} of the log store`;
    const found = bodyOf.get(piece.id);
    if (found === null) throw damaged(name, "its body is missing");
    if (Bun.hash.crc32(found.body) !== found.body_crc) throw damaged(name, "its checksum is another");
    return openBody(piece, found.body, (error) => damaged(name, reasonOf(error)));
  }

  return {
    pieces: (limits, order) => listPieces(database, limits, order),
    mayHold(piece, probe) {
      if (piece.kind === "hot") return true;
      if (probe.words.length > 0) {
        const filter = wordsOf.get(piece.id)?.filter;
        if (filter !== undefined && !mayHoldWords(filter, probe)) return false;
      }
      if (probe.numbers.length + probe.mixed.length === 0) return true;
      const filter = numbersOf.get(piece.id)?.filter;
      return filter === undefined || mayHoldNumbers(filter, probe);
    },
    counts(piece) {
      if (piece.kind === "hot") return null;
      const found = countsOf.get(piece.id);
      return found === null ? null : readCounts(found.counts);
    },
    open,
    find(position) {
      for (const piece of between(position - 1, position)) {
        // what stands around it is asked for next
        const columns = open(piece, true);
        const index = columns.positions.indexOf(position);
        if (index >= 0) return { columns, index };
      }
      return null;
    },
    between,
    [Symbol.dispose]: once(end),
  };
}

function once(run: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    run();
  };
}
