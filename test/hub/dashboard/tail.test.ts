/** The live tail's reading and sampling, without a browser. */
import fc from "fast-check";
import { describe, expect, test } from "bun:test";

import { type TailEvent, createEventParser, createSampler } from "#src/hub/dashboard/tail.ts";

const row = (id: number, level = "info") => JSON.stringify({ id: String(id), level, message: '"level":"fatal"' });

describe("events", () => {
  test("are read whole however they are cut, comments passed over", () => {
    const text = ':\n\nid: 1\nevent: ready\ndata: {}\n\nid: 2\nevent: log\ndata: {"a":"x: y"}\n\n:\n\nid: 7\n\n';
    const whole: TailEvent[] = [];
    createEventParser((event) => void whole.push(event)).feed(text);
    expect(whole).toEqual([
      { event: "ready", id: "1", data: "{}" },
      { event: "log", id: "2", data: '{"a":"x: y"}' },
      { event: "", id: "7", data: "" },
    ]);
    fc.assert(
      fc.property(fc.array(fc.nat(text.length)), (cuts) => {
        const heard: TailEvent[] = [];
        const parser = createEventParser((event) => void heard.push(event));
        let from = 0;
        for (const to of [...cuts.toSorted((a, b) => a - b), text.length]) {
          parser.feed(text.slice(from, to));
          from = to;
        }
        expect(heard).toEqual(whole);
      }),
    );
  });
});

describe("sampling", () => {
  test("shows every line as long as they come slowly", () => {
    const sampler = createSampler();
    const shown: string[] = [];
    for (let frame = 0; frame < 300; frame++) {
      for (let i = 0; i < 10; i++) sampler.add(row(frame * 10 + i));
      const batch = sampler.take(frame * 16);
      expect(batch?.flood).toBeNull();
      shown.push(...(batch?.entries ?? []).map(({ id }) => id));
    }
    expect(shown).toEqual(Array.from({ length: 3000 }, (_, i) => String(i)));
  });

  test("of 20,000 lines a second shows the newest a few times a second, and counts all", () => {
    const sampler = createSampler();
    let [shown, skipped, counted, batches, next] = [0, 0, 0, 0, 0];
    let newest = "";
    for (let frame = 0; frame < 250; frame++) {
      for (let i = 0; i < 320; i++) sampler.add(row(next++, "error"));
      const batch = sampler.take(frame * 16);
      if (batch === null) continue;
      batches++;
      shown += batch.entries.length;
      skipped += batch.skipped;
      counted += batch.arrived.get("error") ?? 0;
      newest = batch.entries.at(-1)?.id ?? "";
      expect(newest).toBe(String(next - 1));
    }
    // a second until the rate is known, and four samples in each after it
    expect(batches).toBeLessThan(85);
    expect(shown + skipped).toBe(counted);
    expect(counted).toBe(Number(newest) + 1);
    expect(skipped).toBeGreaterThan(50_000);
  });

  test("tells what the hub left out, and that what waited is before it", () => {
    const sampler = createSampler();
    sampler.add(row(1));
    sampler.skip(500);
    sampler.add(row(502));
    expect(sampler.take(0)).toMatchObject({ entries: [{ id: "502" }], skipped: 501, skippedByHub: true });
    expect([sampler.take(16), sampler.waiting()]).toEqual([null, false]);
  });
});
