import { expect, test } from "bun:test";

import type { RedactionOverview } from "#src/protocol/redaction.ts";
import { startHub } from "#test/hub/kit/hub.ts";

test("what is taken out is told to who may read lines, by name; patterns themselves are not", async () => {
  await using hub = await startHub({
    settings: {
      redaction: {
        off: ["cookie"],
        patterns: [{ name: "customer", pattern: "customer-\\d+", ignoreCase: false }],
      },
    },
  });
  const viewer = await hub.viewer();
  const overview = await viewer.json<RedactionOverview>("/api/redaction");
  expect(overview.patterns).toEqual(["customer"]);
  expect(overview.rules.filter(({ on }) => !on)).toEqual([{ name: "cookie", on: false }]);
  expect(overview.rules.find(({ name }) => name === "password")).toEqual({ name: "password", on: true });
  expect(JSON.stringify(overview)).not.toContain("customer-");
  expect((await hub.nobody.get("/api/redaction")).status).toBe(401);
});
