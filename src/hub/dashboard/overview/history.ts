/** The last hour of every server, for the lines beside its figures: loaded once, then carried on by what comes live. */
import { type ReadonlySignal, effect, signal } from "@preact/signals";

import type { Server } from "#src/protocol/api.ts";
import type { FleetHistory, ServerHistory } from "#src/protocol/history.ts";
import { get } from "../client.ts";
import { servers } from "../live.ts";
import { systemOf } from "./list.ts";

const lines = signal<ReadonlyMap<string, ServerHistory>>(new Map());

/** By server id. A server that has not changed has the same object as before. */
export const history: ReadonlySignal<ReadonlyMap<string, ServerHistory>> = lines;

/** Again this long after a failure, in milliseconds. */
const againMs = 30_000;

/** Follows while it is shown. @returns ends it */
export function startHistory(): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let step = 0;
  let ended = false;
  // when each server's last value began, and what is known of it
  const open = new Map<string, { slot: number; seen: Server }>();

  async function load(): Promise<void> {
    const { step: seconds, servers: all } = await get<FleetHistory>("/api/fleet/history");
    if (ended) return;
    step = seconds * 1000;
    lines.value = new Map(Object.entries(all));
  }

  function loadOrRetry(): void {
    load().catch(() => {
      // the figures are there all the same; the lines come later
      if (!ended) timer = setTimeout(loadOrRetry, againMs);
    });
  }

  const stop = effect(() => {
    const now = servers.value;
    const known = lines.peek();
    if (step === 0) return;
    let next: Map<string, ServerHistory> | undefined;
    const slot = Math.floor(Date.now() / step);
    for (const server of now) {
      const before = open.get(server.id);
      if (before?.seen === server) continue;
      open.set(server.id, { slot, seen: server });
      const line = known.get(server.id);
      if (before === undefined || line === undefined) continue;
      next ??= new Map(known);
      next.set(server.id, carryOn(line, server, slot - before.slot));
    }
    if (next !== undefined) lines.value = next;
  });

  loadOrRetry();
  return () => {
    ended = true;
    clearTimeout(timer);
    stop();
  };
}

/** The line moved on by so many steps, its last value that of now. */
function carryOn(line: ServerHistory, server: Server, steps: number): ServerHistory {
  const system = systemOf(server);
  const network = system?.network;
  const move = (values: readonly (number | null)[], value: number | null) => {
    const gap = Array.from({ length: Math.max(0, Math.min(steps - 1, values.length)) }, () => null);
    return steps > 0 ? [...values, ...gap, value].slice(-values.length) : [...values.slice(0, -1), value];
  };
  return {
    cpu: move(line.cpu, system?.cpu.usage ?? null),
    memory: move(line.memory, system?.memory.usage ?? null),
    network: move(line.network, network == null ? null : (network.rxRate ?? 0) + (network.txRate ?? 0)),
  };
}
