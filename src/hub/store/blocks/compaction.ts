/**
 * Deliveries become blocks in the background. Entries of deliveries that were just stored are kept at hand until they are
 * worth some blocks; rows of an earlier run are read again. Each time the blocks of some origins go in and the rows of their
 * deliveries go out in one transaction, so that a kill at any moment leaves each entry once.
 */
import type { Clock } from "#src/lib/clock.ts";
import { keep } from "#src/lib/keep.ts";
import type { Arrived } from "#src/protocol/log-columns.ts";
import type { Commits } from "../commits.ts";
import { type Block, makeBlock, quickLevel } from "./block.ts";
import type { BlockRows } from "./block-rows.ts";
import { type Cut, giveBack } from "./cutting.ts";
import { type Generation, createGeneration, generationBytes } from "./generation.ts";
import type { HotRow, HotRows } from "./hot-rows.ts";
import type { Turns } from "./turns.ts";

/** Entries lie as they came for this long at most: a search opens what has no filter. */
const gatherMs = 5000;
/** After a failure (a full disk) it is tried again this much later. */
const retryMs = 5000;
/** Blocks that are compressed while others are made. */
const mostInFlight = 3;
/** Blocks that go in at once, and those of one more origin: of a thousand quiet servers they take turns with what comes in. */
const blocksAtOnce = 128;
/** Rows of an earlier run that are looked at at once. */
const rowsAtOnce = 64;

export type CompactionWorld = {
  readonly hot: HotRows;
  readonly blocks: BlockRows;
  readonly commits: Commits;
  readonly turns: Turns;
  readonly clock: Clock;
  /** told of failures in the background; it goes on by itself */
  readonly onFailure: (error: unknown) => void;
  /** told after blocks were written */
  readonly onDone: () => void;
};

export type Compaction = {
  /** Takes a delivery that has just been committed. */
  add(arrived: Arrived): void;
  /** Resolves when there is room for a delivery of so many bytes in memory; to be given back when it is added, or not. */
  room(bytes: number): Promise<() => void>;
  /** Resolves when every delivery that was stored before is in blocks. */
  drain(): Promise<void>;
  /** Rows that were found damaged and are left alone. */
  readonly damaged: ReadonlySet<number>;
  /** Forgets what is at hand, so that it is read from its rows again. */
  forget(): void;
  stop(): void;
};

export function createCompaction(world: CompactionWorld): Compaction {
  const { hot, blocks, commits, turns, clock } = world;
  const damaged = new Set<number>();
  // one is packed while the next one fills
  let open = createGeneration();
  let sealed: Generation | undefined;
  // one that is empty again
  let spare: Generation | undefined;
  // rows below this are of an earlier run, or were given up after a failure
  let coldBelow = Number.MAX_SAFE_INTEGER;
  let isCold = true;
  const life = { stopped: false };
  let failing = false;
  let running: Promise<void> | undefined;
  let cancelTimer: (() => void) | undefined;
  // bytes of deliveries that are being written, and who waits until there is room for more
  let coming = 0;
  const roomWanted: { readonly bytes: number; readonly enter: () => void }[] = [];

  /** Lets in who waits, in the order in which they came. */
  function tellRoom(): void {
    for (let [next] = roomWanted; next !== undefined && hasRoom(next.bytes); [next] = roomWanted) {
      roomWanted.shift();
      coming += next.bytes;
      next.enter();
    }
  }

  function hasRoom(bytes: number): boolean {
    if (sealed === undefined || life.stopped || failing) return true;
    return !open.full && (coming === 0 || open.bytes + coming + bytes <= generationBytes);
  }

  function seal(): void {
    if (open.empty || sealed !== undefined) return;
    cancelTimer?.();
    cancelTimer = undefined;
    sealed = open;
    open = spare ?? createGeneration();
    spare = undefined;
  }

  function plan(delayMs: number): void {
    cancelTimer ??= clock.after(delayMs, () => {
      cancelTimer = undefined;
      failing = false;
      seal();
      start();
    });
  }

  function start(): void {
    if (life.stopped || failing) return;
    keep(drainAll(), (error) => {
      world.onFailure(error);
      plan(retryMs);
    });
  }

  /** One run at a time; who comes meanwhile waits for it. */
  function drainAll(): Promise<void> {
    running ??= run().finally(() => {
      running = undefined;
    });
    return running;
  }

  async function run(): Promise<void> {
    try {
      while (!life.stopped) {
        if (sealed !== undefined) await turns.alone(packSealed);
        else if (!isCold) break;
        else await turns.alone(packCold);
      }
      failing = false;
    } catch (error) {
      failing = true;
      forget();
      throw error;
    }
  }

  async function packSealed(): Promise<void> {
    const generation = sealed;
    // it may have been forgotten while this waited for its turn
    if (generation === undefined) return;
    await pack(generation);
    generation.reset();
    spare = generation;
    sealed = undefined;
    if (open.full) seal();
    else if (!open.empty) plan(gatherMs);
    tellRoom();
  }

  async function pack(generation: Generation): Promise<void> {
    let making: Promise<Block>[] = [];
    let rows: number[] = [];

    async function write(): Promise<void> {
      if (rows.length === 0) return;
      const made = await Promise.all(making);
      const gone = rows;
      [making, rows] = [[], []];
      await commits.write(sizeOf(made), () => {
        for (const block of made) blocks.put(block, quickLevel);
        for (const id of gone) hot.remove(id);
      });
    }

    for (const origin of generation.origins()) {
      for (const lines of origin.blocks) {
        const block = make(origin.serverId, lines);
        // it is awaited below, and its failure is told there
        keep(block, () => undefined);
        making.push(block);
        // one is compressed in another thread while the next is looked through in this one
        await making.at(-mostInFlight);
        await turns.breathe();
        if (life.stopped) return;
      }
      rows.push(...origin.rows);
      if (making.length >= blocksAtOnce) await write();
    }
    await write();
    world.onDone();
  }

  async function packCold(): Promise<void> {
    const generation = createGeneration();
    let next = 0;
    let rows: readonly HotRow[];
    do {
      rows = hot.from(next, coldBelow, rowsAtOnce);
      for (const row of rows) {
        next = row.id + 1;
        if (damaged.has(row.id)) continue;
        const arrived = read(row);
        if (arrived !== undefined) generation.add(arrived);
        if (generation.full) break;
        await turns.breathe();
      }
    } while (rows.length === rowsAtOnce && !generation.full && !life.stopped);
    if (generation.empty) isCold = false;
    else await pack(generation);
  }

  function read(row: HotRow): Arrived | undefined {
    try {
      return hot.open(row) ?? undefined;
    } catch (error) {
      damaged.add(row.id);
      world.onFailure(error);
      return undefined;
    }
  }

  function forget(): void {
    sealed = undefined;
    open = createGeneration();
    coldBelow = Number.MAX_SAFE_INTEGER;
    isCold = true;
    tellRoom();
    if (!life.stopped) plan(gatherMs);
  }

  return {
    add(arrived) {
      // what comes while older rows are still to be read is read with them
      if (isCold && coldBelow === Number.MAX_SAFE_INTEGER && open.empty && sealed === undefined) {
        coldBelow = arrived.firstPosition;
      }
      open.add(arrived);
      if (open.full) {
        // it is on disk: while nothing can be written it need not be in memory as well
        if (failing) forget();
        else seal();
        start();
      } else plan(gatherMs);
    },
    async room(bytes) {
      await new Promise<void>((enter) => {
        roomWanted.push({ bytes, enter });
        tellRoom();
      });
      return () => {
        coming -= bytes;
        tellRoom();
      };
    },
    async drain() {
      // a run that began before may have looked already
      await running?.catch(() => undefined);
      const wanted = open;
      // sealed when what was sealed before it is packed
      do {
        seal();
        await drainAll();
      } while (open === wanted && !wanted.empty && !life.stopped);
    },
    damaged,
    forget,
    stop() {
      life.stopped = true;
      cancelTimer?.();
      tellRoom();
    },
  };
}

async function make(serverId: string, lines: Cut): Promise<Block> {
  const block = await makeBlock(serverId, lines, quickLevel);
  giveBack(lines);
  return block;
}

function sizeOf(blocks: readonly Block[]): number {
  return blocks.reduce((sum, block) => sum + block.body.length, 0);
}
