/**
 * Keeps a hub's copy up with the common log. A copy that is not the beginning of the log is thrown away: its hub was killed
 * between writing and telling, or its turn had been over, or the log itself was set back.
 */
import { renameSync } from "node:fs";
import { join } from "node:path";

import type { Clock } from "#src/lib/clock.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { type Applied, type Copy, openCopy } from "./shared-copy.ts";
import type { ErrorLog, Head } from "./shared-log.ts";
import { unpackEntry } from "./shared-operations.ts";
import { loadSnapshot, removeDatabase } from "./shared-snapshot.ts";

export const copyName = "errors-copy.db";
const loadingName = "errors-loading.db";
/** A snapshot may be replaced while it is loaded. */
const maxLoads = 5;
/** After a copy could not be loaded: it is much to read each time. */
const loadAgainMs = 5000;
/** After what the log has could not be applied, although the disk is good: loading will hardly help twice. */
const applyAgainMs = 60_000;

export type CopyingWorld = {
  readonly folder: string;
  readonly log: ErrorLog;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
  /** What listeners of the hub that did it were told; null: anything may have changed. */
  readonly onApplied: (told: readonly unknown[] | null) => void;
};

export type Copying = {
  /** Throws a Fault `unavailable` in the moment in which one copy takes the place of another. */
  readonly copy: () => Copy;
  /** Brings the copy to the log's end, or to a head that is known. One at a time. */
  readonly catchUp: (head?: Head) => Promise<void>;
  close(): void;
};

/** What has become of a copy: at the end of the log, on its way, or of no use. */
type Reached = "end" | "way" | "nowhere";

/** Opens the copy as it is. */
export async function openCopying({ folder, log, clock, warn, onApplied }: CopyingWorld): Promise<Copying> {
  removeDatabase(folder, loadingName);
  let copy: Copy | undefined = await openOrMake();
  // the turn in which the copy was last found to be the beginning of the log
  let checkedIn: string | undefined;
  let mayLoadAtMs = Number.NEGATIVE_INFINITY;

  async function openOrMake(): Promise<Copy> {
    try {
      return await openCopy(folder, copyName);
    } catch (error) {
      warn(`the copy of the error groups is of no use, it is loaded anew: ${reasonOf(error)}`);
      removeDatabase(folder, copyName);
      return await openCopy(folder, copyName);
    }
  }

  function current(): Copy {
    if (copy !== undefined) return copy;
    throw new Fault("unavailable", "the error groups are being loaded", { hint: "Try again in a moment" });
  }

  /** Applies what the log has next. */
  async function advance(to: Copy, head: Head, apply: (told: readonly unknown[]) => void): Promise<Reached> {
    const { logId, position, term } = to.mark();
    if (logId !== head.logId || position > head.position) return "nowhere";
    if (position === head.position && term !== "" && checkedIn === head.term && to === copy) return "end";
    const rows = await log.read(position);
    const [first] = rows;
    const known = position === 0 ? term === "" : first?.position === position && first.term === term;
    const { snapshot } = head;
    if (!known && (snapshot?.position !== position || snapshot.term !== term)) return "nowhere";
    if (to === copy) checkedIn = head.term;
    const next = rows.filter((row) => row.position > position);
    if (next.length === 0) return position >= head.position ? "end" : "nowhere";
    if (next.some((row, i) => row.position !== position + 1 + i)) return "nowhere";
    const entries = await Promise.all(next.map(async (row) => ({ ...row, ...(await unpackEntry(row.body)) })));
    const anew = entries.findIndex(({ operation }) => operation.op === "anew");
    const usable: readonly (Applied & { readonly told: readonly unknown[] })[] =
      anew === -1 ? entries : entries.slice(0, anew);
    for (let done = 0; done < usable.length;) {
      const count = to.apply(usable.slice(done));
      apply(usable.slice(done, done + count).flatMap(({ told }) => told));
      done += count;
      if (done < usable.length) await rest();
    }
    if (anew !== -1) return "nowhere";
    return to.mark().position >= head.position ? "end" : "way";
  }

  /** Lets others have their turn. */
  function rest(): Promise<void> {
    return new Promise((resolve) => clock.after(0, resolve));
  }

  async function follow(to: Copy, head: Head, apply: (told: readonly unknown[]) => void): Promise<Reached> {
    for (;;) {
      const reached = await advance(to, head, apply);
      if (reached !== "way") return reached;
      await rest();
    }
  }

  /** false: the copy is of no use. */
  async function canFollow(own: Copy, head: Head): Promise<boolean> {
    try {
      return (await follow(own, head, onApplied)) !== "nowhere";
    } catch (error) {
      const isBroken = error instanceof Fault && error.code === "failed";
      if (!isBroken || clock.monotonic() < mayLoadAtMs) throw error;
      warn(`the copy of the error groups is of no use, it is loaded anew: ${reasonOf(error)}`);
      mayLoadAtMs = clock.monotonic() + applyAgainMs;
      await tryToLoad();
      return true;
    }
  }

  async function loadAnew(): Promise<void> {
    if (clock.monotonic() < mayLoadAtMs) {
      throw new Fault("unavailable", "the error groups could not be loaded", { hint: "It is tried again in a moment" });
    }
    mayLoadAtMs = clock.monotonic() + loadAgainMs;
    await tryToLoad();
    mayLoadAtMs = Number.NEGATIVE_INFINITY;
  }

  /** Loads the newest snapshot and what came after it beside the copy, and puts it in the copy's place. */
  async function tryToLoad(): Promise<void> {
    for (let tries = 1; tries <= maxLoads; tries++) {
      const head = await log.head();
      const { snapshot } = head;
      removeDatabase(folder, loadingName);
      if (snapshot !== null && !(await loadSnapshot({ folder, log, clock }, snapshot, loadingName))) continue;
      const loading = await openCopy(folder, loadingName);
      try {
        const { position, term } = snapshot ?? { position: 0, term: "" };
        loading.setMark({ logId: head.logId, position, term });
        if ((await follow(loading, head, () => undefined)) === "nowhere") continue;
      } finally {
        loading.close();
      }
      await replace();
      checkedIn = undefined;
      onApplied(null);
      return;
    }
    throw new Fault("unavailable", "the error groups can't be loaded: their log changes all the time");
  }

  async function replace(): Promise<void> {
    const before = copy;
    copy = undefined;
    before?.close();
    removeDatabase(folder, copyName);
    renameSync(join(folder, loadingName), join(folder, copyName));
    copy = await openCopy(folder, copyName);
  }

  return {
    copy: current,
    async catchUp(known) {
      // it could not be opened after the last time
      copy ??= await openOrMake();
      const head = known ?? (await log.head());
      const own = current();
      if (own.mark().logId === "" && head.snapshot === null) own.setMark({ logId: head.logId, position: 0, term: "" });
      if (!(await canFollow(own, head))) await loadAnew();
    },
    close: () => copy?.close(),
  };
}
