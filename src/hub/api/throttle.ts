/**
 * Guessing is slow: so many attempts a minute from one address, and at one account. What succeeds is given back, so
 * that a busy office behind one address is not locked out.
 */
import { isIPv6 } from "node:net";

import type { Clock } from "#src/lib/clock.ts";
import { HttpFault } from "./problem.ts";

const windowMs = 60_000;
/** Attempts a minute for each address and each account. */
export const maxAttempts = 10;
/** Addresses and accounts that are remembered, about 200 bytes each; the oldest go first. */
const maxKeys = 20_000;

/** One attempt that was let through; `succeeded` gives it back. */
export type Admitted = { succeeded(): void };

export type Throttle = {
  /**
   * Counts an attempt at `kind` from `address` and, if given, at `account`.
   * @throws {HttpFault} 429 with Retry-After, when either has had its share
   */
  admit(kind: string, address: string | null, account?: string): Admitted;
};

export function createThrottle(clock: Pick<Clock, "monotonic">): Throttle {
  const attempts = new Map<string, number[]>();

  /** The attempts of `key` in the last minute. */
  function recent(key: string, now: number): number[] {
    const known = attempts.get(key);
    const kept = known?.filter((at) => at > now - windowMs) ?? [];
    // to the end of the map, which is kept by last use
    attempts.delete(key);
    attempts.set(key, kept);
    for (const oldest of attempts.keys()) {
      if (attempts.size <= maxKeys) break;
      attempts.delete(oldest);
    }
    return kept;
  }

  return {
    admit(kind, address, account) {
      const now = clock.monotonic();
      const keys = [`${kind} from ${networkOf(address)}`];
      if (account !== undefined) keys.push(`${kind} at ${account}`);
      const lists = keys.map((key) => recent(key, now));
      for (const list of lists) {
        const [first] = list;
        if (list.length < maxAttempts || first === undefined) continue;
        const seconds = Math.max(1, Math.ceil((first + windowMs - now) / 1000));
        throw new HttpFault(429, `too many attempts; try again in ${seconds} s`, { "retry-after": String(seconds) });
      }
      for (const list of lists) list.push(now);
      return {
        succeeded() {
          // an attempt that came meanwhile has left others there
          for (const key of keys) {
            const list = attempts.get(key) ?? [];
            const index = list.indexOf(now);
            if (index !== -1) list.splice(index, 1);
          }
        },
      };
    },
  };
}

/** An IPv6 customer has 2^64 addresses at least (RFC 6177): all of them count as one. */
export function networkOf(address: string | null): string {
  if (address === null) return "here";
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped?.[1] !== undefined) return mapped[1];
  if (!isIPv6(address)) return address;
  const [left = "", right = ""] = address.split("%")[0]?.toLowerCase().split("::") ?? [];
  const head = left === "" ? [] : left.split(":");
  const tail = right === "" ? [] : right.split(":");
  const zeros = address.includes("::") ? Math.max(0, 8 - head.length - tail.length) : 0;
  const groups = [...head, ...Array<string>(zeros).fill("0"), ...tail];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}
