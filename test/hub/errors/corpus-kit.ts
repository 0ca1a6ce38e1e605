/** The corpus: what programs really printed, and lines after the documentation of those that can't be run here. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import type { ErrorEvent } from "#src/hub/errors/event.ts";
import { briefly, textLines, type TestLine } from "./assembly-lines.ts";

export const corpusFolder = join(import.meta.dir, "../../fixtures/errors");

export type Recording = {
  /** `recorded/java-shop` */
  readonly name: string;
  readonly lines: readonly TestLine[];
};

export const recordings: readonly Recording[] = ["recorded", "documented"].flatMap((folder) =>
  readdirSync(join(corpusFolder, folder))
    .filter((file) => file.endsWith(".txt"))
    .sort()
    .map((file) => ({
      name: `${folder}/${file.slice(0, -4)}`,
      lines: textLines(readFileSync(join(corpusFolder, folder, file), "utf8")),
    })),
);

/** An event as it lies beside its recording in `expected/`. */
export function expectation(event: ErrorEvent) {
  const { firstPosition, lastPosition, logger, database, thread, release } = event;
  return { lines: [firstPosition, lastPosition], ...briefly(event), logger, database, thread, release };
}

export const expectedFile = ({ name }: Recording): string =>
  join(corpusFolder, "expected", `${name.replace("/", "-")}.json`);
