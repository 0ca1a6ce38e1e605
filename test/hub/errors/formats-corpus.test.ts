/** Tracebacks of real programs become the events that a reader would make of them. */
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "bun:test";

import { temporaryFolder } from "#test/kit/folder.ts";
import { briefly, eventsOf, type TestLine, textLines } from "./assembly-lines.ts";
import { corpusFolder, expectation, expectedFile, recordings } from "./corpus-kit.ts";

describe("the corpus", () => {
  for (const recording of recordings) {
    test(`${recording.name} becomes the events that are expected`, () => {
      const expected: unknown = JSON.parse(readFileSync(expectedFile(recording), "utf8"));
      expect(eventsOf(recording.lines).map(expectation)).toEqual(expected as ReturnType<typeof expectation>[]);
    });
  }
});

/** What stays the same from one version of a language to the next: errors, and the application's functions. */
function essence(text: string) {
  return eventsOf(textLines(text)).map((event) =>
    event.parts.map(({ type, relation, frames }) => ({
      type,
      relation,
      functions: frames.filter((frame) => frame.inApplication).map((frame) => frame.function),
    })),
  );
}

const programs: readonly (readonly [recording: string, command: string, file: string])[] = [
  ["python-chained", "python3", "chained.py"],
  ["python-group", "python3", "group.py"],
  ["python-logged", "python3", "logged.py"],
  ["node-cause", "node", "cause.js"],
  ["node-aggregate", "node", "aggregate.js"],
  ["bun-cause", process.execPath, "cause.js"],
  ["bun-bun", process.execPath, "bun.ts"],
  ["ruby-cause", "ruby", "cause.rb"],
  ["php-uncaught", "php", "uncaught.php"],
  ["perl-die", "perl", "die.pl"],
];

describe("programs that run now", () => {
  for (const [recording, command, file] of programs) {
    const present = Bun.which(command) !== null && isRecent(command);
    test.skipIf(!present)(`${file} by ${recording.split("-")[0]} says what its recording says`, async () => {
      await using folder = temporaryFolder();
      cpSync(join(corpusFolder, "programs", file), join(folder.path, file));
      const quiet = command === "php" ? ["-d", "display_errors=0", "-d", "log_errors=1", "-d", "error_log="] : [];
      const child = Bun.spawn([command, ...quiet, join(folder.path, file)], {
        stdout: "pipe",
        stderr: "pipe",
        env: { ...process.env, NO_COLOR: "1" },
      });
      const printed = await new Response(child.stderr).text();
      await child.exited;
      const recorded = readFileSync(join(corpusFolder, "recorded", `${recording}.txt`), "utf8");
      expect(essence(printed)).toEqual(essence(recorded));
    });
  }
});

/** Exception groups came with Python 3.11. */
function isRecent(command: string): boolean {
  if (command !== "python3") return true;
  return Bun.spawnSync([command, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]).success;
}

test("a traceback in colours is read like one without", () => {
  const plain = recordings.find(({ name }) => name === "recorded/elixir-crash")?.lines ?? [];
  const coloured = plain.map(({ text }) => ({ text: `\u001b[31m${text}\u001b[0m\r` }));
  expect(eventsOf(coloured).map(briefly)).toEqual(eventsOf(plain).map(briefly));
});

/** A level stands in their lines alone: no needle finds them. */
const byLevel = new Set(["recorded/postgres-errors"]);

describe("without a level to go by", () => {
  for (const { name, lines } of recordings.filter((recording) => !byLevel.has(recording.name))) {
    test(`the tracebacks of ${name} are found`, () => {
      const tracebacks = (of: readonly TestLine[]) =>
        eventsOf(of)
          .filter(({ kind }) => kind === "traceback")
          .map(({ parts }) => parts);
      expect(tracebacks(lines.map((line) => ({ ...line, level: "info" as const })))).toEqual(tracebacks(lines));
    });
  }
});
