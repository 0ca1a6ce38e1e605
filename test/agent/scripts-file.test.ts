import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";

import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";

import { openScriptsFile } from "#src/agent/scripts-file.ts";
import { type Script, script } from "#src/protocol/scripts.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";

const api: Script = script.parse({ name: "api", command: "sleep 1" });
const web: Script = script.parse({ name: "web", command: "sleep 2", maxRestarts: 2 });

function open(folder: Folder) {
  return openScriptsFile(folder.at("scripts.json"), folder.at("last.json"));
}

function write(folder: Folder, content: unknown): void {
  writeFileSync(folder.at("scripts.json"), typeof content === "string" ? content : JSON.stringify(content));
  chmodSync(folder.at("scripts.json"), 0o600);
}

const names = (scripts: readonly Script[]): string[] => scripts.map(({ name }) => name);

describe("the scripts file", () => {
  test("that is not there holds no scripts", async () => {
    await using folder = temporaryFolder();
    const file = open(folder);
    expect(file.load()).toEqual([]);
    expect(file.problems()).toEqual([]);
  });

  test("is made by the first add, for its owner only", async () => {
    await using folder = temporaryFolder();
    const file = open(folder);
    file.add(api);
    file.add(web);
    expect(file.load()).toEqual([api, web]);
    expect(statSync(folder.at("scripts.json")).mode & 0o777).toBe(0o600);
    file.remove("api");
    expect(file.load()).toEqual([web]);
  });

  test("fills in the defaults of what a person wrote", async () => {
    await using folder = temporaryFolder();
    write(folder, [{ name: "api", command: "sleep 1" }]);
    expect(open(folder).load()).toEqual([api]);
  });

  test("refuses a name that is taken, and one that is not there", async () => {
    await using folder = temporaryFolder();
    const file = open(folder);
    file.add(api);
    expect(() => file.add(api)).toThrow(/api already exists/);
    expect(() => file.remove("nope")).toThrow(/nope not found/);
  });

  test("names each bad entry while the good ones run", async () => {
    await using folder = temporaryFolder();
    write(folder, [
      { name: "api", command: "sleep 1" },
      { name: "Bad Name", command: "x" },
      { command: "x" },
      { name: "late", command: "x", maxRestart: 1 },
      5,
      { name: "api", command: "other" },
      { name: "web", command: "sleep 2", maxRestarts: 2 },
    ]);
    const file = open(folder);
    expect(file.load()).toEqual([api, web]);
    const where = folder.at("scripts.json");
    expect(file.problems().map(({ what, why }) => `${what}: ${why}`)).toEqual([
      `entry 2 (Bad Name) of ${where} is not used: name: must be lowercase letters, digits and hyphens, at most 64, not starting or ending with a hyphen`,
      `entry 3 of ${where} is not used: name: missing, must be a string`,
      `entry 4 (late) of ${where} is not used: unknown key "maxRestart"`,
      `entry 5 of ${where} is not used: must be an object`,
      `entry 6 (api) of ${where} is not used: the name api is used by an entry before it`,
    ]);
  });

  test("keeps a bad entry as it was written when another one is added or removed", async () => {
    await using folder = temporaryFolder();
    const bad = { name: "late", command: "x", maxRestart: 1 };
    write(folder, [bad]);
    const file = open(folder);
    file.add(api);
    file.remove("api");
    expect(JSON.parse(readFileSync(folder.at("scripts.json"), "utf8"))).toEqual([bad]);
  });

  test("leaves a script as it was when its entry becomes bad", async () => {
    await using folder = temporaryFolder();
    const file = open(folder);
    write(folder, [api, web]);
    file.load();
    write(folder, [{ ...api, command: "" }, web]);
    expect(file.load()).toEqual([api, web]);
    expect(file.problems()[0]?.why).toBe("command: must not be empty; the script goes on as it was before");
  });

  test("that is torn leaves the last good scripts in force, names the place, and is not overwritten", async () => {
    await using folder = temporaryFolder();
    const file = open(folder);
    write(folder, [api]);
    file.load();
    write(folder, '[\n  { "name": "api", "comm');
    expect(file.load()).toEqual([api]);
    expect(file.problems()[0]?.why).toMatch(/^line 2, column 20: .*; the last good scripts stay in force$/);
    expect(() => file.add(web)).toThrow(/line 2, column 20: .*not overwritten/);
    expect(() => file.remove("api")).toThrow(/not overwritten/);
    expect(readFileSync(folder.at("scripts.json"), "utf8")).toBe('[\n  { "name": "api", "comm');
  });

  test("that is torn when the next daemon starts still leaves the last good scripts in force", async () => {
    await using folder = temporaryFolder();
    write(folder, [api, web]);
    open(folder).load();
    write(folder, "[");
    const next = open(folder);
    expect(next.load()).toEqual([api, web]);
    expect(next.problems()).toHaveLength(1);
  });

  test("that others may write is not used, naming the chmod", async () => {
    await using folder = temporaryFolder();
    const file = open(folder);
    write(folder, [api]);
    chmodSync(folder.at("scripts.json"), 0o664);
    expect(file.load()).toEqual([]);
    expect(file.problems()[0]).toMatchObject({ todo: `chmod go-w ${folder.at("scripts.json")}` });
    expect(() => file.add(web)).toThrow(/group or others may write/);
  });

  test("that is a symbolic link stays one", async () => {
    await using folder = temporaryFolder();
    mkdirSync(folder.at("real"));
    writeFileSync(folder.at("real", "scripts.json"), "[]", { mode: 0o600 });
    symlinkSync(folder.at("real", "scripts.json"), folder.at("scripts.json"));
    const file = open(folder);
    file.add(api);
    expect(readlinkSync(folder.at("scripts.json"))).toBe(folder.at("real", "scripts.json"));
    expect(file.load()).toEqual([api]);
  });

  test("says so when it can't be written", async () => {
    await using folder = temporaryFolder();
    const file = openScriptsFile(folder.at("none", "scripts.json"), folder.at("last.json"));
    expect(() => file.add(api)).toThrow(/can't be written/);
    expect(existsSync(folder.at("none"))).toBe(false);
  });

  test("cut at any byte never gives a script that was not in it", async () => {
    await using folder = temporaryFolder();
    const text = JSON.stringify([api, web]);
    fc.assert(
      fc.property(fc.nat(text.length), fc.string({ maxLength: 5 }), (cut, noise) => {
        write(folder, text.slice(0, cut) + noise);
        const fresh = openScriptsFile(folder.at("scripts.json"), folder.at(`never-${cut}`));
        for (const name of names(fresh.load())) expect(["api", "web"]).toContain(name);
      }),
      { numRuns: 60 },
    );
  });
});
