import { expect, setDefaultTimeout, test } from "bun:test";

import type { ErrorsPage } from "#src/protocol/error-group.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { createAgent } from "#test/hub/kit/hub.ts";
import { createClient } from "#test/hub/kit/people.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

// a machine that does much else at the same time takes its time
setDefaultTimeout(60_000);

const hubProcess = new URL("../kit/hub-process.ts", import.meta.url).pathname;
const names = ["total", "refund", "ship"];

const traceback = (name: string, line: number): string[] => [
  "Traceback (most recent call last):",
  `  File "/srv/app/shop/cart.py", line ${line}, in checkout`,
  "    total(cart)",
  `  File "/srv/app/shop/cart.py", line ${line + 30}, in ${name}`,
  "    raise ValueError(amount)",
  `ValueError: bad amount ${line}`,
];

test("a hub that is killed with SIGKILL counts each traceback that it has acknowledged once", async () => {
  await using folder = temporaryFolder();
  const sent = new Map(names.map((name) => [name, 0]));
  let seq = 0;
  let batch = 0;

  async function start() {
    const program = startProgram([process.execPath, hubProcess, folder.path], { cwd: process.cwd() });
    const line = await until(() => /^\{.*\}$/m.exec(program.output())?.[0], "the hub's first line");
    const { url, apiKey, ...first } = JSON.parse(line) as { url: string; apiKey: string; id: string; token: string };
    return {
      program,
      client: createClient(url, { authorization: `Bearer ${apiKey}` }),
      agent: createAgent(url, first),
    };
  }

  /** Entries of a few tracebacks; the last one goes on in the next delivery. */
  function next(): { readonly tracebacks: readonly string[]; readonly entries: readonly LogEntry[] } {
    const tracebacks = Array.from({ length: 20 }, (_, i) => names[(batch + i) % names.length] ?? "");
    batch++;
    const at = new Date().toISOString();
    const lines = tracebacks.flatMap((name, i) => traceback(name, i + 1));
    const entries = lines.map((message): LogEntry => {
      return { seq: ++seq, at, source: "api", stream: "stderr", level: "error", message };
    });
    return { tracebacks, entries };
  }

  for (let round = 0; round < 4; round++) {
    const running = await start();
    await using program = running.program;
    for (let n = 0; n < 8; n++) {
      const { tracebacks, entries } = next();
      const half = Math.floor(entries.length / 2) + 2;
      expect((await running.agent.logs(entries.slice(0, half))).status).toBe(202);
      if (n === 5) await Bun.sleep(100 * round);
      expect((await running.agent.logs(entries.slice(half))).status).toBe(202);
      for (const name of tracebacks) sent.set(name, (sent.get(name) ?? 0) + 1);
    }
    program.kill("SIGKILL");
    await program.exited;
  }
  const running = await start();
  await using _program = running.program;
  const expected = Object.fromEntries([...sent].map(([name, count]) => [`shop/cart.py ${name}`, count]));
  const counts = async () => {
    const { groups } = await running.client.json<ErrorsPage>("/api/errors");
    return Object.fromEntries(groups.map(({ culprit, count }) => [culprit, count]));
  };
  // what comes after all of them is counted after all of them
  const at = new Date().toISOString();
  const last = traceback("last", 1).map((message): LogEntry => {
    return { seq: ++seq, at, source: "api", stream: "stderr", level: "error", message };
  });
  expect((await running.agent.logs(last)).status).toBe(202);
  await until(async () => (await counts())["shop/cart.py last"] === 1, "the last one");
  expect(await counts()).toEqual({ ...expected, "shop/cart.py last": 1 });
});
