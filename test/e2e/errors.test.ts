/**
 * Errors out of plain output: programs that fail in whatever languages there are here run as scripts, and what they print
 * becomes the groups that their recordings in test/fixtures/errors give.
 */
import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { levelOf } from "#src/agent/delivery/level.ts";
import { identify } from "#src/hub/errors/fingerprint.ts";
import { createTemplates } from "#src/hub/errors/template.ts";
import type { projectsPage } from "#src/protocol/project.ts";
import type { z } from "#src/protocol/schema.ts";
import { type ErrorDetail, type ErrorsPage, groupKinds } from "#src/protocol/error-group.ts";
import { corpusFolder } from "#test/hub/errors/corpus-kit.ts";
import { eventsOf, textLines } from "#test/hub/errors/assembly-lines.ts";
import { orionBinary } from "#test/kit/binary.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { until } from "#test/kit/wait.ts";

import { type TestEngine, engineMissing, image, startEngine } from "./kit/engine.ts";
import { type System, createSystem } from "./kit/orion.ts";

const python = "/usr/bin/python3";
const programs = join(import.meta.dir, "programs");

type Language = {
  readonly needs: string;
  /** recordings, and what prints them: words in the folder of the programs */
  readonly prints: Readonly<Record<string, readonly string[]>>;
};

const languages: readonly Language[] = [
  {
    needs: python,
    prints: Object.fromEntries(
      ["chained", "group", "syntax", "recursion", "logged"].map((name) => [
        `python-${name}`,
        [python, "-u", `${name}.py`],
      ]),
    ),
  },
  { needs: "node", prints: { "node-cause": ["node", "cause.js"], "node-aggregate": ["node", "aggregate.js"] } },
  {
    needs: process.execPath,
    prints: Object.fromEntries(
      ["cause.js", "aggregate.js", "bun.ts"].map((file) => [
        `bun-${file.replace(/\..*/, "")}`,
        [process.execPath, file],
      ]),
    ),
  },
  { needs: "java", prints: { "java-shop": ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "Shop.java"] } },
  { needs: "ruby", prints: { "ruby-cause": ["ruby", "cause.rb"], "ruby-logged": ["ruby", "logged.rb"] } },
  {
    needs: "php",
    prints: Object.fromEntries(
      ["uncaught", "parse"].map((name) => [
        `php-${name}`,
        ["php", "-d", "display_errors=0", "-d", "log_errors=1", "-d", "error_log=", `${name}.php`],
      ]),
    ),
  },
  { needs: "perl", prints: { "perl-die": ["perl", "die.pl"] } },
  { needs: "elixir", prints: { "elixir-crash": ["elixir", "crash.exs"] } },
];

const here = languages.filter(({ needs }) => Bun.which(needs) !== null);

/** How often each fingerprint comes, by source. */
type Counts = Record<string, Record<string, number>>;

/** What a recording comes to in a project. */
function expected(project: string, source: string): Record<string, number> {
  const text = readFileSync(join(corpusFolder, "recorded", `${source}.txt`), "utf8");
  const lines = textLines(text).map((line) => ({
    ...line,
    source,
    level: levelOf(JSON.stringify(line.text).slice(1, -1), false),
  }));
  const { learn } = createTemplates();
  const counts: Record<string, number> = {};
  for (const event of eventsOf(lines)) {
    const { fingerprint } = identify(project, event, learn);
    counts[fingerprint] = (counts[fingerprint] ?? 0) + 1;
  }
  return counts;
}

async function groupsOf(system: System, more = ""): Promise<ErrorsPage["groups"]> {
  const pages = await Promise.all(
    groupKinds.map((kind) => system.get<ErrorsPage>(`/api/errors?limit=200&kind=${kind}${more}`)),
  );
  return pages.flatMap(({ groups }) => groups);
}

async function countsOf(system: System): Promise<Counts> {
  const counts: Counts = {};
  for (const { fingerprint } of await groupsOf(system)) {
    for (const { name, count } of (await detailOf(system, fingerprint)).bySource) {
      counts[name] = { ...counts[name], [fingerprint]: count };
    }
  }
  return counts;
}

const detailOf = (system: System, fingerprint: string) => system.get<ErrorDetail>(`/api/errors/${fingerprint}`);

/** The group of an error of this type, once it has so many events. */
async function groupOf(system: System, type: string, count: number, withinMs = 20_000): Promise<ErrorDetail> {
  const found = await until(
    async () => (await groupsOf(system)).find((group) => group.type === type && group.count >= count),
    `${count} events of ${type}`,
    withinMs,
  );
  return await detailOf(system, found.fingerprint);
}

beforeAll(async () => void (await orionBinary()), 60_000);

test(`what programs in ${here.map(({ needs }) => (needs === process.execPath ? "bun" : needs.split("/").at(-1))).join(", ")} print becomes the groups of their recordings`, async () => {
  await using shop = temporaryFolder();
  // a folder is part of a function's name, and what lies above it is not
  const folder = shop.at("shop");
  mkdirSync(folder);
  cpSync(join(corpusFolder, "programs"), folder, { recursive: true });
  const prints = here.flatMap((language) => Object.entries(language.prints));
  await using system = await createSystem({
    scripts: prints.map(([name, words]) => ({
      name,
      // the recordings are of both streams, in the order in which they came
      command: `exec ${words.map((word) => (/^[-=:+\w]+$/.test(word) || word.includes("/") ? word : `${folder}/${word}`)).join(" ")} 2>&1`,
      cwd: folder,
      autoRestart: false,
      env: { NO_COLOR: "1", LC_ALL: "C.UTF-8", HOME: folder },
    })),
  });
  await system.start();
  const [project] = (await system.get<z.infer<typeof projectsPage>>("/api/projects")).projects;
  const all = Object.fromEntries(prints.map(([name]) => [name, expected(project?.id ?? "", name)]));
  const total = (counts: Counts) =>
    Object.values(counts)
      .flatMap((own) => Object.values(own))
      .reduce((a, b) => a + b, 0);
  await until(async () => total(await countsOf(system)) >= total(all), "all groups", 60_000);
  expect(await countsOf(system)).toEqual(all);
}, 120_000);

describe.skipIf(!existsSync(python))("a script that fails again and again", () => {
  test("is counted once although the hub is killed meanwhile; the crash is joined to what it died of", async () => {
    await using system = await createSystem({
      scripts: [{ name: "falls", command: `exec ${python} ${programs}/falls.py 150 0.04`, autoRestart: false }],
    });
    await system.start();
    for (const count of [20, 60]) {
      await groupOf(system, "IndexError", count);
      await system.hub.end("SIGKILL");
      await system.hub.start();
    }
    const last = await groupOf(system, "RuntimeError", 1, 40_000);
    expect(last).toMatchObject({ count: 1, kind: "error", culprit: "programs/falls.py fall", sources: ["falls"] });
    expect(last.servers.map(({ name }) => name)).toEqual(["host-under-test"]);
    const joined = await until(
      async () => [await detailOf(system, last.fingerprint)].find(({ crashes }) => crashes > 0),
      "its crash",
    );
    expect(joined.crashSummary).toMatchObject([{ how: "exited 1", count: 1 }]);
    expect(joined.recentCrashes).toMatchObject([{ type: "script.crashed", source: "falls", how: "exited 1" }]);
    const logged = await groupOf(system, "IndexError", 150);
    expect(logged).toMatchObject({ count: 150, releases: ["2.0.1"], byRelease: [{ name: "2.0.1", count: 150 }] });
    expect(logged.sample).toMatchObject({ logger: "shop.orders", release: "2.0.1" });
    expect(logged.sample?.before.length).toBe(20);
  }, 120_000);

  test("has its group live within the time that it takes an event to end and be written", async () => {
    await using system = await createSystem();
    await system.start();
    const stream = await fetch(`${system.hubUrl()}/api/errors/live`, {
      headers: { authorization: `Bearer ${system.hubKey}` },
    });
    const reader = stream.body?.getReader();
    const command = `exec ${python} ${programs}/falls.py 0 0`;
    const begun = performance.now();
    await system.ask({ cmd: "script:add", script: { name: "falls", command, autoRestart: false } });
    await system.ask({ cmd: "script:start", name: "falls" });
    let told = "";
    while (!told.includes("RuntimeError")) {
      const piece = await reader?.read();
      if (piece?.value === undefined) throw new Error(`the stream ended: ${told}`);
      told += new TextDecoder().decode(piece.value);
    }
    await reader?.cancel();
    console.log(JSON.stringify({ run: "a live group", ms: Math.round(performance.now() - begun) }));
    expect(told).toContain('"new"');
  }, 60_000);
});

const missing = engineMissing();

describe.skipIf(missing !== undefined)(`a container${missing === undefined ? "" : `: ${missing}`}`, () => {
  let engine: TestEngine;
  let folder: Folder;
  beforeAll(async () => {
    engine = await startEngine();
    folder = temporaryFolder();
  }, 60_000);
  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  }, 60_000);

  test("has its tracebacks grouped, and its death joined to the last one", async () => {
    await using system = await createSystem({ env: { ORION_DOCKER_SOCKET: engine.socket } });
    await system.start();
    await until(async () => (await system.status()).docker.available, "the engine");
    const lines = [
      "Traceback (most recent call last):",
      '  File "/app/worker.py", line 7, in take',
      "    raise ValueError(job)",
      "ValueError: no job",
    ];
    const print = lines.map((line) => `echo '${line}' >&2`).join("; ");
    await engine.docker("run", "--detach", "--network=none", "--name", "worker", image, "sh", "-c", `${print}; exit 3`);
    const group = await groupOf(system, "ValueError", 1);
    expect(group).toMatchObject({ count: 1, sources: ["worker"], culprit: "app/worker.py take" });
    const joined = await until(
      async () => [await detailOf(system, group.fingerprint)].find(({ crashes }) => crashes > 0),
      "its death",
    );
    expect(joined.recentCrashes).toMatchObject([{ type: "container.died", source: "worker", how: "exited 3" }]);
  }, 90_000);
});
