import { expect, setDefaultTimeout, test } from "bun:test";

import { openBlocks } from "#src/hub/store/blocks/blocks.ts";
import { systemClock } from "#src/lib/clock.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";
import { exported } from "./open.ts";

setDefaultTimeout(60_000);

const program = new URL("append-program.ts", import.meta.url).pathname;

test("a store that is killed while it makes blocks has every acknowledged entry once and in order", async () => {
  await using folder = temporaryFolder();
  for (let round = 0; round < 3; round++) {
    let output = "";
    {
      await using running = startProgram([process.execPath, program, folder.path], { cwd: process.cwd() });
      // blocks are made from about the twelfth delivery on
      await until(() => running.output().split("\n").length > 12 + round * 2, "some deliveries");
      running.kill("SIGKILL");
      await running.exited;
      output = running.output();
    }
    const acknowledged = Number(output.slice(0, output.lastIndexOf("\n")).split("\n").at(-1));
    const failures: unknown[] = [];
    const store = await openBlocks(folder.path, systemClock, (error) => void failures.push(error));
    const seqs = (await exported(store)).map((one) => one.seq);
    expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, i) => i));
    expect(seqs.length).toBeGreaterThan(acknowledged);
    for await (const { problem } of store.check()) expect(problem).toBeNull();
    if (round === 2) {
      await store.compact();
      expect((await exported(store)).length).toBe(seqs.length);
      expect(store.sizes().blocks).toBeGreaterThan(0);
    }
    expect(failures).toEqual([]);
    store.close();
  }
});
