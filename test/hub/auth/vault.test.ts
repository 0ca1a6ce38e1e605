import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { createVault } from "#src/hub/auth/vault.ts";
import { Fault } from "#src/protocol/fault.ts";

const key = (byte: number) => new Uint8Array(32).fill(byte);

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe("the vault", () => {
  test("opens what it sealed, whatever it is", async () => {
    const vault = await createVault(key(1));
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary" }), fc.string(), async (text, context) => {
        const sealed = await vault.seal(text, context);
        expect(sealed).toMatch(/^v1\.[\w-]+$/);
        expect(await vault.open(sealed, context)).toBe(text);
      }),
      { numRuns: 100 },
    );
  });

  test("never seals the same twice", async () => {
    const vault = await createVault(key(1));
    const sealed = await Promise.all(Array.from({ length: 100 }, () => vault.seal("secret", "a")));
    expect(new Set(sealed).size).toBe(100);
  });

  test("opens nothing with another key, for another purpose, or that was changed", async () => {
    const vault = await createVault(key(1));
    const sealed = await vault.seal("secret", "a");
    expect(await failure((await createVault(key(2))).open(sealed, "a"))).toBeInstanceOf(Fault);
    expect(await failure(vault.open(sealed, "b"))).toBeInstanceOf(Fault);
    for (let at = 0; at < sealed.length; at++) {
      const bytes = Buffer.from(sealed.slice(3), "base64url");
      const changed = at < bytes.length ? flip(bytes, at) : sealed.slice(0, at);
      expect(await failure(vault.open(changed, "a"))).toBeInstanceOf(Fault);
    }
    expect(await failure(vault.open("secret", "a"))).toBeInstanceOf(Fault);
    expect(await failure(vault.open("", "a"))).toBeInstanceOf(Fault);
  });
});

function flip(bytes: Buffer, at: number): string {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return `v1.${copy.toString("base64url")}`;
}
