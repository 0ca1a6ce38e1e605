/** A hub with something of everything in it: servers, people, sources, events, errors, log lines, metrics. */
import { expect } from "bun:test";

import { timestamp } from "#src/lib/clock.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { type TestHub, crash, entries, entry } from "#test/hub/kit/hub.ts";

const deliveries = 4;

export const traceback = [
  "Traceback (most recent call last):",
  '  File "/srv/app.py", line 12, in handle',
  "    raise ValueError(order)",
  "ValueError: no such order",
];

/** Fills it; `more` adds as much again. @param lines of one delivery, of twelve */
export async function fillHub(hub: TestHub, lines: number): Promise<{ more(): Promise<void> }> {
  const agents = await Promise.all(["web-1", "web-2", "db-1"].map((name) => hub.agent(name)));
  await hub.viewer();
  await hub.source("api");
  let seq = 1;
  let minutes = 120;

  async function more(): Promise<void> {
    const taken: Response[] = [];
    for (const agent of agents) {
      for (let n = 0; n < deliveries; n++)
        taken.push(await agent.logs(entries(seq + n * lines, seq + (n + 1) * lines - 1)));
      const error: LogEntry[] = traceback.map((message, i) => ({
        ...entry(seq + deliveries * lines + i),
        // groups of the fixed day would be forgotten at the next start
        at: timestamp(Date.now() - minutes * 60_000 + i),
        stream: "stderr",
        level: "error",
        message,
      }));
      taken.push(await agent.logs(error));
      for (let n = 0; n < 30; n++) {
        const at = timestamp(Date.now() - (minutes - n) * 60_000);
        taken.push(await agent.beat({ at }));
      }
      taken.push(await agent.event({ ...crash(), seq }));
    }
    expect(taken.filter(({ ok }) => !ok).map(({ status }) => status)).toEqual([]);
    seq += deliveries * lines + traceback.length;
    minutes -= 30;
  }

  await more();
  return { more };
}
