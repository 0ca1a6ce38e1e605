import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { byPlace, newestFirst, pageOf, placeBy } from "#src/hub/api/paging.ts";

type Item = { readonly name: string; readonly id: string };
const placeOf = (item: Item) => placeBy(item.name, item.id);

/** Names as people write them, many of them the same; no control characters. */
const names = fc.array(fc.stringMatching(/^[a-zäß漢😀 -]{0,3}$/u), { maxLength: 60 });
const itemsOf = (list: readonly string[]) =>
  byPlace(
    list.map((name, i) => ({ name, id: String(i) })),
    placeOf,
  );

/** All pages, read one after the other; `between` may change the list. */
function readAll(items: readonly Item[], limit: number, between: (items: readonly Item[]) => readonly Item[]): Item[] {
  const all: Item[] = [];
  let list = items;
  let cursor: string | null = null;
  do {
    const page: { items: readonly Item[]; cursor: string | null } = pageOf(
      list,
      { limit, ...(cursor === null ? {} : { cursor }) },
      placeOf,
    );
    expect(page.items.length).toBeLessThanOrEqual(limit);
    all.push(...page.items);
    ({ cursor } = page);
    list = between(list);
  } while (cursor !== null);
  return all;
}

describe("pages of a list in memory", () => {
  test("hold every item once and in order, whatever their size", () => {
    fc.assert(
      fc.property(names, fc.integer({ min: 1, max: 70 }), (list, limit) => {
        const items = itemsOf(list);
        expect(readAll(items, limit, (same) => same)).toEqual([...items]);
      }),
    );
  });

  test("show what was there all the time once, while other items come and go", () => {
    fc.assert(
      fc.property(names, fc.integer({ min: 1, max: 5 }), fc.nat(), (list, limit, seed) => {
        const items = itemsOf(list);
        const stays = items.filter(({ id }) => (Number(id) + seed) % 3 !== 0);
        let turn = 0;
        const shown = readAll(items, limit, () =>
          byPlace([...stays, { name: ["a", "m", "z"][turn++ % 3] ?? "", id: `new-${turn}` }], placeOf),
        );
        const ids = new Set(stays.map(({ id }) => id));
        expect(shown.filter(({ id }) => ids.has(id))).toEqual([...stays]);
      }),
    );
  });

  test("the last page says that it is the last, also when it is full", () => {
    const items = itemsOf(["a", "b", "c", "d"]);
    expect(pageOf(items, { limit: 4 }, placeOf).cursor).toBeNull();
    expect(pageOf(items, { limit: 3 }, placeOf).cursor).not.toBeNull();
    expect(pageOf([], { limit: 3 }, placeOf)).toEqual({ items: [], cursor: null });
  });

  test.each(["x", "nonsense", "%%%", "a b", "====", "YQ==", "-1.5", "ﷺ"])("%j is refused as a cursor", (cursor) => {
    expect(() => pageOf(itemsOf(["a"]), { limit: 1, cursor }, placeOf)).toThrow("cursor is not one that this hub gave");
  });

  test("the newest moment comes first", () => {
    const moments = [0, 1, 999, 1_000_000, Date.parse("2026-01-01T00:00:00Z"), Date.parse("9999-12-31T00:00:00Z")];
    expect(moments.map(newestFirst).sort()).toEqual(moments.toReversed().map(newestFirst));
  });
});
