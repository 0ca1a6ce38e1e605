import { Database } from "bun:sqlite";
import { join } from "node:path";

import fc from "fast-check";
import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { journalEveryMs } from "#src/hub/store/series/port.ts";
import { openSeriesStore } from "#src/hub/store/series/series.ts";
import { systemClock } from "#src/lib/clock.ts";
import type { Tier } from "#src/protocol/series.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { type Point, day, differences, openTestSeries, plainSeries, retention, start, subject } from "./rig.ts";

setDefaultTimeout(60_000);

type Step =
  | { readonly do: "points"; readonly points: readonly Point[] }
  | { readonly do: "wait"; readonly seconds: number }
  | { readonly do: "kill" }
  | { readonly do: "restart" };

const names = fc.constantFrom("a", "b", "c/d");
// of two days, so that hours close, days are packed, and much comes late
const point = fc.record({
  atS: fc.integer({ min: start - day, max: start + day }),
  name: names,
  level: fc.integer({ min: 0, max: 2 ** 21 }),
  total: fc.integer({ min: 0, max: 2 ** 21 }),
});
/** Beats as an agent sends them, with some of them missing. */
const beats = fc
  .record({
    from: fc.integer({ min: start - day, max: start + day / 2 }),
    every: fc.integer({ min: 10, max: 300 }),
    name: names,
    totals: fc.array(fc.option(fc.integer({ min: 0, max: 5000 })), { maxLength: 100 }),
  })
  .map(({ from, every, name, totals }) => {
    let total = 0;
    return totals.flatMap((more, i): Point[] => {
      if (more === null) return [];
      // begins again at 0 now and then
      total = more % 50 === 0 ? 0 : total + more;
      return [{ atS: from + i * every, name, level: more, total }];
    });
  });
const steps = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.oneof(fc.array(point, { maxLength: 20 }), beats).map((points): Step => ({ do: "points", points })),
    },
    {
      weight: 3,
      arbitrary: fc
        .oneof(fc.integer({ min: 0, max: 3600 }), fc.integer({ min: 3600, max: 3 * day }))
        .map((seconds): Step => ({ do: "wait", seconds })),
    },
    { weight: 1, arbitrary: fc.constant<Step>({ do: "kill" }) },
    { weight: 1, arbitrary: fc.constant<Step>({ do: "restart" }) },
  ),
  { maxLength: 12 },
);

describe("whatever the order, the batches, the waits and the restarts", () => {
  test("series are those of a plain computation", async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.constantFrom(0, 300, 3600), async (all, tier) => {
        await using rig = await openTestSeries();
        const kept: Point[] = [];
        let waited = 0;
        for (const step of all) {
          if (step.do === "points") {
            for (const one of step.points) {
              const values = [one.level, one.total];
              if (rig.store.append("web", one.atS * 1000, [subject(one.name)], values)) kept.push(one);
            }
          } else if (step.do === "wait") {
            // the raw tier must still be there at the end
            if (waited + step.seconds > 4 * day) continue;
            waited += step.seconds;
            rig.clock.advance(step.seconds * 1000);
          } else if (step.do === "kill") {
            // what came within the last two seconds is lost, so there is none
            rig.clock.advance(journalEveryMs);
            await rig.kill();
          } else await rig.restart();
        }
        const query = { tier, fromS: start - day, toS: start + 2 * day } as const;
        expect(differences(await rig.store.read("web", query), plainSeries(kept, query))).toEqual([]);
        const part = { tier, fromS: start - day / 2, toS: start + 5000 } as const;
        expect(differences(await rig.store.read("web", part), plainSeries(kept, part))).toEqual([]);
        expect(rig.said).toEqual([]);
      }),
      { numRuns: 30, endOnFailure: true },
    );
  });
});

describe("a kill at any moment", () => {
  test("costs the samples of the last two seconds at most", async () => {
    await using folder = temporaryFolder();
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "program.ts"), folder.path], {
      stdout: "pipe",
      stderr: "inherit",
    });
    let durable = 0;
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      durable = Number(decoder.decode(chunk).trim().split("\n").at(-1));
      if (durable > 500) break;
    }
    child.kill("SIGKILL");
    await child.exited;
    const store = await openSeriesStore(folder.path, { clock: systemClock, retention, warn: () => undefined });
    try {
      const [levels] = await store.read("web", { tier: 0, fromS: 0, toS: 2 ** 32 });
      expect(levels?.times.length).toBeGreaterThanOrEqual(durable);
      // none is missing in between
      const wanted = Array.from({ length: levels?.times.length ?? 0 }, (_, i) => 10 * i);
      expect(levels?.mean).toEqual(wanted);
    } finally {
      await store.close();
    }
  });
});

describe("retention", () => {
  test("lets each tier go at its own age, and gives the space back", async () => {
    await using rig = await openTestSeries({ retention: { raw: 2 * day, minutes: 5 * day, hours: 40 * day } });
    const add = (seconds: number) => {
      for (let i = 0; i < 120; i++) rig.store.append("web", (seconds + i * 30) * 1000, [subject("a")], [i, i]);
    };
    const count = async (tier: Tier) =>
      (await rig.store.read("web", { tier, fromS: 0, toS: 2 ** 32 }))[0]?.times.length ?? 0;
    const counts = () => Promise.all(([0, 300, 3600] as const).map(count));
    add(start);
    rig.clock.advance(2 * 3600 * 1000);
    rig.leap(1);
    expect(await counts()).toEqual([120, 12, 1]);
    // of a day, all goes when the last of it is too old
    rig.leap(3);
    expect(await counts()).toEqual([0, 12, 1]);
    rig.leap(3);
    expect(await counts()).toEqual([0, 0, 1]);
    rig.leap(70);
    expect(await counts()).toEqual([0, 0, 0]);
    using database = new Database(rig.folder.at("metrics.db"), { readonly: true });
    expect(database.query("SELECT count(*) AS n FROM blocks").get()).toEqual({ n: 0 });
  });

  test("refuses what is too old or ahead of time, and says how many", async () => {
    await using rig = await openTestSeries();
    for (const atS of [start - 8 * day, start + 2 * day, Number.NaN]) {
      expect(rig.store.append("web", atS * 1000, [subject("a")], [1, 1])).toBe(false);
    }
    expect(rig.store.append("web", start * 1000, [subject("a")], [1, 1])).toBe(true);
    const { samples, refused } = rig.store.figures();
    expect([samples, refused]).toEqual([1, 3]);
  });
});

describe("upkeep", () => {
  test("leaves one block a day and tier, and an empty journal", async () => {
    await using rig = await openTestSeries();
    for (let i = 0; i < 2880; i++) {
      rig.store.append("web", rig.clock.now(), [subject("a")], [i % 100, i * 1000]);
      rig.clock.advance(30_000);
    }
    rig.clock.advance(6 * 3600 * 1000);
    using database = new Database(rig.folder.at("metrics.db"), { readonly: true });
    expect(database.query("SELECT tier, count(*) AS n FROM blocks GROUP BY tier ORDER BY tier").all()).toEqual([
      { tier: 0, n: 1 },
      { tier: 300, n: 1 },
      { tier: 3600, n: 1 },
    ]);
    expect(database.query("SELECT count(*) AS n FROM journal").get()).toEqual({ n: 0 });
    expect(database.query("SELECT count(*) AS n FROM due").get()).toEqual({ n: 0 });
    expect(rig.store.figures().openBytes).toBe(0);
  });
});

describe("a damaged file", () => {
  test("costs the block that is damaged, and says so", async () => {
    await using rig = await openTestSeries();
    for (const name of ["a", "b"]) {
      for (let i = 0; i < 3; i++) rig.store.append(name, (start + i * 30) * 1000, [subject("a")], [i, i]);
    }
    rig.clock.advance(1800 * 1000);
    using database = new Database(rig.folder.at("metrics.db"));
    const block = database.query<{ id: number; body: Uint8Array }, []>("SELECT id, body FROM blocks").all();
    const [first] = block;
    for (const at of first?.body.keys() ?? []) {
      const body = Uint8Array.from(first?.body ?? []);
      body[at] = (body[at] ?? 0) ^ 1;
      database.run("UPDATE blocks SET body = ? WHERE id = ?", [body, first?.id ?? 0]);
      expect(await rig.store.read("a", { tier: 0, fromS: 0, toS: 2 ** 32 })).toEqual([]);
    }
    expect((await rig.store.read("b", { tier: 0, fromS: 0, toS: 2 ** 32 })).length).toBe(2);
    expect(rig.said).toEqual([expect.stringMatching(/^block \d+ of metrics.db is damaged/)]);
  });

  test("costs the seconds of the journal's row that is damaged, and what follows in its segments", async () => {
    await using rig = await openTestSeries();
    for (let i = 0; i < 3; i++) {
      rig.store.append("web", rig.clock.now(), [subject("a")], [i, i]);
      rig.clock.advance(30_000);
    }
    using database = new Database(rig.folder.at("metrics.db"));
    database.run("UPDATE journal SET body = x'00' WHERE id = 2");
    await rig.kill();
    expect((await rig.store.read("web", { tier: 0, fromS: 0, toS: 2 ** 32 }))[0]?.mean).toEqual([0]);
    expect(rig.said).toEqual([expect.stringMatching(/^1 rows of the journal/)]);
    rig.store.append("web", rig.clock.now(), [subject("a")], [9, 9]);
    expect((await rig.store.read("web", { tier: 0, fromS: 0, toS: 2 ** 32 }))[0]?.mean).toEqual([0, 9]);
  });
});

describe("an origin", () => {
  test("that is dropped has nothing left, also after a restart, and may come back", async () => {
    await using rig = await openTestSeries();
    const all = { tier: 0, fromS: 0, toS: 2 ** 32 } as const;
    rig.store.append("web", start * 1000, [subject("a")], [1, 1]);
    rig.clock.advance(3600 * 1000);
    rig.store.append("web", rig.clock.now(), [subject("a")], [2, 2]);
    rig.clock.advance(journalEveryMs);
    rig.store.drop("web");
    expect(await rig.store.read("web", all)).toEqual([]);
    await rig.kill();
    expect(await rig.store.read("web", all)).toEqual([]);
    rig.store.append("web", rig.clock.now(), [subject("a")], [3, 3]);
    expect((await rig.store.read("web", all))[0]?.mean).toEqual([3]);
  });

  test("that changes what it measures all the time is kept all the same", async () => {
    await using rig = await openTestSeries();
    for (let i = 0; i < 100; i++) rig.store.append("web", (start + i) * 1000, [subject(`job-${i}`)], [i, i]);
    const found = await rig.store.read("web", { tier: 0, fromS: 0, toS: 2 ** 32 });
    expect(found.map(({ mean }) => mean[0]).sort((a = 0, b = 0) => a - b)).toEqual(
      Array.from({ length: 100 }, (_, i) => i),
    );
  });
});
