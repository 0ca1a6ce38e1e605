/** `orion hub admin`, `token`, `backup` and `restore`: on the hub's own machine, whether it runs or not. */
import { describe, expect, test } from "bun:test";
import { existsSync, statSync, writeFileSync } from "node:fs";

import { password, signIn } from "#test/hub/kit/people.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

import { main, orion } from "../orion.ts";
import { keys, sitDown } from "../typist.ts";

async function startHubProcess(folder: Folder) {
  const program = startProgram([process.execPath, main, "--dir", folder.path, "hub", "--port", "0", "--json"]);
  const line = await until(() => {
    if (/^orion: /m.test(program.output())) throw new Error(program.output());
    return /^\{.*\}$/m.exec(program.output())?.[0];
  }, "the hub's address");
  const { url } = JSON.parse(line) as { url: string };
  return { program, url, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

const people = async (folder: Folder) =>
  (JSON.parse((await orion(["--dir", folder.path, "hub", "admin", "list", "--json"])).out) as { people: unknown[] })
    .people;

describe("the hub's own command line", () => {
  for (const running of [true, false]) {
    test(`makes owners and gives out tokens while the hub ${running ? "runs" : "is stopped"}`, async () => {
      await using folder = temporaryFolder("orion-hub-");
      const admin = (...words: string[]) => orion(["--dir", folder.path, "hub", ...words], { stdin: `${password}\n` });
      const before = running ? await startHubProcess(folder) : undefined;
      const made = await admin("admin", "create", "--email", "Ada@example.com", "--password-file", "-");
      expect(made).toEqual({ code: 0, out: "ada@example.com owns Default\n", err: "" });
      const again = await admin("admin", "create", "--email", "ada@example.com", "--password-file", "-");
      expect([again.code, again.out]).toEqual([1, ""]);
      expect(await people(folder)).toEqual([
        expect.objectContaining({
          email: "ada@example.com",
          twoFactor: false,
          memberships: [{ organization: "Default", role: "owner" }],
        }),
      ]);
      expect((await admin("admin", "list")).out).toMatch(/ada@example\.com .*Default \(owner\)/);
      const key = await admin("token", "key", "--name", "ops", "--scope", "view:servers");
      expect([key.code, key.out, key.err]).toEqual([
        0,
        expect.stringMatching(/^oak_\S+\n$/),
        "It is shown this once\n",
      ]);
      expect((await admin("token", "enrolment", "--max-uses", "3")).out).toStartWith("oet_");
      expect((await admin("token", "source", "--name", "mailer")).out).toStartWith("ost_");

      const serving = before ?? (await startHubProcess(folder));
      await using _ = serving;
      expect((await signIn(serving.url, "ada@example.com")).email).toBe("ada@example.com");
      const env = { ORION_API_URL: serving.url, ORION_API_TOKEN: key.out.trim() };
      expect((await orion(["server", "list", "--json"], { env })).out).toBe('{"servers":[]}\n');
      serving.program.kill("SIGTERM");
      expect(await serving.program.exited).toBe(0);
    }, 40_000);
  }

  test("a password that is typed is asked for twice, and not shown", async () => {
    await using folder = temporaryFolder("orion-hub-");
    await using person = sitDown(["--dir", folder.path, "hub", "admin", "create", "--email", "ada@example.com"]);
    await person.sees("Password (at least 12 characters)");
    person.types(`short${keys.enter}`);
    await person.sees("That has fewer than 12 characters");
    await person.sees("Password");
    person.types(`${password}${keys.enter}`);
    await person.sees("The same once more");
    person.types(`${password}x${keys.enter}`);
    await person.sees("That is another one");
    await person.sees("The same once more");
    person.types(`${password}${keys.enter}`);
    await person.sees("ada@example.com owns Default");
    expect(await person.exited).toBe(0);
    expect(person.raw()).not.toContain(password);
  }, 30_000);

  test("what is missing or unknown is named", async () => {
    await using folder = temporaryFolder("orion-hub-");
    const rows: readonly [readonly string[], number, string][] = [
      [["admin", "create"], 2, "--email is missing"],
      [["admin", "create", "--email", "a@example.com"], 2, "--password-file is missing, and there is no terminal"],
      [["admin", "creat"], 2, "Did you mean orion hub admin create?"],
      [["token", "kee"], 2, "Did you mean key?"],
      [["token", "key", "--scope", "all"], 2, '--scope can\'t be "all"'],
      [["token", "source"], 2, "--name is missing"],
      [["token", "key"], 1, "no organization yet"],
      [["backup", folder.at("x.tar"), "--data-dir", folder.at("nothing")], 1, "there is no hub's data"],
    ];
    for (const [words, code, says] of rows) {
      const run = await orion(["--dir", folder.path, "hub", ...words]);
      expect([words, run.code, run.out]).toEqual([words, code, ""]);
      expect(run.err).toContain(says);
    }
  }, 30_000);

  test("a backup of a running hub is restored on another folder, where its people and tokens work", async () => {
    await using folder = temporaryFolder("orion-hub-");
    await using other = temporaryFolder("orion-hub-");
    const file = folder.at("backup.tar");
    let key: string;
    {
      await using serving = await startHubProcess(folder);
      writeFileSync(folder.at("password"), password);
      const create = ["hub", "admin", "create", "--email", "ada@example.com", "--password-file", folder.at("password")];
      expect((await orion(["--dir", folder.path, ...create])).code).toBe(0);
      key = (await orion(["--dir", folder.path, "hub", "token", "key"])).out.trim();
      const done = await orion(["--dir", folder.path, "hub", "backup", file]);
      expect([done.code, done.err]).toEqual([0, ""]);
      expect(done.out).toMatch(/backup\.tar holds the hub as of \d{4}-.*MiB|KiB/);
      expect((statSync(file).mode & 0o777).toString(8)).toBe("600");
      const busy = await orion(["--dir", folder.path, "hub", "restore", file, "--force"]);
      expect([busy.code, busy.out]).toEqual([1, ""]);
      expect((await fetch(`${serving.url}/healthz`)).status).toBe(200);
    }
    const restored = await orion(["--dir", other.path, "hub", "restore", file, "--json"]);
    expect([restored.code, JSON.parse(restored.out)]).toEqual([0, expect.objectContaining({ aside: null })]);
    await using serving = await startHubProcess(other);
    expect((await signIn(serving.url, "ada@example.com")).email).toBe("ada@example.com");
    const env = { ORION_API_URL: serving.url, ORION_API_TOKEN: key };
    expect((await orion(["whoami"], { env })).code).toBe(0);
    expect(existsSync(other.at("data/secret"))).toBe(true);
  }, 60_000);
});
