import { join } from "node:path";

import { describe, expect, test } from "bun:test";

import { createRedactor, redactionSettings, ruleNames } from "#src/hub/redaction/redaction.ts";
import { z } from "#src/protocol/schema.ts";

import { harmless, secrets } from "./secrets.ts";

const { redactText } = createRedactor({ off: [], patterns: [] });

describe("a secret is taken out of", () => {
  for (const [name, text, left] of secrets) test(name, () => expect(redactText(text)).toBe(left));
});

describe("what is no secret is left alone:", () => {
  for (const text of harmless) test(text, () => expect(redactText(text)).toBe(text));
});

test("what has been taken out is not taken out again", () => {
  for (const [, , left] of secrets) expect(redactText(left)).toBe(left);
});

test("every rule is named in the documentation", async () => {
  const page = await Bun.file(join(import.meta.dir, "../../../docs/configuration.md")).text();
  expect(ruleNames.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  const example = /```json\n(\{\n {2}"redaction"[^]*?)```/.exec(page)?.[1] ?? "";
  const { redaction } = z.object({ redaction: redactionSettings }).parse(JSON.parse(example));
  expect(createRedactor(redaction).redactText("customer-12 DE02120300000000202051 User=ada cookie: a=b")).toBe(
    "[redacted:customer] [iban] user=a… cookie: a=b",
  );
});
