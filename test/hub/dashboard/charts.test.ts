/** What charts are made of: the time they show, what happened in it, their lines and units. */
import { describe, expect, test } from "bun:test";

import fc from "fast-check";

import { type Mark, joinMarks, placeOf, toneOf, wordsOf } from "#src/hub/dashboard/charts/marks.ts";
import { expected, plotsOf } from "#src/hub/dashboard/charts/plots.ts";
import { type Span, endsOf, movedSpan, readSpan, writeSpan, zoomedSpan } from "#src/hub/dashboard/charts/span.ts";
import { sumsOf } from "#src/hub/dashboard/charts/summary.tsx";
import { units } from "#src/hub/dashboard/charts/units.ts";
import type { MetricSeries, MetricsAnswer } from "#src/protocol/metrics.ts";
import { heartbeat } from "#test/hub/kit/hub.ts";

const now = Date.parse("2026-05-01T12:00:00.000Z");
const iso = (ms: number) => new Date(ms).toISOString();

describe("the time shown", () => {
  const read = (query: string) => readSpan(new URLSearchParams(query));

  test("is an hour unless the address says otherwise, and the address says only what is unusual", () => {
    expect(read("")).toEqual({ kind: "live", name: "1h" });
    expect(read("range=30d")).toEqual({ kind: "live", name: "30d" });
    expect(read("range=nonsense&from=yesterday")).toEqual({ kind: "live", name: "1h" });
    expect(writeSpan({ kind: "live", name: "1h" })).toEqual({});
  });

  test("comes back from its address as it was", () => {
    const moments = fc.tuple(fc.integer({ min: 0, max: now }), fc.integer({ min: 60_000, max: 365 * 86_400_000 }));
    fc.assert(
      fc.property(moments, ([fromMs, length]) => {
        const span: Span = { kind: "fixed", fromMs, toMs: fromMs + length };
        expect(readSpan(new URLSearchParams(writeSpan(span)))).toEqual(span);
      }),
    );
  });

  test("is never less than a minute, and a stretch that ends before it begins is none", () => {
    expect(zoomedSpan(now, now + 10)).toEqual({ kind: "fixed", fromMs: now - 30_000, toMs: now + 31_000 });
    expect(read(`from=${iso(now)}&to=${iso(now - 1)}`).kind).toBe("live");
  });

  test("moves by half of its length and never into the future", () => {
    const hour = 3_600_000;
    const from: Span = { kind: "live", name: "1h" };
    expect(movedSpan(from, "earlier", now)).toEqual({
      kind: "fixed",
      fromMs: now - 1.5 * hour,
      toMs: now - 0.5 * hour,
    });
    expect(movedSpan(from, "in", now)).toEqual({ kind: "fixed", fromMs: now - 0.75 * hour, toMs: now - 0.25 * hour });
    expect(movedSpan(from, "out", now)).toEqual({ kind: "fixed", fromMs: now - 2 * hour, toMs: now });
    fc.assert(
      fc.property(fc.constantFrom("earlier", "later", "in", "out"), fc.integer({ min: 0, max: 1e9 }), (move, ago) => {
        const { toMs } = endsOf(movedSpan(zoomedSpan(now - ago - hour, now - ago), move, now), now);
        expect(toMs).toBeLessThanOrEqual(now + 1000);
      }),
    );
  });
});

describe("what happened", () => {
  const mark = (seconds: number, type: string, subject: string | null = null): Mark => ({
    id: `${seconds} ${type}`,
    at: iso(now + seconds * 1000),
    type,
    subject,
  });

  test("is said in words, and what this page does not know by its type", () => {
    expect(wordsOf(mark(0, "script.crashed", "mailer"))).toBe("mailer crashed");
    expect(wordsOf(mark(0, "agent.silent"))).toBe("agent silent");
    expect(wordsOf(mark(0, "comet.landed"))).toBe("comet.landed");
    expect(["script.crashed", "logs.dropped", "agent.started"].map((type) => toneOf({ type }))).toEqual([
      "bad",
      "warn",
      "quiet",
    ]);
  });

  test("is joined where it lies close together, in the colour of the worst", () => {
    const marks = [
      mark(52, "agent.back"),
      mark(10, "agent.started"),
      mark(11, "script.crashed", "api"),
      mark(200, "x"),
    ];
    const clusters = joinMarks(marks, now, now + 100_000, 0.05);
    expect(clusters.map(({ share, tone, marks }) => [share, tone, marks.length])).toEqual([
      [0.1, "bad", 2],
      [0.52, "quiet", 1],
    ]);
  });

  test("loses nothing by that, and never lies nearer than there is room for", () => {
    const moments = fc.array(fc.integer({ min: 0, max: 3600 }), { maxLength: 80 });
    fc.assert(
      fc.property(moments, (seconds) => {
        const clusters = joinMarks(
          seconds.map((at) => mark(at, "script.crashed", "api")),
          now,
          now + 3_600_000,
          0.02,
        );
        expect(clusters.reduce((sum, { marks }) => sum + marks.length, 0)).toBe(seconds.length);
        clusters.slice(1).forEach(({ share }, i) => {
          expect(share - (clusters[i]?.share ?? 0)).toBeGreaterThanOrEqual(0.02);
        });
      }),
    );
  });

  test("leads to the events of its time, and a deployment to itself", () => {
    const [first, last] = [mark(0, "script.crashed", "api"), mark(5, "agent.back")];
    expect(placeOf("s 1", [first])).toBe(
      "/events?server=s+1&from=2026-05-01T12%3A00%3A00.000Z&to=2026-05-01T12%3A00%3A00.001Z",
    );
    expect(placeOf("s", [first, last])).toEndWith("&to=2026-05-01T12%3A00%3A05.001Z");
    expect(placeOf("s", [{ ...mark(0, "deploy.done"), href: "/servers/s?job=1" }])).toBe("/servers/s?job=1");
  });
});

describe("the lines", () => {
  const series = (name: string, subject: string | null, values: (number | null)[], more = {}): MetricSeries => ({
    name,
    subject,
    unit: "1",
    values,
    ...more,
  });
  const answer = (list: readonly MetricSeries[], marks: MetricsAnswer["marks"] = []): MetricsAnswer => ({
    from: iso(now),
    to: iso(now + 30_000),
    step: 10,
    resolution: 0,
    series: [...list],
    marks,
  });

  test("go up to all that there is, and a gap stays one", () => {
    const { memory, cpu } = plotsOf(
      answer([series("host.memory.used", null, [1, null, 3]), series("host.memory.total", null, [8, null, 8])]),
    );
    expect([memory.most, memory.times.length, memory.lines[0]?.values]).toEqual([8, 3, [1, null, 3]]);
    expect([cpu.most, cpu.lines]).toEqual([100, []]);
  });

  test("keep time without any figures as wide as it was", () => {
    const { load } = plotsOf(answer([]));
    expect([load.to - load.from, load.times.length]).toEqual([30, 3]);
  });

  test("watched over SSH are told apart, neighbouring steps as one stretch", () => {
    const { cpu } = plotsOf(answer([series("host.ssh", null, [1, 1, null])]));
    expect(cpu.stretches).toEqual([{ from: now / 1000, to: now / 1000 + 20 }]);
  });

  test("of many are the largest, each in the same colour whether alone or not", () => {
    const many = Array.from({ length: 12 }, (_, i) =>
      series("script.cpu", `s${String(i).padStart(2, "0")}`, [i, i, i]),
    );
    const marks = [{ id: "1", at: iso(now), type: "script.crashed", subject: "s05" }];
    const { scriptCpu } = plotsOf(answer(many, marks));
    expect([scriptCpu.lines.length, scriptCpu.omitted, scriptCpu.marks.length]).toEqual([8, 4, 1]);
    const alone = plotsOf(answer(many, marks), "s05").scriptCpu;
    expect(alone.lines.map(({ name }) => name)).toEqual(["s05"]);
    expect(alone.lines[0]?.colour).toBe(scriptCpu.lines.find(({ name }) => name === "s05")?.colour ?? "");
    // one that had no room can be looked at alone
    expect(plotsOf(answer(many), "s00").scriptCpu.lines.map(({ name }) => name)).toEqual(["s00"]);
  });

  test("of a container's traffic are what it received and sent", () => {
    const { containerNetwork } = plotsOf(
      answer([
        series("container.network.rx", "db", [1, null, null], { min: [0, null, null], max: [2, null, null] }),
        series("container.network.tx", "db", [2, 5, null]),
      ]),
    );
    expect(containerNetwork.lines).toMatchObject([{ name: "db", values: [3, 5, null] }]);
    expect(containerNetwork.lines[0]?.spread).toBeUndefined();
  });

  test("take their room before they come", () => {
    const [script] = heartbeat().scripts;
    const latest = { ...heartbeat(), scripts: [{ ...script!, name: "api", cpu: 3 }, script!] };
    const server = {
      id: "s",
      hostname: "web-1",
      projectId: "p",
      createdAt: iso(now),
      agent: { status: "connected", version: null, lastSeen: null, transport: "agent" },
      tokenLastUsedAt: null,
      notices: [],
      latest,
    } as const;
    const plots = plotsOf(expected({ ...server, notices: [] }, { fromMs: now, toMs: now + 1000 }));
    expect(plots.scriptMemory.lines.map(({ name, values }) => [name, values])).toEqual([["api", [null]]]);
    expect(plots.load.lines.length).toBe(3);
  });

  test("are told to who can't see them as newest, lowest, mean and highest", () => {
    const line = { name: "a", colour: "", values: [2, null, 4] };
    expect(sumsOf(line)).toEqual([4, 2, 3, 4]);
    expect(sumsOf({ ...line, spread: { min: [1, null, 3], max: [3, null, 9] } })).toEqual([4, 1, 3, 9]);
    expect(sumsOf({ ...line, values: [null] })).toBeUndefined();
  });
});

test("axes have short names, and sizes steps of 1024", () => {
  expect(units.bytes.axis(4 * 1024 ** 3)).toBe("4 GB");
  expect(units.bytes.say(4 * 1024 ** 3)).toBe("4.0 GB");
  expect(units.rate.axis(1536)).toBe("1.5 KB/s");
  expect(units.percent.axis(25)).toBe("25 %");
  expect(units.number.axis(0.25)).toBe("0.25");
  expect(units.count.axis(20_000)).toBe("20 k");
  expect(units.bytes.steps).toContain(1024 ** 3);
});
