import { join } from "node:path";

import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { openEngine } from "#src/hub/auth/engine.ts";
import { openSecret } from "#src/hub/auth/secret.ts";
import { openAuthDatabase } from "#src/hub/store/auth-database.ts";
import { storageFault } from "#src/hub/store/commits.ts";
import type { MigrationReport } from "#src/hub/store/migrate/progress.ts";
import { openBlockStore } from "#src/hub/store/search/store.ts";
import { openStateStore } from "#src/hub/store/state.ts";
import { systemClock, timestamp } from "#src/lib/clock.ts";
import { haveClickhouse, startClickhouse } from "#test/kit/clickhouse.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { freshDatabase, havePostgres } from "#test/kit/postgres.ts";
import { crash, entries } from "./kit/hub.ts";
import { delivery } from "./kit/delivery.ts";
import { project, server } from "./store/open.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

/** Where a run is killed: at the first step of this kind. The last one is let go on. */
const kills = ["step logs 6", "step logs 1", "step state", "step errors", "step check", null];

describe.skipIf(!havePostgres || !haveClickhouse)("a migration (needs PostgreSQL and ClickHouse)", () => {
  test("that is killed again and again brings everything once", async () => {
    await using folder = temporaryFolder();
    await using database = await freshDatabase();
    await using clickhouse = await startClickhouse();
    const url = await clickhouse.freshDatabase();
    await makeFolder(folder.path);
    for (const kill of kills) {
      const report = await run([folder.path, database.url, url, "--finish"], kill);
      if (kill !== null) continue;
      expect(report).toMatchObject({ state: "done", lines: 100_000, linesLeft: 0, differences: [], damaged: [] });
    }
    const name = new URL(url).pathname.slice(1);
    expect(await clickhouse.ask("SELECT count(), uniqExact(position), uniqExact((server, seq)) FROM logs", name)).toBe(
      "100000\t100000\t100000\n",
    );
    expect(await database.query("SELECT count(*)::int AS events, max(position)::int AS last FROM events")).toEqual([
      { events: 2000, last: 2000 },
    ]);
  }, 60_000);
});

/** Servers, events and lines of the last hours. */
async function makeFolder(path: string): Promise<void> {
  const secret = openSecret(path);
  const state = await openStateStore(path, systemClock);
  await state.putProject(project("p1"));
  const at = Date.now() - 3_600_000;
  for (let n = 0; n < 4; n++) {
    await state.putServer(server(`s${n}`));
    const events = Array.from({ length: 500 }, (_, i) => ({ ...crash({ at: timestamp(at + i) }), seq: i + 1 }));
    await state.appendEvents({ serverId: `s${n}`, batchId: null, events });
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
  const auth = await openAuthDatabase(path);
  const quiet = { warn: () => undefined };
  await openEngine({ database: { ...auth, faultOf: storageFault }, secret, secure: true, log: quiet });
  auth.close();
}

/** Runs it; kills it with -9 when a line begins with `kill`. @returns what it reported; undefined: it was killed */
async function run(words: readonly string[], kill: string | null): Promise<MigrationReport | undefined> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "migrate-program.ts"), ...words], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const failed = new Response(child.stderr).text();
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of child.stdout) {
    text += decoder.decode(chunk, { stream: true });
    if (kill !== null && text.includes(kill)) child.kill("SIGKILL");
  }
  await child.exited;
  const report = /^report (.*)$/m.exec(text)?.[1];
  if (report === undefined && !text.includes(kill ?? "report")) throw new Error(`it failed: ${await failed}`);
  return report === undefined ? undefined : (JSON.parse(report) as MigrationReport);
}
