/** `orion hub check`, `repair` and `export`: on the hub's own machine, whether it runs or not. */
import { statSync } from "node:fs";

import { Database } from "bun:sqlite";
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { openBlocks } from "#src/hub/store/blocks/blocks.ts";
import { openStateStore } from "#src/hub/store/state.ts";
import { systemClock, timestamp } from "#src/lib/clock.ts";
import type { StoredEntry } from "#src/protocol/api.ts";
import type { LogEntry } from "#src/protocol/log.ts";
import { delivery } from "#test/hub/kit/delivery.ts";
import { project, server } from "#test/hub/store/open.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

import { main, orion } from "../orion.ts";

setDefaultTimeout(60_000);

const start = Date.UTC(2026, 4, 1);
const hourMs = 3_600_000;
const count = 3000;

const line = (seq: number): LogEntry => ({
  seq,
  at: timestamp(start + (seq * 24 * hourMs) / count),
  source: seq % 2 === 0 ? "api" : "web",
  stream: "stdout",
  level: seq % 100 === 0 ? "error" : "info",
  message: `request ${seq} took ${(seq * 7919) % 1000} ms`,
});

/** A hub on the folder, whose logs are older than hubs keep them by default. */
async function startHub(folder: Folder) {
  const env = { ORION_HUB_RETENTION_LOGS_DAYS: "36500" };
  const program = startProgram([process.execPath, main, "--dir", folder.path, "hub", "--port", "0", "--json"], { env });
  await until(() => {
    if (/^orion: /m.test(program.output())) throw new Error(program.output());
    return /^\{.*\}$/m.test(program.output());
  }, "the hub's address");
  return program;
}

/** A hub's data with two servers that logged a day each. */
async function makeHub(folder: Folder): Promise<string> {
  const data = folder.at("data");
  await Bun.write(`${data}/.keep`, "");
  const state = await openStateStore(data, systemClock);
  await state.putProject(project("p1"));
  const logs = await openBlocks(data, systemClock, (error) => {
    throw error;
  });
  for (const id of ["s1", "s2"]) {
    await state.putServer(server(id, { hostname: `host-${id}` }));
    await logs.append(
      delivery(
        id,
        Array.from({ length: count }, (_, i) => line(i)),
      ),
    );
    await logs.compact();
  }
  logs.close();
  state.close();
  return data;
}

function damage(data: string, text: string): void {
  using database = new Database(`${data}/logs.db`);
  database.run("PRAGMA busy_timeout = 5000");
  expect(database.run(text).changes).toBe(1);
}

const breakBody =
  "UPDATE block_bodies SET body = substr(body, 1, 100) || x'00ff' || substr(body, 103) WHERE block = (SELECT min(block) FROM block_bodies)";
const breakWords =
  "UPDATE block_words SET filter = x'00ff' || substr(filter, 3) WHERE block = (SELECT max(block) FROM block_words)";

const hubCommand = (folder: Folder, ...words: string[]) => orion(["--dir", folder.path, "hub", ...words]);
const parse = (text: string) => Bun.JSONL.parse(text) as StoredEntry[];

describe("orion hub check and repair", () => {
  test("find nothing on a sound hub, stopped and running", async () => {
    await using folder = temporaryFolder();
    await makeHub(folder);
    expect(await hubCommand(folder, "check")).toMatchObject({
      code: 0,
      out: "state.db, logs.db: nothing is damaged\n",
    });
    await using _ = await startHub(folder);
    const checked = await hubCommand(folder, "check");
    expect([checked.code, checked.out]).toEqual([0, expect.stringMatching(/^state\.db.* nothing is damaged\n$/)]);
    expect(await hubCommand(folder, "repair")).toMatchObject({ code: 0, out: "nothing was damaged\n" });
  });

  for (const running of [false, true]) {
    test(`name each damaged block, mend it or put it aside, on a ${running ? "running" : "stopped"} hub`, async () => {
      await using folder = temporaryFolder();
      const data = await makeHub(folder);
      damage(data, breakBody);
      damage(data, breakWords);
      await using _ = running ? await startHub(folder) : undefined;
      const checked = await hubCommand(folder, "check");
      expect(checked.code).toBe(1);
      const [body = "", words = ""] = checked.out.split("\n");
      expect(body).toMatch(/^logs\.db: block \d+ \(1,500 lines of host-s1, (?:api|web), from 2026-05-01T/);
      expect(body).toEndWith("the checksum of its body is another");
      expect(words).toMatch(/^logs\.db: block \d+ \(1,500 lines of host-s2, .*figures and filters is another$/);
      const repaired = await hubCommand(folder, "repair");
      expect(repaired.code).toBe(0);
      expect(repaired.out.split("\n")).toEqual([
        body.replace("logs.db: ", "lost: "),
        "logs.db: 1 block is made anew; nothing of it is lost",
        "logs.db: 1 block with 1,500 lines is put aside",
        "",
      ]);
      const left = parse((await hubCommand(folder, "export")).out);
      expect([left.length, left.filter(({ serverId }) => serverId === "s2").length]).toEqual([count * 1.5, count]);
    });
  }

  test("tell programs as well", async () => {
    await using folder = temporaryFolder();
    const data = await makeHub(folder);
    damage(data, breakBody);
    const { code, out } = await hubCommand(folder, "check", "--json");
    expect([code, JSON.parse(out)]).toEqual([
      1,
      {
        dataDir: data,
        files: ["state.db", "logs.db"],
        damages: [expect.objectContaining({ kind: "block", file: "logs.db", server: "host-s1", lines: 1500 })],
      },
    ]);
    const repaired = JSON.parse((await hubCommand(folder, "repair", "--json")).out) as unknown;
    expect(repaired).toMatchObject({ running: false, structure: [], logs: { blocks: 1, lines: 1500, mended: 0 } });
  });

  test("say what can't be mended", async () => {
    await using folder = temporaryFolder();
    await makeHub(folder);
    await Bun.write(folder.at("data/state.db"), "this is no database at all ".repeat(1000));
    expect(await hubCommand(folder, "check")).toMatchObject({
      code: 1,
      out: expect.stringContaining("state.db: "),
      err: expect.stringContaining("orion hub repair"),
    });
    expect(await hubCommand(folder, "repair")).toMatchObject({
      code: 1,
      out: expect.stringContaining("state.db: can't be mended: "),
      err: expect.stringContaining("orion hub restore"),
    });
  });

  test("of a folder without a hub's data say so", async () => {
    await using folder = temporaryFolder();
    const checked = await hubCommand(folder, "check");
    expect([checked.code, checked.err]).toEqual([1, expect.stringContaining("there is no hub's data in")]);
  });
});

describe("orion hub export", () => {
  const all = Array.from({ length: count }, (_, i) => line(i));

  for (const running of [false, true]) {
    test(`writes what is asked for, oldest first, of a ${running ? "running" : "stopped"} hub`, async () => {
      await using folder = temporaryFolder();
      await makeHub(folder);
      await using _ = running ? await startHub(folder) : undefined;
      const exported = async (...words: string[]) => {
        const { code, out, err } = await hubCommand(folder, "export", ...words);
        expect([code, err]).toEqual([0, ""]);
        return parse(out);
      };
      const everything = await exported();
      expect(everything.map((one) => Date.parse(one.at))).toEqual(
        [...all, ...all].map((one) => Date.parse(one.at)).sort((a, b) => a - b),
      );
      if (running) return;
      const one = await exported("--server", "host-s2");
      expect(one.map(({ seq, message }) => ({ seq, message }))).toEqual(
        all.map(({ seq, message }) => ({ seq, message })),
      );
      expect(new Set(one.map((entry) => entry.serverId))).toEqual(new Set(["s2"]));
      const [from, to] = [start + hourMs, start + 3 * hourMs];
      const span = ["--from", timestamp(from), "--to", timestamp(to)];
      const some = await exported(...span, "--server", "s1", "--source", "web");
      expect(some.map((entry) => entry.seq)).toEqual(
        all
          .filter((entry) => entry.source === "web" && Date.parse(entry.at) >= from && Date.parse(entry.at) < to)
          .map((entry) => entry.seq),
      );
      expect((await exported("--query", "level:error server:host-s1")).map((entry) => entry.seq)).toEqual(
        all.filter((entry) => entry.level === "error").map((entry) => entry.seq),
      );
    });
  }

  test("writes a file that is there whole, for its owner alone, in zstd by its name", async () => {
    await using folder = temporaryFolder();
    await makeHub(folder);
    const plain = folder.at("all.ndjson");
    const run = await hubCommand(folder, "export", "-o", plain);
    expect([run.code, run.out]).toEqual([0, ""]);
    expect(run.err).toContain(plain);
    const text = await Bun.file(plain).text();
    expect(parse(text)).toHaveLength(2 * count);
    expect(statSync(plain).mode & 0o777).toBe(0o600);
    for (const words of [["-o", folder.at("all.ndjson.zst")], ["--zstd"]]) {
      const child = Bun.spawnSync([process.execPath, main, "--dir", folder.path, "hub", "export", ...words]);
      const bytes = words.length === 1 ? child.stdout : await Bun.file(folder.at("all.ndjson.zst")).bytes();
      expect(bytes.length).toBeLessThan(text.length / 4);
      expect(Buffer.from(Bun.zstdDecompressSync(bytes)).toString()).toBe(text);
    }
  });

  test("leaves out what is damaged and says so", async () => {
    await using folder = temporaryFolder();
    damage(await makeHub(folder), breakBody);
    const { code, out, err } = await hubCommand(folder, "export");
    expect([code, parse(out).length]).toEqual([0, count * 1.5]);
    expect(err).toBe("Damaged blocks are left out: see orion hub check\n");
  });

  const wrong: readonly (readonly [name: string, words: readonly string[], code: number, text: string])[] = [
    ["a server that there is not", ["--server", "nobody"], 1, 'the hub has no server or source "nobody"'],
    ["a query that is none", ["--query", "a and ("], 2, "--query can't be"],
    ["a time that is none", ["--from", "soon"], 2, '"soon" is no time'],
    ["a folder that there is not", ["-o", "/proc/nowhere/x.ndjson"], 1, "can't write /proc/nowhere/x.ndjson"],
  ];
  for (const [name, words, code, text] of wrong) {
    test(`refuses ${name}`, async () => {
      await using folder = temporaryFolder();
      await makeHub(folder);
      const run = await hubCommand(folder, "export", ...words);
      expect([run.code, run.out, run.err]).toEqual([code, "", expect.stringContaining(text)]);
    });
  }
});
