/** What ClickHouse and the way to it fail with, as Faults. */
import { ClickHouseError } from "@clickhouse/client-web";

import { Fault, reasonOf } from "#src/protocol/fault.ts";

/** What passes by itself or with a restart: overload, memory, merges that lag, replicas and Keeper that are away. */
const passing = new Set(
  `TIMEOUT_EXCEEDED TOO_MANY_SIMULTANEOUS_QUERIES SOCKET_TIMEOUT NETWORK_ERROR NO_ZOOKEEPER ABORTED MEMORY_LIMIT_EXCEEDED
  TABLE_IS_READ_ONLY NOT_ENOUGH_SPACE TOO_MANY_PARTS NO_ACTIVE_REPLICAS TOO_FEW_LIVE_REPLICAS UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
  ALL_CONNECTION_TRIES_FAILED UNKNOWN_STATUS_OF_INSERT ALL_REPLICAS_ARE_STALE ALL_REPLICAS_LOST CANNOT_SCHEDULE_TASK
  QUERY_WAS_CANCELLED KEEPER_EXCEPTION SERVER_OVERLOADED SYSTEM_SHUTDOWN TABLE_IS_DROPPED CANNOT_ALLOCATE_MEMORY
  RECEIVED_ERROR_TOO_MANY_REQUESTS UNFINISHED DNS_ERROR EOFEXCEPTION CANNOT_READ_ALL_DATA`.split(/\s+/),
);
const denied = new Set(["AUTHENTICATION_FAILED", "WRONG_PASSWORD", "REQUIRED_PASSWORD", "UNKNOWN_USER"]);

/** The fault of a failed request. It has no part of the URL but `address`: host and port. */
export function clickhouseFault(error: unknown, address: string): Fault {
  if (error instanceof Fault) return error;
  const why = reasonOf(error).trim().replace(/\.$/, "");
  if (!(error instanceof ClickHouseError)) {
    return new Fault("unavailable", `can't reach ClickHouse at ${address}: ${why}`, {
      hint: "Check that it runs, and host and port in clickhouseUrl",
      cause: error,
    });
  }
  const type = error.type ?? "";
  if (denied.has(type)) {
    return new Fault("denied", `ClickHouse at ${address} refuses the hub: ${why}`, {
      hint: "Check user and password in clickhouseUrl",
      cause: error,
    });
  }
  return new Fault(passing.has(type) ? "unavailable" : "failed", `ClickHouse at ${address} says: ${why} (${type})`, {
    hint: passing.has(type) ? "It passes by itself as a rule; see ClickHouse's log" : "See ClickHouse's log",
    cause: error,
  });
}

/** Whether nothing is wrong but that it is not there now. */
export function isAway(error: unknown): boolean {
  return error instanceof Fault && error.code === "unavailable";
}

/** The name of what ClickHouse says is wrong, such as UNKNOWN_TABLE. */
export function clickhouseErrorOf(error: unknown): string | undefined {
  const cause = error instanceof Fault ? error.cause : error;
  return cause instanceof ClickHouseError ? cause.type : undefined;
}
