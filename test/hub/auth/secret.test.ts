import { chmodSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";

import { describe, expect, test } from "bun:test";

import { agreeOnSecret, openSecret } from "#src/hub/auth/secret.ts";
import { failureOf } from "#test/kit/failure.ts";
import { temporaryFolder } from "#test/kit/folder.ts";

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("the hub's secret", () => {
  test("is made at first start, for its owner's eyes only, and read again later", async () => {
    await using folder = temporaryFolder();
    const first = openSecret(folder.path);
    expect(statSync(folder.at("secret")).mode & 0o777).toBe(0o600);
    expect(readFileSync(folder.at("secret"), "utf8")).toMatch(/^[0-9a-f]{64}\n$/);
    expect(readdirSync(folder.path)).toEqual(["secret"]);
    expect(text(openSecret(folder.path).derive("a"))).toBe(text(first.derive("a")));
  });

  test("gives a key of its own for each purpose and hub", async () => {
    await using one = temporaryFolder();
    await using other = temporaryFolder();
    const [a, b] = [openSecret(one.path), openSecret(other.path)];
    const keys = [a.derive("a"), a.derive("b"), b.derive("a")].map(text);
    expect(new Set(keys).size).toBe(3);
    for (const key of keys) expect(key).toHaveLength(64);
    expect(keys).not.toContain(readFileSync(one.at("secret"), "utf8").trim());
  });

  test("that others may read is refused, and the answer says how to mend it", async () => {
    await using folder = temporaryFolder();
    openSecret(folder.path);
    for (const mode of [0o640, 0o604, 0o660]) {
      chmodSync(folder.at("secret"), mode);
      expect(() => openSecret(folder.path)).toThrow(/may be read by others \(mode 0\d{3}\)/);
    }
    chmodSync(folder.at("secret"), 0o600);
    openSecret(folder.path);
  });

  test("may be a file for several hubs, which a group may read and nobody else", async () => {
    await using folder = temporaryFolder();
    await using other = temporaryFolder();
    const file = folder.at("shared-secret");
    const first = text(openSecret(folder.path, file).derive("a"));
    expect(statSync(file).mode & 0o777).toBe(0o600);
    chmodSync(file, 0o440);
    expect(text(openSecret(other.path, file).derive("a"))).toBe(first);
    expect(readdirSync(other.path)).toEqual([]);
    for (const mode of [0o444, 0o660, 0o604]) {
      chmodSync(file, mode);
      expect(() => openSecret(folder.path, file)).toThrow(/may be read by others/);
    }
  });

  test("is agreed on by what tells nothing of it", async () => {
    await using one = temporaryFolder();
    await using other = temporaryFolder();
    let agreed: string | undefined;
    const agree = async (value: string) => (agreed ??= value);
    await agreeOnSecret(openSecret(one.path), agree);
    await agreeOnSecret(openSecret(one.path), agree);
    expect(agreed).toMatch(/^[0-9a-f]{64}$/);
    expect(readFileSync(one.at("secret"), "utf8")).not.toContain(agreed ?? "");
    const refused = await failureOf(agreeOnSecret(openSecret(other.path), agree));
    expect(refused).toMatchObject({ code: "failed", hint: expect.stringContaining("secretFile") as string });
  });

  test("that is damaged is not replaced", async () => {
    await using folder = temporaryFolder();
    for (const damaged of ["", "abc", "x".repeat(64), `${"a".repeat(64)}\nmore`]) {
      writeFileSync(folder.at("secret"), damaged, { mode: 0o600 });
      expect(() => openSecret(folder.path)).toThrow(/is not the hub's secret/);
      expect(readFileSync(folder.at("secret"), "utf8")).toBe(damaged);
    }
  });
});
