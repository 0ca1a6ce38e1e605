/**
 * A database adapter whose failures are Faults: a disk that is full or read-only is a passing state, which people are
 * told to wait out, and not a defect of sign-in.
 */
import type { DBAdapter } from "better-auth";

import { Fault, errnoOf, reasonOf } from "#src/protocol/fault.ts";
import type { AuthDatabase } from "./ports.ts";

/**
 * SQLite undoes a transaction by itself when the disk is full (sqlite.org/lang_transaction.html). What then tells of the
 * failure is the vain attempt of the query builder to undo it, too.
 */
const undoneAlready = /no transaction is active/;

const ofDatabase = /^(?:SQLITE_|ERR_POSTGRES_)/;

/** `inner`, with what its database throws made into Faults by `faultOf`; what others throw stays as it is. */
export function tellFailures(inner: DBAdapter, faultOf: AuthDatabase["faultOf"]): DBAdapter {
  function failure(error: unknown): unknown {
    if (!ofDatabase.test(errnoOf(error) ?? "")) return error;
    if (!undoneAlready.test(reasonOf(error))) return faultOf(error);
    return new Fault("unavailable", "can't write to the store: the transaction was undone", {
      hint: "Free some space on the disk of the hub's data folder",
      cause: error,
    });
  }

  const telling = Object.entries(inner).map(([name, member]: [string, unknown]) => {
    if (typeof member !== "function") return [name, member];
    const call = async (...given: unknown[]): Promise<unknown> => {
      try {
        return await (member as (...given: unknown[]) => unknown).apply(inner, given);
      } catch (error) {
        throw failure(error);
      }
    };
    return [name, call];
  });
  return Object.fromEntries(telling) as DBAdapter;
}
