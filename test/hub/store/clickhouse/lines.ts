/** Lines with numbers, senders that repeat what is refused, and what has to be true of what is stored in the end. */
import { expect } from "bun:test";

import type { Appended } from "#src/hub/store/port.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { delivery } from "#test/hub/kit/delivery.ts";
import type { TestHub } from "./rig.ts";

export function line(seq: number): LogEntry {
  return {
    seq,
    at: new Date(Date.UTC(2026, 0, 1) + seq).toISOString(),
    source: `s${seq % 3}`,
    stream: "stdout",
    level: "info",
    message: `line ${seq}`,
  };
}

/** From one number to another, both included. */
export function lines(from: number, to: number): LogEntry[] {
  return Array.from({ length: to - from + 1 }, (_, i) => line(from + i));
}

/** Sends a delivery again and again, as agents do, to whichever hub is next, until one has acknowledged it. */
export async function deliver(
  hubs: () => readonly TestHub[],
  serverId: string,
  entries: readonly LogEntry[],
  batchId: string | null = null,
): Promise<Appended> {
  for (let tries = 0; ; tries++) {
    const all = hubs();
    const hub = all[tries % all.length];
    try {
      const answer = await Promise.race([
        hub?.logs.append(delivery(serverId, entries, batchId)),
        // a hub that was killed never answers
        Bun.sleep(3000).then(() => undefined),
      ]);
      if (answer !== undefined) return answer;
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "unavailable") throw error;
      await Bun.sleep(20);
    }
  }
}

/** Each of these once, with a position of its own; nothing else. */
export function expectOnce(stored: readonly StoredEntry[], wanted: Readonly<Record<string, readonly number[]>>): void {
  const found: Record<string, number[]> = {};
  for (const { serverId, seq } of stored) (found[serverId] ??= []).push(seq);
  for (const own of Object.values(found)) own.sort((a, b) => a - b);
  expect(found).toEqual(Object.fromEntries(Object.entries(wanted).map(([server, own]) => [server, [...own]])));
  const positions = stored.map(({ id }) => Number(id));
  expect(new Set(positions).size).toBe(positions.length);
}

export const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);
