/** Where the state of one script is written down for the next daemon; a disk that refuses is told of once. */
import { reasonOf } from "#src/protocol/fault.ts";

import type { Records, ScriptRecord } from "./state.ts";

export type Book = {
  write(record: () => ScriptRecord): void;
  /** Why the last one could not be written. */
  unwritten(): string | undefined;
};

/** @param onRefused when writing begins to fail */
export function createBook(records: Pick<Records, "write">, onRefused: (why: string) => void): Book {
  let why: string | undefined;
  return {
    write(record) {
      try {
        records.write(record());
        why = undefined;
      } catch (error) {
        if (why === undefined) onRefused(reasonOf(error));
        why = reasonOf(error);
      }
    },
    unwritten: () => why,
  };
}
