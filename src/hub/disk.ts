/** How much space is left where the hub's data lies. */
import { statfsSync } from "node:fs";

import { Fault } from "#src/protocol/fault.ts";

const mebibyte = 1024 * 1024;
const gibibyte = 1024 * mebibyte;

export type DiskState = {
  /** what this user may still write */
  readonly freeBytes: number;
  readonly sizeBytes: number;
  /** what is to stay free */
  readonly reserveBytes: number;
  /** low: less than the reserve is free; full: less than half of it, which deleting itself may need */
  readonly state: "enough" | "low" | "full";
};

export type Disk = { readonly read: () => DiskState };

/** The smaller parts of statfs(2) that matter here, in blocks of `bsize` bytes. */
type ReadStatfs = (path: string) => { readonly bsize: number; readonly blocks: number; readonly bavail: number };

/**
 * The disk of `folder`. `reserve` bytes of it are to stay free; null: 512 MiB or a fiftieth of it, whichever is more, but
 * of a small disk no more than a tenth.
 */
export function createDisk(folder: string, reserve: number | null, readStatfs: ReadStatfs = statfsSync): Disk {
  return {
    read() {
      const { bsize, blocks, bavail } = readStatfs(folder);
      const [freeBytes, sizeBytes] = [bavail * bsize, blocks * bsize];
      const reserveBytes = reserve ?? Math.min(Math.max(512 * mebibyte, sizeBytes / 50), sizeBytes / 10);
      const state = freeBytes < reserveBytes / 2 ? "full" : freeBytes < reserveBytes ? "low" : "enough";
      return { freeBytes, sizeBytes, reserveBytes, state };
    },
  };
}

/**
 * What is wrong with it, in words; null: nothing. Names no path: strangers may ask.
 * @param linesOnDisk whether log lines are on it
 */
export function diskProblem(
  { state, freeBytes, sizeBytes, reserveBytes }: DiskState,
  linesOnDisk = true,
): string | null {
  if (state === "enough") return null;
  const figures = `${sizeText(freeBytes)} of ${sizeText(sizeBytes)} are free`;
  if (!linesOnDisk)
    return `the disk of the hub's data is nearly full: ${figures}, and ${sizeText(reserveBytes)} should be`;
  return state === "full"
    ? `the disk of the hub's data is full: ${figures}; no log lines are taken`
    : `the disk of the hub's data is nearly full: ${figures}, and ${sizeText(reserveBytes)} should be; the oldest log lines go`;
}

/**
 * The store with deliveries refused while the disk is full: SQLite itself can't delete anything once there is no room left
 * for its log of writes. They reject with a Fault `unavailable`, upon which an agent waits and tries again.
 */
export function refuseWhenFull<S extends { append(batch: never): Promise<unknown> }>(store: S, disk: Disk): S {
  return {
    ...store,
    async append(batch: never) {
      const state = disk.read();
      if (state.state === "full") {
        throw new Fault("unavailable", diskProblem(state) ?? "", {
          hint: "Free some space on the disk of the hub's data folder",
        });
      }
      return await store.append(batch);
    },
  };
}

/** 1.4 GiB, 12.0 MiB. */
function sizeText(bytes: number): string {
  return bytes < gibibyte ? `${(bytes / mebibyte).toFixed(1)} MiB` : `${(bytes / gibibyte).toFixed(1)} GiB`;
}
