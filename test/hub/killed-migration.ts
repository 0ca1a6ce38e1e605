/** A hub's folder made without a hub, and migrations in processes of their own that are killed at a step. */
import { Database } from "bun:sqlite";
import { join } from "node:path";

import { openEngine } from "#src/hub/auth/engine.ts";
import { openSecret } from "#src/hub/auth/secret.ts";
import { openAuthDatabase } from "#src/hub/store/auth-database.ts";
import { storageFault } from "#src/hub/store/commits.ts";
import type { MigrationReport } from "#src/hub/store/migrate/progress.ts";
import { openBlockStore } from "#src/hub/store/search/store.ts";
import { openSeriesStore } from "#src/hub/store/series/series.ts";
import { openStateStore } from "#src/hub/store/state.ts";
import { systemClock, timestamp } from "#src/lib/clock.ts";
import { crash, entries } from "./kit/hub.ts";
import { delivery } from "./kit/delivery.ts";
import { everything } from "./store/migrate/rig.ts";
import { project, server } from "./store/open.ts";

const servers = ["s0", "s1", "s2", "s3"];
/** Of one server, a minute after the other. */
const samples = 300;
export const figures = servers.length * samples;
const template = {
  name: "thing",
  metrics: [{ name: "level", counter: false, scale: { unit: 1, bits: 20 } }],
};

/** Servers, events and lines of the last hours. */
export async function makeFolder(path: string): Promise<void> {
  const secret = openSecret(path);
  const state = await openStateStore(path, systemClock);
  await state.putProject(project("p1"));
  const at = Date.now() - 3_600_000;
  for (const name of servers) {
    await state.putServer(server(name));
    const events = Array.from({ length: 500 }, (_, i) => ({ ...crash({ at: timestamp(at + i) }), seq: i + 1 }));
    await state.appendEvents({ serverId: name, batchId: null, events });
  }
  state.close();
  const logs = await openBlockStore(path, systemClock, (error) => {
    throw error;
  });
  for (let n = 0; n < 10; n++) {
    const lines = entries(n * 10_000 + 1, (n + 1) * 10_000).map((one) => ({ ...one, at: timestamp(at + one.seq) }));
    await logs.append(delivery(`s${n % 4}`, lines));
  }
  logs.close();
  const series = await openSeries(path);
  for (const name of servers) {
    for (let n = 0; n < samples; n++) series.append(name, at - n * 60_000, [{ template, name: "" }], [n % 50]);
  }
  await series.close();
  const auth = await openAuthDatabase(path);
  const quiet = { warn: () => undefined };
  await openEngine({ database: { ...auth, faultOf: storageFault }, secret, secure: true, log: quiet });
  auth.close();
}

/** Every line, event and figure of a folder. */
export async function everythingIn(path: string) {
  const fail = (error: unknown) => {
    throw error;
  };
  const logs = await openBlockStore(path, systemClock, fail);
  const lines = await everything(logs);
  logs.close();
  const state = new Database(join(path, "state.db"), { readonly: true, strict: true });
  const events = state.query("SELECT position, server, at_ms, type, body FROM events ORDER BY position").all();
  state.close();
  const series = await openSeries(path);
  const query = { tier: 0, fromS: 0, toS: 2 ** 32 } as const;
  const numbers = await Promise.all(servers.map((name) => series.read(name, query)));
  await series.close();
  return { lines, events, numbers };
}

const openSeries = async (path: string) =>
  await openSeriesStore(path, {
    clock: systemClock,
    retention: { raw: 7 * 86_400, minutes: 90 * 86_400, hours: 400 * 86_400 },
    warn: (message) => {
      throw new Error(message);
    },
  });

/**
 * Runs it; kills it with -9 at a step that `isLast` finds. @returns what it reported; undefined: it was killed
 */
export async function runProgram(
  words: readonly string[],
  isLast: (step: string) => boolean,
): Promise<MigrationReport | undefined> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "migrate-program.ts"), ...words], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const failed = new Response(child.stderr).text();
  const decoder = new TextDecoder();
  let rest = "";
  let killed = false;
  let report: MigrationReport | undefined;
  for await (const chunk of child.stdout) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("report ")) report = JSON.parse(line.slice("report ".length)) as MigrationReport;
      else if (!killed && isLast(line.slice("step ".length))) {
        killed = true;
        child.kill("SIGKILL");
      }
    }
  }
  await child.exited;
  if (report === undefined && !killed) throw new Error(`it failed: ${await failed}`);
  return report;
}
