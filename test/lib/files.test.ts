import { describe, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  watch,
  writeFileSync,
} from "node:fs";

import { writeFileAtomic } from "#src/lib/files.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

const modeOf = (path: string) => statSync(path).mode & 0o7777;

describe("a file written atomically", () => {
  test("holds the content, has the mode whatever the umask, and leaves nothing else behind", async () => {
    await using folder = temporaryFolder();
    const path = folder.at("config.json");
    const before = process.umask(0o077);
    try {
      writeFileAtomic(path, "one", 0o644);
    } finally {
      process.umask(before);
    }
    expect([readFileSync(path, "utf8"), modeOf(path)]).toEqual(["one", 0o644]);
    writeFileAtomic(path, new Uint8Array([116, 119, 111]));
    expect([readFileSync(path, "utf8"), modeOf(path)]).toEqual(["two", 0o600]);
    expect(readdirSync(folder.path)).toEqual(["config.json"]);
  });

  test("replaces a link, and leaves alone what it leads to", async () => {
    await using folder = temporaryFolder();
    writeFileSync(folder.at("precious"), "kept", { mode: 0o644 });
    symlinkSync(folder.at("precious"), folder.at("config.json"));
    writeFileAtomic(folder.at("config.json"), "mine");
    expect([readFileSync(folder.at("precious"), "utf8"), modeOf(folder.at("precious"))]).toEqual(["kept", 0o644]);
    expect(lstatSync(folder.at("config.json")).isFile()).toBe(true);
    expect(readFileSync(folder.at("config.json"), "utf8")).toBe("mine");
  });

  // Before, the name was made of the process id: whoever may write the folder could leave a link under it
  test("goes over temporary names that can't be known before", async () => {
    await using folder = temporaryFolder();
    const seen = new Set<string>();
    const watcher = watch(folder.path, (_event, name) => name?.endsWith(".tmp") === true && seen.add(name));
    try {
      symlinkSync(folder.at("precious"), folder.at(`config.json.${process.pid}.tmp`));
      while (seen.size < 4) {
        writeFileAtomic(folder.at("config.json"), "mine");
        await Bun.sleep(1);
      }
    } finally {
      watcher.close();
    }
    expect(existsSync(folder.at("precious"))).toBe(false);
    const random = [...seen].filter((name) => /^config\.json\.[0-9a-f]{24}\.tmp$/.test(name));
    expect(random.length).toBeGreaterThanOrEqual(3);
  });

  test("that can't take its place is gone, and what was there stays", async () => {
    await using folder = temporaryFolder();
    mkdirSync(folder.at("taken"));
    expect(() => writeFileAtomic(folder.at("taken"), "mine")).toThrow();
    expect(() => writeFileAtomic(folder.at("nowhere", "config.json"), "mine")).toThrow("ENOENT");
    expect(readdirSync(folder.path)).toEqual(["taken"]);
  });

  test.if(process.getuid?.() === 0)("belongs to whom root gives it (as root)", async () => {
    await using folder = temporaryFolder();
    writeFileAtomic(folder.at("config.json"), "theirs", 0o640, { uid: 65_534, gid: 65_533 });
    const { uid, gid } = statSync(folder.at("config.json"));
    expect([uid, gid, modeOf(folder.at("config.json"))]).toEqual([65_534, 65_533, 0o640]);
  });
});
