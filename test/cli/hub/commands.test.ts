/** `orion server …` and `orion logs --hub` against a real hub. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { Server } from "#src/protocol/api.ts";
import { type TestHub, entry, startHub } from "#test/hub/kit/hub.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

import { main, orion } from "../orion.ts";

let hub: TestHub;
let home: Folder;
let env: Record<string, string>;

beforeAll(async () => {
  hub = await startHub();
  home = temporaryFolder("orion-home-");
  const { token } = await hub.hub.operator.createKey({ name: "cli", scopes: ["view:servers", "manage:servers"] });
  env = { ORION_API_URL: hub.url, ORION_API_TOKEN: token, HOME: home.path };
});
afterAll(async () => {
  await hub[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});

const run = (...words: string[]) => orion(words, { env });

describe("orion server", () => {
  test("lists, and finds one by hostname, id or how the id begins", async () => {
    const agent = await hub.agent("web-1");
    await agent.beat();
    await hub.agent("web-2");
    const list = await run("server", "list");
    expect([list.code, list.err]).toEqual([0, ""]);
    expect(list.out).toMatch(
      /NAME\s+ID\s+AGENT\s+VERSION\s+CPU\s+MEMORY\s+SCRIPTS\n\s+web-1\s+\w{8}\s+connected\s+1\.2\.3/,
    );
    expect(list.out).toMatch(/web-2\s+\w{8}\s+disconnected\s.*never seen/);
    const { servers } = JSON.parse((await run("server", "list", "--json")).out) as { servers: Server[] };
    expect(servers.map(({ hostname }) => hostname)).toEqual(["web-1", "web-2"]);
    expect((await run("server", "list", "-q")).out.split("\n")).toContain(agent.id);
    for (const name of ["web-1", agent.id, agent.id.slice(0, 8)]) {
      expect(JSON.parse((await run("server", "show", name, "--json")).out)).toMatchObject({ id: agent.id });
    }
    const shown = await run("server", "show", "web-1");
    expect(shown.out).toStartWith("web-1\n  id ");
    expect(shown.out).toContain("api");
    expect((await run("server", "agent-status", "web-1")).out).toMatch(
      /^web-1: connected, version 1\.2\.3, seen .* ago\n$/,
    );
    expect(JSON.parse((await run("server", "agent-status", "web-2", "--json")).out)).toMatchObject({
      status: "disconnected",
      lastSeen: null,
    });
  });

  test("guesses what was meant, and asks when it could be several", async () => {
    await hub.agent("web-1");
    await hub.agent("web-2");
    const wrong = await run("server", "show", "wbe-1");
    expect([wrong.code, wrong.err]).toEqual([
      1,
      'orion: there is no server "wbe-1". Did you mean web-1? See orion server list\n',
    ]);
    const { id } = await hub.hub.operator.registerServer({ hostname: "twin" });
    const { projects } = await hub.json<{ projects: { id: string }[] }>("/api/projects");
    await hub.send("POST", "/api/projects", { name: "second" });
    const made = await hub.send("POST", "/api/servers", { hostname: "twin", project: "second" });
    const other = ((await made.json()) as Server).id;
    const twins = await run("server", "show", "twin");
    expect([twins.code, twins.err]).toEqual([1, expect.stringContaining('"twin" is 2 servers')]);
    expect(twins.err).toContain(id);
    expect((await run("server", "list")).out).toMatch(/PROJECT[^]*twin[^\n]*second/);
    expect((await run("server", "list", "--project", "second")).out).not.toContain("web-1");
    expect((await run("server", "remove", other, "--yes")).code).toBe(0);
    expect((await run("server", "remove", "twin", "--yes")).out).toBe("twin is removed\n");
    expect(projects).toHaveLength(1);
  });

  test("rotates and revokes tokens: the old one is dead at once", async () => {
    const agent = await hub.agent("rotated");
    const rotated = await run("server", "rotate-token", "rotated");
    expect([rotated.code, rotated.out]).toEqual([0, expect.stringMatching(/^oat_\S+\n$/)]);
    expect((await agent.beat()).status).toBe(401);
    const json = JSON.parse((await run("server", "rotate-token", "rotated", "--json")).out) as { token: string };
    expect(json.token).toStartWith("oat_");
    expect((await run("server", "revoke-token", "rotated")).out).toBe("The token of rotated is revoked\n");
  });

  test("is not removed without a yes", async () => {
    await hub.agent("stays");
    const refused = await run("server", "remove", "stays");
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining("--yes")]);
    expect((await run("server", "show", "stays")).code).toBe(0);
  });

  test("what a key may not do ends with 4", async () => {
    await hub.agent("guarded");
    const { token } = await hub.hub.operator.createKey({ name: "viewer", scopes: ["view:servers"] });
    const refused = await orion(["server", "rotate-token", "guarded"], { env: { ...env, ORION_API_TOKEN: token } });
    expect([refused.code, refused.out]).toEqual([4, ""]);
    const away = await orion(["server", "list"], { env: { ...env, ORION_API_URL: "http://127.0.0.1:1" } });
    expect(away.code).toBe(5);
  });
});

describe("orion logs --hub", () => {
  test("searches the newest lines, oldest first, of a server, a source, a level, a text", async () => {
    const agent = await hub.agent("logs-1");
    const entries = [
      entry(1, { message: "first" }),
      entry(2, { message: "second", level: "error" }),
      entry(3, { source: "worker", message: "third" }),
    ];
    expect((await agent.logs(entries)).status).toBe(202);
    const messages = async (...words: string[]) => {
      const { out } = await run("logs", "--hub", "--server", "logs-1", "--json", ...words);
      return (JSON.parse(out) as { entries: { message: string }[] }).entries.map(({ message }) => message);
    };
    expect(await messages()).toEqual(["first", "second", "third"]);
    expect(await messages("-n", "2")).toEqual(["second", "third"]);
    expect(await messages("worker")).toEqual(["third"]);
    expect(await messages("--level", "error")).toEqual(["second"]);
    expect(await messages("--grep", "FIR")).toEqual(["first"]);
    expect(await messages("--since", "2027-01-01")).toEqual([]);
    expect((await run("logs", "--hub", "--server", "logs-1")).out).toContain("logs-1/worker  third\n");
    const local = await run("logs", "--server", "logs-1");
    expect([local.code, local.err]).toEqual([2, expect.stringContaining("Add --hub")]);
  });

  test("counts over time, and by a field, and shows what stands around an entry", async () => {
    const agent = await hub.agent("figures");
    const levels = ["info", "info", "info", "warn", "error", "info"] as const;
    const from = Date.parse("2026-03-01T00:00:00Z");
    const entries = levels.map((level, i) =>
      entry(i + 1, {
        level,
        at: new Date(from + i * 3_600_000).toISOString(),
        fields: { path: i % 3 === 0 ? "/a" : "/b" },
      }),
    );
    await agent.logs(entries);
    const of = ["logs", "--hub", "--server", "figures"];
    const counted = await run(...of, "--count");
    const rows = counted.out.trimEnd().split("\n");
    expect(rows.at(-1)).toBe("6 in all");
    expect(rows.length).toBeLessThanOrEqual(25);
    expect(rows.filter((row) => row.endsWith("1 warn") || row.endsWith("1 error"))).toHaveLength(2);
    const figures = JSON.parse((await run(...of, "--count", "--level", "warn", "--json")).out) as { total: number };
    expect(figures.total).toBe(2);
    expect((await run(...of, "--top", "path")).out).toBe("4  /b\n2  /a\n");
    expect((await run(...of, "--top", "path", "-n", "1")).out).toBe("4  /b\n");
    expect((await run(...of, "--top", "absent")).err).toContain("No entry that fits has absent");
    const seqs = async (...words: string[]) => {
      const answer = JSON.parse((await run(...of, "--json", ...words)).out) as {
        entries: { id: string; seq: number }[];
      };
      return answer.entries;
    };
    const between = await seqs("--since", "2026-03-01T01:00:00Z", "--until", "2026-03-01T03:00:00Z");
    expect(between.map(({ seq }) => seq)).toEqual([2, 3]);
    const around = await seqs("--around", between[1]?.id ?? "", "-n", "1");
    expect(around.map(({ seq }) => seq)).toEqual([2, 3, 4]);
    expect((await run(...of, "--around", "999999")).err).toContain("there is no such entry");
  });

  test("says what can't be asked for at once, or of this host", async () => {
    const refusals = [
      ["--hub", "--count", "--top", "path"],
      ["--hub", "-f", "--around", "1"],
      ["--hub", "-f", "--until", "1h"],
      ["--hub", "--around", "first"],
      ["--count"],
      ["--top", "path"],
    ];
    const ended = await Promise.all(refusals.map(async (words) => await run("logs", ...words)));
    expect(ended.map(({ code }) => code)).toEqual(refusals.map(() => 2));
    expect(ended[0]?.err).toContain("--count and --top can't be asked for at once");
    expect(ended[5]?.err).toContain("--top is for logs of the hub");
  });

  test("reads more than one answer holds", async () => {
    const agent = await hub.agent("logs-many");
    await agent.logs(Array.from({ length: 2500 }, (_, i) => entry(i + 1)));
    const { out } = await run("logs", "--hub", "--server", "logs-many", "-n", "2300", "--json");
    const { entries } = JSON.parse(out) as { entries: { seq: number }[] };
    expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: 2300 }, (_, i) => i + 201));
  });

  test("-f goes on with what comes, each line once, also across a restart of the hub, and ends well", async () => {
    await using folder = temporaryFolder("orion-hub-");
    let own = await startHub({ folder: folder.path });
    const port = Number(new URL(own.url).port);
    const { token } = await own.hub.operator.createKey({ name: "cli", scopes: ["view:servers"] });
    const agent = await own.agent("follows");
    await agent.logs([entry(1), entry(2)]);
    const words = ["logs", "--hub", "-f", "-n", "1", "--json"];
    await using follower = startProgram([process.execPath, main, ...words], {
      env: { ORION_API_URL: own.url, ORION_API_TOKEN: token, HOME: home.path },
    });
    const seen = () => [...follower.output().matchAll(/"seq":(\d+)/g)].map(([, seq]) => Number(seq));
    await until(() => seen().length === 1, "the newest line");
    await agent.logs([entry(3), entry(4)]);
    await until(() => seen().length === 3, "what came");
    await own[Symbol.asyncDispose]();
    await until(() => follower.output().includes("can't be reached"), "the news that the hub is away");
    own = await startHub({ folder: folder.path, settings: { port } });
    await using _ = own;
    await agent.logs([entry(5)]);
    await until(() => seen().includes(5), "what came after the restart");
    expect(seen()).toEqual([2, 3, 4, 5]);
    follower.kill("SIGINT");
    expect(await follower.exited).toBe(0);
  }, 40_000);
});
