import { describe, expect, test } from "bun:test";

import { failure, startFakeDaemon, success } from "./fake-daemon.ts";
import { orion } from "./orion.ts";
import { crashed, running, script } from "./samples.ts";

const two = success({
  scripts: [
    { script: script("api-backend"), status: running },
    { script: script("worker"), status: crashed },
  ],
});

describe("orion script", () => {
  test("list shows a table, names, or JSON", async () => {
    await using daemon = startFakeDaemon(() => two);
    const table = await orion(["--dir", daemon.dir, "script", "list"]);
    expect(table.out.split("\n").map((line) => line.trim().split(/\s+/)[0])).toEqual([
      "NAME",
      "api-backend",
      "worker",
      "",
    ]);
    expect((await orion(["--dir", daemon.dir, "script", "list", "-q"])).out).toBe("api-backend\nworker\n");
    expect(JSON.parse((await orion(["--dir", daemon.dir, "script", "list", "--json"])).out).scripts).toHaveLength(2);
  });

  test("list of none says how to add one, on stderr", async () => {
    await using daemon = startFakeDaemon(() => success({ scripts: [] }));
    expect(await orion(["--dir", daemon.dir, "script", "list"])).toEqual({
      code: 0,
      out: "",
      err: "No scripts yet. Add one: orion script add NAME COMMAND\n",
    });
  });

  test("show tells all there is to know but the values of variables", async () => {
    const secret = { ...script("worker"), env: { TOKEN: "hunter2" }, user: "www-data" };
    await using daemon = startFakeDaemon(() => success({ script: secret, status: crashed }));
    const { out } = await orion(["--dir", daemon.dir, "script", "show", "worker"]);
    expect(out).toContain("exited with 3");
    expect(out).toContain("www-data");
    expect(out).toContain("TOKEN");
    expect(out).not.toContain("hunter2");
  });

  for (const [verb, done] of [
    ["start", "started"],
    ["stop", "stopped"],
    ["restart", "restarted"],
    ["remove", "removed"],
  ] as const) {
    test(`${verb} gives the order and says that it is done`, async () => {
      await using daemon = startFakeDaemon(() => success(verb === "start" || verb === "restart" ? { pid: 7 } : {}));
      const run = await orion(["--dir", daemon.dir, "script", verb, "worker"]);
      expect(run).toEqual({
        code: 0,
        out: `worker ${done}${verb === "start" || verb === "restart" ? ", pid 7" : ""}\n`,
        err: "",
      });
      expect(daemon.requests.at(-1) as unknown).toEqual({ cmd: `script:${verb}`, name: "worker" });
    });
  }

  test("stop --all does it to each, and one that fails fails the command but not the others", async () => {
    await using daemon = startFakeDaemon((request) => {
      if (request.cmd === "script:list") return two;
      return request.cmd === "script:stop" && request.name === "worker" ? failure("it clings") : success({});
    });
    expect(await orion(["--dir", daemon.dir, "script", "stop", "--all"])).toEqual({
      code: 1,
      out: "api-backend stopped\n",
      err: "orion: could not stop worker: it clings\n",
    });
    const json = await orion(["--dir", daemon.dir, "script", "stop", "--all", "--json"]);
    expect(JSON.parse(json.out)).toEqual({
      scripts: [
        { name: "api-backend", ok: true },
        { name: "worker", ok: false, error: "it clings" },
      ],
    });
    expect(json.code).toBe(1);
  });

  test("stop takes several names, and one that is slow holds up no other", async () => {
    const seen: string[] = [];
    await using daemon = startFakeDaemon((request) => {
      if (!("name" in request)) return success({});
      seen.push(String(request.name));
      return seen.length < 3 ? "hang" : "hang up";
    });
    // the daemon answers none before it has seen all three: in turn they would never end
    const run = orion(["--dir", daemon.dir, "script", "stop", "a", "b", "c"]);
    while (seen.length < 3) await Bun.sleep(5);
    await daemon[Symbol.asyncDispose]();
    expect((await run).code).toBe(1);
    expect(seen.toSorted()).toEqual(["a", "b", "c"]);
  });

  test("any order without a daemon ends with 3", async () => {
    const dir = "/nonexistent/orion";
    const runs = await Promise.all(
      [["list"], ["show", "a"], ["start", "a"], ["stop", "--all"], ["remove", "a"], ["add", "a", "b"]].map((words) =>
        orion(["--dir", dir, "script", ...words]),
      ),
    );
    expect(runs.map(({ code }) => code)).toEqual([3, 3, 3, 3, 3, 3]);
  });
});

describe("orion script add", () => {
  const rows: readonly [string, readonly string[], object][] = [
    ["little", ["api", "node server.js"], { name: "api", command: "node server.js", cwd: "/" }],
    ["a relative folder", ["api", "x", "--cwd", "tmp"], { name: "api", command: "x", cwd: "/tmp" }],
    [
      "everything",
      [
        "api",
        "x",
        "--cwd",
        "/srv",
        "--no-auto-restart",
        "--no-capture",
        "--no-enabled",
        "--max-restarts",
        "3",
        "--backoff-base",
        "50",
        "--user",
        "www-data",
        "--env",
        "A=1",
        "--env",
        "B=c d",
        "--env-file",
        ".env",
        "--kill-signal",
        "int",
        "--kill-timeout",
        "500",
        "--stable-after",
        "9",
        "--memory-max",
        "512M",
        "--start",
      ],
      {
        name: "api",
        command: "x",
        cwd: "/srv",
        autoRestart: false,
        captureOutput: false,
        enabled: false,
        maxRestarts: 3,
        backoffBase: 50,
        killTimeout: 500,
        stableAfter: 9,
        user: "www-data",
        env: { A: "1", B: "c d" },
        envFile: "/srv/.env",
        killSignal: "SIGINT",
        memoryMax: 536_870_912,
      },
    ],
    [
      "several words",
      ["api", "--", "./run", "--threads", "4", "it's here", "$HOME"],
      { name: "api", command: "./run --threads 4 'it'\\''s here' '$HOME'", cwd: "/" },
    ],
  ];
  for (const [what, words, expected] of rows) {
    test(`of ${what} sends exactly that`, async () => {
      await using daemon = startFakeDaemon(() => success({ pid: 9 }));
      const run = await orion(["--dir", daemon.dir, "script", "add", ...words], { cwd: "/" });
      expect([run.code, run.err]).toEqual([0, ""]);
      expect(daemon.requests as unknown[]).toEqual([
        { cmd: "script:add", script: expected, start: words.includes("--start") },
      ]);
    });
  }
});
