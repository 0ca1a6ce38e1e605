import { describe, expect, test } from "bun:test";

import { createToken, digestOf, hintOf, matchesToken } from "#src/hub/auth/token.ts";
import { type TokenKind, tokenPrefixes } from "#src/protocol/access.ts";

describe("tokens", () => {
  test("match their own digest and no other", () => {
    const [one, two] = [createToken("agent"), createToken("agent")];
    expect(one.token).not.toBe(two.token);
    expect(matchesToken(one.token, one.digest)).toBe(true);
    expect(matchesToken(one.token, two.digest)).toBe(false);
    expect(matchesToken(one.token, null)).toBe(false);
    expect(matchesToken("", null)).toBe(false);
  });

  for (const [kind, prefix] of Object.entries(tokenPrefixes)) {
    test(`of kind ${kind} begin with ${prefix}, and their hint tells little of the rest`, () => {
      const { token, hint } = createToken(kind as TokenKind);
      expect(token).toMatch(new RegExp(`^${prefix}[\\w-]{43}$`));
      expect([hint, hintOf(token)]).toEqual([token.slice(0, 10), token.slice(0, 10)]);
    });
  }

  test("are kept as their SHA-256", () => {
    // FIPS 180-4, example of one block
    expect(Buffer.from(digestOf("abc")).toString("hex")).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });
});
