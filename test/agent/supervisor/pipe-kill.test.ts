import { expect, test } from "bun:test";
import { closeSync, readFileSync, readdirSync } from "node:fs";

import { createCapturePipes } from "#src/agent/supervisor/pipe.ts";
import { systemClock } from "#src/lib/clock.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

test("a reader killed with -9 again and again loses no line, repeats none, and keeps their order", async () => {
  await using folder = temporaryFolder();
  const output = { take: () => false, ready: () => false, position: () => undefined, forget: () => {}, tail: () => [] };
  const pipes = createCapturePipes({ runDir: folder.path, output, clock: systemClock, log: silent });
  const writer = pipes.open("app", "stdout").openWriter();
  // a burst and a trickle, so that kills fall into every part of reading
  const script = "i=0; while [ $i -lt 80 ]; do seq $((i*5000+1)) $((i*5000+5000)); i=$((i+1)); sleep 0.03; done";
  const child = Bun.spawn(["sh", "-c", script], { stdout: writer });
  pipes.stop();
  const reader = [process.execPath, `${import.meta.dir}/../../fixtures/programs/capture.ts`, folder.path];
  let kills = 0;
  while (child.exitCode === null) {
    await using program = startProgram(reader);
    await until(() => program.output().includes("ready"), "the reader");
    await Bun.sleep(20 + Math.random() * 200);
    program.kill("SIGKILL");
    await program.exited;
    kills++;
  }
  const count = (): number => bufferedMessages(folder.path).length;
  await using program = startProgram(reader);
  await until(() => program.output().includes("ready") && count() >= 400_000, "the last lines");
  expect(bufferedMessages(folder.path)).toEqual(Array.from({ length: 400_000 }, (_, i) => String(i + 1)));
  expect(kills).toBeGreaterThan(3);
  // the kernel forgets what is in a pipe that nobody holds open: here the writer's own descriptor stands for the script
  closeSync(writer);
}, 60_000);

/** All messages in the buffer, in the order of their numbers, which must have no gap. */
function bufferedMessages(folder: string): string[] {
  const files = readdirSync(folder).filter((file) => /^buffer\.jsonl(\.\d+)?$/.test(file));
  const entries = files
    .flatMap((file) => readFileSync(`${folder}/${file}`, "utf8").split("\n"))
    .filter((line) => line.endsWith("}"))
    .map((line) => JSON.parse(line) as { seq: number; message: string });
  entries.sort((a, b) => a.seq - b.seq);
  return entries.map(({ message }) => message);
}
