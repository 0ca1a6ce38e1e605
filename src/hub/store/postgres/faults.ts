/** What failures of the database mean. None of its texts holds a secret: neither does Bun's nor PostgreSQL's message. */
import { Fault, errnoOf, reasonOf } from "#src/protocol/fault.ts";
import { poolerRefusal } from "./refusals.ts";
import { sqlstateOf } from "./sqlstate.ts";

export { sqlstateOf } from "./sqlstate.ts";

/**
 * SQLSTATE classes and codes of what passes by itself or by the hand of whoever runs the database (PostgreSQL
 * documentation, appendix A): connections, full disk or too many connections, shut down or starting, cancelled by a
 * timeout, disk errors, a standby that does not take writes, locks, serialization, and passwords that were changed.
 */
const passing = /^(?:08|53|57|58|28|40|25006|25P03|3D000|55P03)/;
/**
 * Bun's own codes: docs/runtime/sql "PostgreSQL Connection Errors"; and OpenSSL's of a certificate, which whoever runs the
 * database renews.
 */
const passingCode =
  /^(?:ERR_POSTGRES_(?:CONNECTION|IDLE|LIFETIME|TLS|QUERY_CANCELLED|AUTH|SASL)|E[A-Z]+$|ERR_TLS_|CERT_|SELF_SIGNED_|DEPTH_ZERO_|UNABLE_TO_)/;
const uniqueViolation = "23505";

/** Whether a transaction failed only because of others that ran beside it: it may be tried again from its start. */
export function isCollision(error: unknown): boolean {
  const state = sqlstateOf(error);
  return state === "40001" || state === "40P01";
}

/** Whether the database is away, starting, or was just lost: nothing is wrong with what was asked of it. */
export function isAway(error: unknown): boolean {
  const state = sqlstateOf(error);
  if (state !== undefined) return /^(?:08|57P0|53300)/.test(state);
  return /^(?:ERR_POSTGRES_CONNECTION|E[A-Z]+$)/.test(errnoOf(error) ?? "");
}

/** What CREATE … IF NOT EXISTS meets when another hub is in the middle of the same: it is there when it is tried again. */
export function isMakingTwice(error: unknown): boolean {
  return /^(?:23505|42P07|42710|40001|XX000)$/.test(sqlstateOf(error) ?? "");
}

/** A Fault for whatever a query has thrown: `unavailable` (it passes), `conflict` (it exists already) or `failed`. */
export function faultOf(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const pooler = poolerRefusal(error);
  if (pooler !== undefined) {
    return new Fault("unavailable", `the database can't be used: ${pooler.why}`, { hint: pooler.hint, cause: error });
  }
  const state = sqlstateOf(error);
  if (state === uniqueViolation) return new Fault("conflict", "it exists already", { cause: error });
  if (state === undefined ? passingCode.test(errnoOf(error) ?? "") : passing.test(state)) {
    return new Fault("unavailable", `the database can't be used: ${reasonOf(error)}`, {
      hint: "Try again in a moment; if it stays, see the log of PostgreSQL",
      cause: error,
    });
  }
  return new Fault("failed", `the database refused what was asked of it: ${reasonOf(error)}`, {
    hint: "See the hub's log and the log of PostgreSQL",
    cause: error,
  });
}
