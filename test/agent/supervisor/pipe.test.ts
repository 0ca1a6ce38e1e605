import { describe, expect, test } from "bun:test";
import { closeSync, existsSync, readFileSync, statSync, writeSync } from "node:fs";

import type { CapturePipes } from "#src/agent/supervisor/output.ts";
import { createCapturePipes } from "#src/agent/supervisor/pipe.ts";
import type { OutputChunk } from "#src/agent/supervisor/ports.ts";
import { systemClock } from "#src/lib/clock.ts";
import { mountSmallDisk, smallDiskMissing } from "#test/e2e/kit/small-disk.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** A taker that remembers what it took and how far. */
function createTaker() {
  const taker = {
    text: "",
    pieces: [] as { part: number; last: boolean; length: number }[],
    positions: new Map<string, number>(),
    /** chunks that do not begin where the one before ended */
    gaps: [] as { known: number; begin: number }[],
    open: true,
    take(chunk: OutputChunk): boolean {
      if (!taker.open) return false;
      const begin = chunk.end - chunk.bytes.length;
      const known = taker.positions.get(`${chunk.source}/${chunk.stream}`) ?? 0;
      // the last piece of a line comes without its newline
      if (begin !== known && chunk.piece?.last !== true) taker.gaps.push({ known, begin });
      taker.text += Buffer.from(chunk.bytes).toString();
      if (chunk.piece !== undefined) taker.pieces.push({ ...chunk.piece, length: chunk.bytes.length });
      taker.positions.set(`${chunk.source}/${chunk.stream}`, chunk.end);
      return true;
    },
    ready: () => taker.open,
    position: (source: string, stream: string) => taker.positions.get(`${source}/${stream}`),
    forget: () => {},
    tail: () => [],
  };
  return taker;
}

function pipesIn(runDir: string, output: ReturnType<typeof createTaker>): CapturePipes & Disposable {
  const pipes = createCapturePipes({ runDir, output, clock: systemClock, log: silent });
  return Object.assign(pipes, { [Symbol.dispose]: () => pipes.stop() });
}

describe("captured pipes", () => {
  test("hand on whole lines as they come, and the last one without its newline at the end", async () => {
    await using folder = temporaryFolder();
    const taker = createTaker();
    using pipes = pipesIn(folder.path, taker);
    const pipe = pipes.open("app", "stdout");
    const writer = pipe.openWriter();
    writeSync(writer, "one\ntw");
    await until(() => taker.text === "one\n", "the first line");
    // long enough for the pipe to be quiet and watched again
    await Bun.sleep(400);
    writeSync(writer, "o\nthree");
    await until(() => taker.text === "one\ntwo\n", "the second line");
    pipe.finish();
    expect(taker.text).toBe("one\ntwo\nthree\n");
    closeSync(writer);
  });

  // Before, the newline that was added counted as a byte of the stream's chunk but not in its position, so that a taker
  // that goes by positions took the first byte of such a line for one that it had.
  test("count the newline that a last line ends without, and go on behind it", async () => {
    await using folder = temporaryFolder();
    const taker = createTaker();
    using pipes = pipesIn(folder.path, taker);
    const pipe = pipes.open("app", "stdout");
    const writer = pipe.openWriter();
    for (const text of ["hello", "one\ntwo", "x".repeat(1_048_576), "three\n"]) {
      const child = Bun.spawn(["cat"], { stdin: Buffer.from(text), stdout: writer });
      await child.exited;
      pipe.finish();
    }
    expect(taker.text).toBe(`hello\none\ntwo\n${"x".repeat(1_048_576)}three\n`);
    expect(taker.pieces.map(({ part, last }) => [part, last])).toEqual([
      [1, false],
      [2, true],
    ]);
    expect(taker.gaps).toEqual([]);
    closeSync(writer);
  });

  // Before, a stop while nothing was taken left in the pipe what the kernel forgets as soon as nobody has it open.
  test("keep what a writer left that ended while nothing was taken, for the next reader", async () => {
    await using folder = temporaryFolder();
    const taker = createTaker();
    {
      using pipes = pipesIn(folder.path, taker);
      const pipe = pipes.open("app", "stdout");
      taker.open = false;
      for (let run = 1; run <= 3; run++) {
        const writer = pipe.openWriter();
        writeSync(writer, `${`line of run ${run}\n`.repeat(2000)}last of run ${run}`);
        closeSync(writer);
        pipe.finish();
      }
      const writer = pipe.openWriter();
      writeSync(writer, "in the pipe\n");
      closeSync(writer);
      pipe.close();
    }
    taker.open = true;
    using pipes = pipesIn(folder.path, taker);
    pipes.open("app", "stdout").drain();
    const expected = [1, 2, 3].map((run) => `${`line of run ${run}\n`.repeat(2000)}last of run ${run}\n`);
    expect(taker.text).toBe(`${expected.join("")}in the pipe\n`);
    expect(taker.gaps).toEqual([]);
  });

  test("hand on all that was kept while nothing was taken, although the pipe is quiet by then", async () => {
    await using folder = temporaryFolder();
    const taker = createTaker();
    using pipes = pipesIn(folder.path, taker);
    const pipe = pipes.open("app", "stdout");
    taker.open = false;
    const writer = pipe.openWriter();
    const some = "a line that has to wait for its turn\n".repeat(20_000);
    for (let i = 0; i < 6; i++) {
      // as much as the pipe holds of it goes into the journal, up to a limit
      const child = Bun.spawn(["head", "-c", String(some.length)], { stdin: Buffer.from(some), stdout: writer });
      await child.exited;
      pipe.drain();
    }
    taker.open = true;
    await until(() => taker.text.length >= 6 * some.length, "all lines");
    expect(taker.text === some.repeat(6)).toBe(true);
    closeSync(writer);
  });

  test("leave the writer waiting while nothing is taken, and lose nothing of it", async () => {
    await using folder = temporaryFolder();
    const taker = createTaker();
    using pipes = pipesIn(folder.path, taker);
    const pipe = pipes.open("app", "stdout");
    taker.open = false;
    const writer = pipe.openWriter();
    const child = Bun.spawn(["sh", "-c", "seq 1 300000"], { stdout: writer });
    closeSync(writer);
    await Bun.sleep(200);
    expect(child.exitCode).toBeNull();
    taker.open = true;
    await child.exited;
    pipe.drain();
    expect(taker.text.trimEnd().split("\n")).toEqual(Array.from({ length: 300_000 }, (_, i) => String(i + 1)));
  });

  test("what lay in pipe and journal when the reader went is handed on by the next one, once", async () => {
    await using folder = temporaryFolder();
    const taker = createTaker();
    let writer: number;
    {
      using pipes = pipesIn(folder.path, taker);
      const pipe = pipes.open("app", "stderr");
      writer = pipe.openWriter();
      writeSync(writer, "taken\nhalf");
      await until(() => taker.text === "taken\n", "the first line");
      taker.open = false;
      writeSync(writer, " of it\nin the journal\n");
      await Bun.sleep(60);
    }
    writeSync(writer, "in the pipe\n");
    taker.open = true;
    using pipes = pipesIn(folder.path, taker);
    pipes.open("app", "stderr").drain();
    expect(taker.text).toBe("taken\nhalf of it\nin the journal\nin the pipe\n");
    closeSync(writer);
  });

  test("cut a line that is too long into numbered pieces and go on with the next line", async () => {
    await using folder = temporaryFolder();
    const taker = createTaker();
    using pipes = pipesIn(folder.path, taker);
    const pipe = pipes.open("app", "stdout");
    const writer = pipe.openWriter();
    const child = Bun.spawn(["sh", "-c", "echo first; head -c 2500000 /dev/zero | tr '\\0' x; echo; echo last"], {
      stdout: writer,
    });
    closeSync(writer);
    await child.exited;
    pipe.finish();
    expect(taker.text).toBe(`first\n${"x".repeat(2_500_000)}last\n`);
    expect(taker.pieces).toEqual([
      { part: 1, last: false, length: 1_048_576 },
      { part: 2, last: false, length: 1_048_576 },
      { part: 3, last: true, length: 402_848 },
    ]);
  });

  // Before, nothing bounded this: it ended only because most writers leave a pipe empty now and then.
  test("are drained of what they hold, not of what a flooding writer goes on to print", async () => {
    await using folder = temporaryFolder();
    const taker = createTaker();
    using pipes = pipesIn(folder.path, taker);
    const pipe = pipes.open("app", "stdout");
    const writer = pipe.openWriter();
    const child = Bun.spawn(["yes"], { stdout: writer });
    closeSync(writer);
    try {
      await until(() => taker.text.length > 0, "the flood");
      const before = taker.text.length;
      pipe.drain();
      expect(taker.text.length - before).toBeLessThan(64 * 1024 * 1024);
      expect(child.exitCode).toBeNull();
    } finally {
      child.kill("SIGKILL");
      await child.exited;
    }
  });

  test("are private files, and gone when removed", async () => {
    await using folder = temporaryFolder();
    using pipes = pipesIn(folder.path, createTaker());
    const pipe = pipes.open("app", "stdout");
    const path = folder.at("scripts", "app.stdout");
    expect(statSync(path).isFIFO()).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    pipe.remove();
    expect(existsSync(path)).toBe(false);
    expect(existsSync(`${path}.a`)).toBe(false);
  });

  test("refuse a path where something else lies", async () => {
    await using folder = temporaryFolder();
    using pipes = pipesIn(folder.path, createTaker());
    await Bun.write(folder.at("scripts", "app.stdout"), "a file");
    expect(() => pipes.open("app", "stdout")).toThrow("is no pipe");
    expect(readFileSync(folder.at("scripts", "app.stdout"), "utf8")).toBe("a file");
  });

  test("hold no more of a stream on disk than a few hundred kilobytes, however much passes", async () => {
    await using folder = temporaryFolder();
    const taker = createTaker();
    using pipes = pipesIn(folder.path, taker);
    const pipe = pipes.open("app", "stdout");
    const writer = pipe.openWriter();
    const child = Bun.spawn(["sh", "-c", "seq -f 'line %09g of a long run of many' 1 400000"], { stdout: writer });
    closeSync(writer);
    let largest = 0;
    const path = folder.at("scripts", "app.stdout");
    while (child.exitCode === null) {
      largest = Math.max(largest, statSync(`${path}.a`).size, statSync(`${path}.b`).size);
      await Bun.sleep(1);
    }
    pipe.finish();
    expect(taker.text.length).toBe(400_000 * "line 000000001 of a long run of many\n".length);
    expect(largest).toBeLessThan(1024 * 1024);
  });
});

const missing = smallDiskMissing();

describe.skipIf(missing !== undefined)(
  `captured pipes on a full disk${missing === undefined ? "" : ` (${missing})`}`,
  () => {
    /** Runs `command` into a pipe on a disk without a byte left. @returns what was taken */
    async function printOnFullDisk(command: string[], end: string, taker = createTaker()) {
      await using folder = temporaryFolder();
      await using disk = await mountSmallDisk(folder.at("disk"), 256 * 1024);
      using pipes = pipesIn(folder.at("disk"), taker);
      const pipe = pipes.open("app", "stdout");
      const writer = pipe.openWriter();
      disk.fill();
      const child = Bun.spawn(command, { stdout: writer });
      closeSync(writer);
      await child.exited;
      await until(() => taker.text.endsWith(end), "the last line");
      return taker;
    }
    const seq = (last: number) => Array.from({ length: last }, (_, i) => `${i + 1}\n`).join("");

    // Before, the journal gave up the pages that it needed to go on, and a script whose buffer had filled the same disk
    // waited for ever.
    test("go on with what is taken, and lose nothing", async () => {
      const taker = await printOnFullDisk(["seq", "1", "500000"], "\n500000\n");
      expect(taker.text).toBe(seq(500_000));
      expect(taker.pieces).toEqual([]);
      expect(taker.gaps).toEqual([]);
    });

    test("hand on lines that don't fit a page in pieces, each of whole characters", async () => {
      const lines = Array.from({ length: 20 }, (_, i) => `${i}:${"aé€😀".repeat(500 + i * 100)} is ${i}\n`);
      await using file = temporaryFolder();
      await Bun.write(file.at("lines"), lines.join(""));
      const taker = await printOnFullDisk(["cat", file.at("lines")], " is 19");
      expect(taker.pieces.length).toBeGreaterThan(20);
      // the last piece of a line comes without its newline
      expect(taker.text.replaceAll("\n", "")).toBe(lines.join("").replaceAll("\n", ""));
      expect(taker.text).not.toContain("\ufffd");
    });

    test("keep the writer waiting while nothing is taken, and go on once it is", async () => {
      const taker = createTaker();
      taker.open = false;
      setTimeout(() => (taker.open = true), 600);
      await printOnFullDisk(["seq", "1", "300000"], "\n300000\n", taker);
      expect(taker.text).toBe(seq(300_000));
    });
  },
);
