/** How a migration tells how far it is, and what it says in the end. */
import type { Difference } from "./sums.ts";

export type MigrationPart = "events" | "logs" | "metrics" | "state" | "people" | "errors" | "check";

export type MigrationProgress = {
  readonly part: MigrationPart;
  /** lines, numbers or rows that are done, and how many there are in all; null: nobody knows */
  readonly done: number;
  readonly of: number | null;
  /** bytes of them in this run */
  readonly bytes: number;
};

export type MigrationReport = {
  /** copying: the hub works where it is; done: it may be started where it is now; different: it can't, see `differences` */
  readonly state: "copying" | "done" | "different";
  /** log lines that the target has, and that are still to come */
  readonly lines: number;
  readonly linesLeft: number;
  /** rows of tables that were compared, and all that was not the same */
  readonly compared: number;
  readonly differences: readonly Difference[];
  /** what could not be read in the source, and is left out */
  readonly damaged: readonly string[];
};

/** Tells of one part at a time. */
export function createTeller(tell: (progress: MigrationProgress) => void) {
  let now: { part: MigrationPart; done: number; of: number | null; bytes: number } | undefined;
  return {
    begin: (part: MigrationPart, of: number | null, done = 0): void => {
      now = { part, done, of, bytes: 0 };
      tell({ ...now });
    },
    /** All of it is there: how much that would be was not known exactly. */
    complete: (): void => {
      if (now === undefined || now.of === null) return;
      now.of = now.done;
      tell({ ...now });
    },
    add: (done: number, bytes = 0): void => {
      if (now === undefined) return;
      now.done += done;
      now.bytes += bytes;
      tell({ ...now });
    },
  };
}

export type Teller = ReturnType<typeof createTeller>;
