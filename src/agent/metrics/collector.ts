/** What each collector is: one part of the system's figures. */
import type { Clock } from "#src/lib/clock.ts";
import type { Reading } from "#src/procfs/reading.ts";
import type { TextFiles } from "./text-files.ts";

/** What collectors know of the world. */
export type World = {
  /** where procfs is mounted */
  readonly procPath: string;
  /** the path whose filesystem is reported */
  readonly diskPath: string;
  readonly clock: Clock;
  readonly files: TextFiles;
};

export type Collector<T> = {
  /** what it reads, as a problem names it */
  readonly what: string;
  /** what is reported when there is no value: nulls */
  readonly blank: T;
  /** Starts a series of readings; shares and rates of a reading are since the one before in the same series. */
  readonly open: () => () => Reading<T>;
};
