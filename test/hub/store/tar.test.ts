import { spawnSync } from "node:child_process";
import { open } from "node:fs/promises";

import fc from "fast-check";
import { describe, expect, test } from "bun:test";

import { TornTar, padding, readTar, tarEnd, tarHeader, writePiece } from "#src/hub/store/tar.ts";
import { failureOf } from "#test/kit/failure.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

type File = { readonly name: string; readonly content: Uint8Array };

async function write(path: string, files: readonly File[]): Promise<void> {
  await using archive = await open(path, "w");
  for (const { name, content } of files) {
    await writePiece(archive, tarHeader({ name, bytes: content.length }, 0o600, 1_700_000_000_000));
    await writePiece(archive, content);
    await writePiece(archive, padding(content.length));
  }
  await writePiece(archive, tarEnd);
}

async function read(path: string): Promise<File[]> {
  await using archive = await open(path, "r");
  const files: File[] = [];
  for await (const file of readTar(archive)) {
    const pieces: Uint8Array[] = [];
    for await (const piece of file.pieces()) pieces.push(Uint8Array.from(piece));
    files.push({ name: file.name, content: new Uint8Array(Buffer.concat(pieces)) });
  }
  return files;
}

describe("tar archives", () => {
  test("give back what was put in, of any size", async () => {
    await using folder = temporaryFolder();
    const sizes = [0, 1, 511, 512, 513, 1024 * 1024, 2_500_001];
    const files = sizes.map((size, i) => ({
      name: `f${i}`,
      content: crypto.getRandomValues(new Uint8Array(size % 65_536)),
    }));
    const large = { name: "large", content: new Uint8Array(2_500_001).fill(65) };
    await write(folder.at("a.tar"), [...files, large]);
    expect(await read(folder.at("a.tar"))).toEqual([...files, large]);
  });

  test("are read by the tar of this machine", async () => {
    await using folder = temporaryFolder();
    await write(folder.at("a.tar"), [
      { name: "manifest.json", content: Buffer.from("{}") },
      { name: "state.db", content: new Uint8Array(700) },
    ]);
    const listed = spawnSync("tar", ["--numeric-owner", "-tvf", folder.at("a.tar")], {
      env: { ...process.env, TZ: "UTC" },
    });
    expect(listed.stdout.toString().replaceAll(/ +/g, " ").trim().split("\n")).toEqual([
      "-rw------- 0/0 2 2023-11-14 22:13 manifest.json",
      "-rw------- 0/0 700 2023-11-14 22:13 state.db",
    ]);
  });

  test("hold sizes that eleven octal digits can't", async () => {
    await using folder = temporaryFolder();
    for (const bytes of [8 ** 11 - 1, 8 ** 11, 123_456_789_012_345]) {
      await Bun.write(folder.at("a.tar"), tarHeader({ name: "logs.db", bytes }, 0o600, 0));
      await using archive = await open(folder.at("a.tar"), "r");
      const first = await readTar(archive).next();
      expect(first.value).toMatchObject({ name: "logs.db", bytes });
      const listed = spawnSync("tar", ["-tvf", folder.at("a.tar")]);
      expect(listed.stdout.toString()).toContain(` ${bytes} `);
    }
  });

  test("that are torn or none at all are told apart from whole ones", async () => {
    await using folder = temporaryFolder();
    await write(folder.at("a.tar"), [{ name: "x", content: new Uint8Array(3000).fill(1) }]);
    const whole = await Bun.file(folder.at("a.tar")).bytes();
    // all but the two blocks of zeroes at the end
    for (const cut of [0, 1, 511, 512, 513, 3000, 3511]) {
      await Bun.write(folder.at("b.tar"), whole.subarray(0, cut));
      expect(await failureOf(read(folder.at("b.tar")))).toBeInstanceOf(TornTar);
    }
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 2000 }), async (bytes) => {
        if (bytes.every((byte) => byte === 0)) return;
        await Bun.write(folder.at("c.tar"), bytes);
        expect(await failureOf(read(folder.at("c.tar")))).toBeInstanceOf(TornTar);
      }),
    );
  });
});
