/**
 * Batches of samples on their way to ClickHouse: each is a file in a folder of its own before it is sent, and goes when
 * ClickHouse has it. So neither a kill of the hub nor an hour without ClickHouse costs samples. (The journal of the
 * embedded store does not fit here: it holds segments that build on one another, not batches that stand alone.) A disk
 * that takes nothing makes batches wait in memory instead, as far as that goes.
 */
import { readFileSync, readdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { makeFolder, removeIfThere } from "#src/lib/files.ts";
import { errnoOf, reasonOf } from "#src/protocol/fault.ts";

/** Batches in memory whose file could not be written. */
const maxMemoryBytes = 64 * 1024 * 1024;
/** What may wait on the disk: some hours of a fleet of thousands. */
const maxDiskBytes = 1024 * 1024 * 1024;

export type WaitingBatch = {
  /** by which ClickHouse knows a repeated one; never of two batches */
  readonly token: string;
  readonly rows: number;
  readonly bytes: number;
  /** when it was gathered, on the wall clock */
  readonly atMs: number;
  /** null: it is in a file */
  readonly memory: Uint8Array<ArrayBuffer> | null;
  readonly file: string;
  /** it was there when the folder was opened: nobody knows yet whether it is whole */
  readonly found: boolean;
};

export type Waiting = {
  /**
   * Takes a batch; undefined: there is no room for it. `shorter` is one that it has all of, and that goes if it still waits.
   */
  readonly add: (
    body: Uint8Array<ArrayBuffer>,
    rows: number,
    atMs: number,
    shorter?: WaitingBatch,
  ) => WaitingBatch | undefined;
  /** Rows that are on no disk. */
  readonly inMemory: () => number;
  /** The oldest one; undefined: none waits. */
  readonly first: () => WaitingBatch | undefined;
  /** What is in it; undefined: it is damaged, and gone. Throws the system's error when it can't be read now. */
  readonly read: (batch: WaitingBatch) => Uint8Array<ArrayBuffer> | undefined;
  /** It need not wait any more. */
  readonly done: (batch: WaitingBatch) => void;
  readonly figures: () => {
    readonly batches: number;
    readonly bytes: number;
    readonly mostBytes: number;
    readonly oldestAtMs: number | null;
  };
};

export type WaitingWorld = {
  readonly warn: (message: string) => void;
  /** told of rows that were taken and are lost */
  readonly lost: (rows: number) => void;
  readonly mostBytes?: number;
};

/** Failures of the system that say nothing of the file. */
const passing = new Set(["EMFILE", "ENFILE", "ENOMEM", "EIO", "EACCES", "EAGAIN"]);

/** `NUMBER-MILLISECONDS-ROWS-TOKEN.rows.zst`: the name says all that must be known before it is read. */
const namePattern = /^(\d+)-(\d+)-(\d+)-([0-9a-f-]{36})\.rows\.zst$/;

/** Opens the folder, with what waits there since before. Throws the system's error when it can't. */
export function openWaiting(folder: string, { warn, lost, mostBytes = maxDiskBytes }: WaitingWorld): Waiting {
  makeFolder(folder, 0o700);
  const batches = new Map<string, WaitingBatch>();
  let number = 0;
  let bytes = 0;
  let memoryBytes = 0;

  function note(batch: WaitingBatch): void {
    batches.set(batch.token, batch);
    bytes += batch.bytes;
    if (batch.memory !== null) memoryBytes += batch.bytes;
  }

  function forget(batch: WaitingBatch): void {
    if (!batches.delete(batch.token)) return;
    bytes -= batch.bytes;
    if (batch.memory !== null) memoryBytes -= batch.bytes;
  }

  for (const name of readdirSync(folder).sort((a, b) => a.localeCompare(b, "en", { numeric: true }))) {
    const file = join(folder, name);
    const [, own = "", atMs = "", rows = "", token = ""] = namePattern.exec(name) ?? [];
    if (token === "") {
      // half a file of a hub that was killed while it wrote
      if (name.endsWith(".tmp")) removeIfThere(file);
      continue;
    }
    number = Math.max(number, Number(own));
    note({
      token,
      rows: Number(rows),
      atMs: Number(atMs),
      bytes: statSync(file).size,
      memory: null,
      file,
      found: true,
    });
  }

  /** Renamed when it is whole, so that a kill leaves no half of it; a loss of power may, and is told when it is read. */
  function write(file: string, body: Uint8Array<ArrayBuffer>): boolean {
    try {
      writeFileSync(`${file}.tmp`, body, { mode: 0o600 });
      renameSync(`${file}.tmp`, file);
      return true;
    } catch (error) {
      warn(`can't write metrics to the disk, they wait in memory: ${reasonOf(error)}`);
      // what was written of it takes room that may be needed
      remove(`${file}.tmp`);
      return false;
    }
  }

  function remove(file: string): void {
    try {
      removeIfThere(file);
    } catch (error) {
      // it is sent again after a restart, or removed then: neither changes anything
      warn(`can't delete ${file}: ${reasonOf(error)}`);
    }
  }

  function done(batch: WaitingBatch): void {
    forget(batch);
    if (batch.memory === null) remove(batch.file);
  }

  return {
    add(body, rows, nowMs, shorter) {
      const before = shorter === undefined ? undefined : batches.get(shorter.token);
      if (bytes - (before?.bytes ?? 0) + body.length > mostBytes) return undefined;
      const atMs = before?.atMs ?? nowMs;
      const token = crypto.randomUUID();
      const file = join(folder, `${++number}-${Math.floor(atMs)}-${rows}-${token}.rows.zst`);
      const written = write(file, body);
      if (!written && memoryBytes + body.length > maxMemoryBytes) return undefined;
      const batch = { token, rows, atMs, bytes: body.length, memory: written ? null : body, file, found: false };
      note(batch);
      if (before !== undefined) done(before);
      return batch;
    },
    inMemory: () => batches.values().reduce((sum, { memory, rows }) => sum + (memory === null ? 0 : rows), 0),
    first() {
      for (const batch of batches.values()) return batch;
      return undefined;
    },
    read(batch) {
      try {
        const body = batch.memory ?? readFileSync(batch.file);
        // a file that lost its end with the machine's power is no zstd any more
        if (batch.found) Bun.zstdDecompressSync(body);
        return body;
      } catch (error) {
        // a disk or a process that is short of something may have it again later
        const errno = errnoOf(error);
        if (errno !== undefined && passing.has(errno)) throw error;
        warn(`a file of metrics that waited for ClickHouse is damaged, they are lost: ${reasonOf(error)}`);
        lost(batch.rows);
        done(batch);
        return undefined;
      }
    },
    done,
    figures: () => ({
      batches: batches.size,
      bytes,
      mostBytes,
      oldestAtMs: batches.values().next().value?.atMs ?? null,
    }),
  };
}
