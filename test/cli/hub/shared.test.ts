/** The hub's own command line on a hub whose state is in Postgres and whose logs are in ClickHouse. */
import { existsSync, readdirSync, writeFileSync } from "node:fs";

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { createAgent, entry } from "#test/hub/kit/hub.ts";
import { password, signIn } from "#test/hub/kit/people.ts";
import { type SharedPlace, sharedPlace } from "#test/hub/shared-hubs.ts";
import { haveClickhouse } from "#test/kit/clickhouse.ts";
import { havePostgres } from "#test/kit/postgres.ts";
import { type Program, startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

import { main, orion } from "../orion.ts";

setDefaultTimeout(120_000);

describe.skipIf(!havePostgres || !haveClickhouse)(
  "the command line of a hub with Postgres and ClickHouse (needs them)",
  () => {
    let place: SharedPlace;
    let env: Record<string, string>;
    let dir = "";
    let key = "";

    beforeAll(async () => {
      place = await sharedPlace();
      const { databaseUrl, clickhouseUrl, secretFile } = place.settings;
      env = {
        ORION_HUB_DATABASE_URL: databaseUrl ?? "",
        ORION_HUB_CLICKHOUSE_URL: clickhouseUrl ?? "",
        ORION_HUB_SECRET_FILE: secretFile ?? "",
      };
      dir = place.folder.at("hub");
      writeFileSync(place.folder.at("password"), password);
    });
    afterAll(async () => await place[Symbol.asyncDispose]());

    /** With the settings of the hub's service, or without, as somebody may forget. */
    const hub = async (words: readonly string[], given: Record<string, string> = env) =>
      await orion(["--dir", dir, "hub", ...words], { env: given });

    async function serve(): Promise<{ readonly program: Program; readonly url: string } & AsyncDisposable> {
      const words = [process.execPath, main, "--dir", dir, "hub", "--port", "0", "--json"];
      const program = startProgram(words, { env });
      const line = await until(() => {
        if (/^orion: /m.test(program.output())) throw new Error(program.output());
        return /^\{.*\}$/m.exec(program.output())?.[0];
      }, "the hub's address");
      const { url } = JSON.parse(line) as { url: string };
      return {
        program,
        url,
        async [Symbol.asyncDispose]() {
          program.kill("SIGTERM");
          await program.exited;
        },
      };
    }

    /** What no command may do without being told where the hub is. */
    async function refusesUntold(): Promise<void> {
      const all = [["backup", place.folder.at("b.tar")], ["check"], ["repair"], ["export"]];
      for (const { code, out, err } of await Promise.all(all.map((words) => hub(words, {})))) {
        expect([code, out]).toEqual([1, ""]);
        expect(err).toContain("databaseUrl is not set");
      }
    }

    /** What each does that can't work on the data folder. */
    async function says(): Promise<void> {
      const file = place.folder.at("b.tar");
      const [backup, restore, repair, check] = await Promise.all([
        hub(["backup", file]),
        hub(["restore", file, "--force"]),
        hub(["repair"]),
        hub(["check"]),
      ]);
      expect([backup.code, backup.out]).toEqual([1, ""]);
      expect(backup.err).toMatch(/state and accounts in Postgres at 127\.0\.0\.1:\d+, logs and metrics in ClickHouse/);
      expect(backup.err).toContain("pg_dump");
      expect(backup.err).toContain(place.settings.secretFile ?? "");
      expect(existsSync(file)).toBe(false);
      expect([restore.code, restore.out]).toEqual([1, ""]);
      expect(restore.err).toContain("would not be the hub's");
      expect([repair.code, repair.out]).toEqual([1, ""]);
      expect(repair.err).toContain("is to be mended");
      expect([check.code, check.out]).toEqual([
        0,
        expect.stringMatching(/^ClickHouse at 127\.0\.0\.1:\d+: nothing is damaged\n$/),
      ]);
      expect(check.err).toContain("pg_amcheck");
    }

    const lines = async (...more: readonly string[]) => {
      const { code, out, err } = await hub(["export", ...more]);
      expect([code, err]).toEqual([0, ""]);
      return out
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => (JSON.parse(line) as { message: string }).message);
    };

    test("works on the databases while no hub runs here", async () => {
      const create = ["admin", "create", "--email", "ada@example.com", "--password-file", place.folder.at("password")];
      expect(await hub(create)).toEqual({ code: 0, out: "ada@example.com owns Default\n", err: "" });
      const made = await hub(["token", "key", "--name", "ops"]);
      expect([made.code, made.out]).toEqual([0, expect.stringMatching(/^oak_/)]);
      key = made.out.trim();
      expect((await hub(["admin", "list"])).out).toMatch(/ada@example\.com .*Default \(owner\)/);
      expect(readdirSync(`${dir}/data`).filter((name) => name.endsWith(".db"))).toEqual([]);
    });

    test("works while it runs, and says what is done otherwise", async () => {
      await using serving = await serve();
      const { url } = serving;
      // what was made on the databases is the hub's
      expect((await signIn(url, "ada@example.com")).email).toBe("ada@example.com");
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
      const body = JSON.stringify({ hostname: "web-1" });
      const registered = await fetch(`${url}/api/servers`, { method: "POST", headers, body });
      const agent = createAgent(url, (await registered.json()) as { id: string; token: string });
      const at = new Date().toISOString();
      const failure = { level: "error", message: "Error: out of tea\n    at brew (/srv/kettle.js:3:1)" } as const;
      const logged = await agent.logs([entry(1, { at }), entry(2, { at }), entry(3, { at, ...failure })]);
      expect(logged.status).toBe(202);
      // without the service's variables, what goes by the control socket works all the same
      expect((await hub(["admin", "list"], {})).out).toMatch(/ada@example\.com/);
      expect((await hub(["token", "enrolment"], {})).out).toStartWith("oet_");
      expect((await hub(["regroup", "--since", "1h"], {})).out).toMatch(/^\d+ errors? in 3 lines/);
      expect(await lines("--server", "web-1")).toEqual(["line 1", "line 2", failure.message]);
      expect(await lines("--query", "level:error")).toEqual([failure.message]);
      expect((await hub(["export", "--server", "nobody"])).err).toContain('no server or source "nobody"');
      await refusesUntold();
      await says();
      expect((await fetch(`${url}/readyz`)).status).toBe(200);
      const figures = await (await fetch(`${url}/metrics`, { headers })).text();
      expect(figures).not.toMatch(/file="(?:state|auth|logs|metrics)\.db"/);
    });

    test("works after it has stopped, and nothing in its folder is taken for it", async () => {
      expect(await lines()).toHaveLength(3);
      expect((await hub(["regroup", "--since", "1h"])).out).toMatch(/ in 3 lines/);
      expect((await hub(["repair"])).err).toContain("is to be mended");
      // nor by a hub: its folder would be another one, which anybody might make their own
      for (const words of [
        ["--port", "0"],
        ["admin", "list"],
        ["token", "key"],
      ]) {
        const run = await hub(words, {});
        expect([words, run.code, run.out]).toEqual([words, 1, ""]);
        expect(run.err).toContain("databaseUrl is not set");
      }
      expect(existsSync(`${dir}/data/state.db`)).toBe(false);
      const url = new URL(env["ORION_HUB_DATABASE_URL"] ?? "");
      url.password = "swordfish";
      const wrong = await hub(["admin", "list"], { ...env, ORION_HUB_DATABASE_URL: url.href });
      expect([wrong.code, wrong.out]).toEqual([1, ""]);
      expect(wrong.err).toContain("Check user and password in databaseUrl");
      expect(wrong.err).not.toContain("swordfish");
    });
  },
);
