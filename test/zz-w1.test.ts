import { test, expect } from "bun:test";
import fc from "fast-check";
import { quote } from "#src/hub/store/clickhouse/search/sql.ts";
import { quoteText } from "#src/hub/store/clickhouse/series-text.ts";
import { openTable } from "#test/hub/store/clickhouse/search/table.ts";
test("literals", async () => {
  await using table = await openTable();
  const nasty = fc.stringMatching(/^[\\'"`{}:a-zA-Z0-9;\-/*$\n\r\t\0 %_()]*$/);
  await fc.assert(fc.asyncProperty(fc.array(fc.oneof(nasty, fc.string({ unit: "binary" }), fc.constantFrom("{x:String}", "\\", "\\'", "'; DROP TABLE logs; --", "/*", "--", "$$a$$", "\\x27", "\u2028")), { minLength: 1, maxLength: 30 }), async (texts) => {
    for (const q of [quote, quoteText]) {
      const good = texts.filter((t) => t.isWellFormed());
      if (good.length === 0) return;
      const [row] = await table.client.rows<{ a: string[] }>(`SELECT [${good.map(q).join(", ")}] AS a`, { parameters: { x: "no" } });
      expect(row?.a).toEqual(good);
    }
  }), { numRuns: 150 });
}, 60000);
