/** However lines are cut, mixed and torn. */
import { expect, test } from "bun:test";
import fc from "fast-check";

import { createAssembly } from "#src/hub/errors/assembly.ts";
import type { ErrorEvent } from "#src/hub/errors/event.ts";
import { arrivedOf, briefly, eventsOf, serverId, type TestLine } from "./assembly-lines.ts";
import { recordings } from "./corpus-kit.ts";

const recording = fc.constantFrom(...recordings);
const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 40 });

test("the same lines in any batches give the same events", () => {
  fc.assert(
    fc.property(recording, sizes, ({ lines }, cuts) => {
      expect(eventsOf(lines, cuts)).toEqual(eventsOf(lines));
    }),
    { numRuns: 150 },
  );
});

test("one line a batch gives the same events as one batch, for every recording", () => {
  for (const { lines } of recordings) {
    expect(
      eventsOf(
        lines,
        lines.map(() => 1),
      ),
    ).toEqual(eventsOf(lines));
  }
});

/** Two streams into one, in an order that `turns` decides. */
function mix(one: readonly TestLine[], other: readonly TestLine[], turns: readonly boolean[]): TestLine[] {
  const [left, right] = [[...one], [...other]];
  const mixed: TestLine[] = [];
  for (let i = 0; left.length + right.length > 0; i++) {
    const line = (turns[i % turns.length] === true ? left.shift() : right.shift()) ?? left.shift() ?? right.shift();
    if (line !== undefined) mixed.push(line);
  }
  return mixed;
}

test("two streams in one another give the events that each gives alone", () => {
  const turns = fc.array(fc.boolean(), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(recording, recording, turns, sizes, (a, b, order, cuts) => {
      const of = (lines: readonly TestLine[], source: string) => lines.map((line) => ({ ...line, source }));
      const events = eventsOf(mix(of(a.lines, "a"), of(b.lines, "b"), order), cuts);
      const alone = (lines: readonly TestLine[]) =>
        eventsOf(lines).map(({ firstPosition: _, lastPosition: __, ...event }) => event);
      for (const [source, lines] of [
        ["a", of(a.lines, "a")],
        ["b", of(b.lines, "b")],
      ] as const) {
        const own = events.filter((event) => event.source === source);
        expect(own.map(({ firstPosition: _, lastPosition: __, ...event }) => event)).toEqual(alone(lines));
      }
    }),
    { numRuns: 100 },
  );
});

test("reading again from openFrom gives the events that were still open", () => {
  fc.assert(
    fc.property(recording, fc.nat(60), ({ lines }, stop) => {
      const early: ErrorEvent[] = [];
      const first = createAssembly({ onEvent: (event) => void early.push(event) });
      first.add(arrivedOf(lines.slice(0, stop), 1));
      const resume = first.openFrom() ?? Math.min(stop, lines.length) + 1;
      const late: ErrorEvent[] = [];
      const second = createAssembly({ onEvent: (event) => void late.push(event) });
      // what stood before is read for `before` alone: its events are known
      second.add(arrivedOf(lines, 1));
      second.flush();
      const known = new Set(early.map(({ firstPosition }) => firstPosition));
      const after = late.filter(({ firstPosition }) => firstPosition >= resume && !known.has(firstPosition));
      const all = [...early, ...after].sort((a, b) => a.firstPosition - b.firstPosition);
      expect(all).toEqual(eventsOf(lines));
    }),
    { numRuns: 100 },
  );
});

test("lines that are lost, doubled or out of order are never thrown over, nor told twice", () => {
  const harm = fc.array(fc.record({ at: fc.nat(80), what: fc.constantFrom("lose", "double", "swap", "tear") }), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(recording, recording, harm, (a, b, harms) => {
      const lines = [...a.lines, ...b.lines];
      for (const { at, what } of harms) {
        const i = at % lines.length;
        const line = lines[i] ?? { text: "" };
        if (what === "lose" && lines.length > 1) lines.splice(i, 1);
        else if (what === "double") lines.splice(i, 0, line);
        else if (what === "tear") lines[i] = { text: line.text.slice(0, at % (line.text.length + 1)) };
        else lines.push(...lines.splice(i, 1));
      }
      const events = eventsOf(lines);
      for (const event of events) {
        expect(event.parts.length).toBeGreaterThan(0);
        expect(event.lastPosition).toBeGreaterThanOrEqual(event.firstPosition);
        expect(event.lastPosition).toBeLessThanOrEqual(lines.length);
      }
      const firsts = events.map(({ firstPosition }) => firstPosition);
      expect(new Set(firsts).size).toBe(firsts.length);
    }),
    { numRuns: 200 },
  );
});

test("bytes of any kind never throw", () => {
  const words = fc.constantFrom(
    "Traceback (most recent call last):\n",
    "    at ",
    "\tat ",
    "panic: ",
    '{"stack":',
    "** (",
    "Error: ",
    " | ",
    "\u001b[",
  );
  const bytes = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(fc.array(fc.tuple(words, bytes), { maxLength: 30 }), fc.nat(4), (pieces, level) => {
      const texts = pieces.map(([word, rest]) => Buffer.concat([Buffer.from(word), rest, Buffer.from("\n")]));
      const offsets = new Uint32Array(texts.length + 1);
      for (const [i, text] of texts.entries()) offsets[i + 1] = (offsets[i] as number) + text.length;
      const { columns } = arrivedOf(
        texts.map(() => ({ text: "", level: "error" })),
        1,
      );
      const arrived = {
        serverId,
        firstPosition: 1,
        columns: { ...columns, levels: columns.levels.fill(level), text: Buffer.concat(texts), offsets },
      };
      const events: ErrorEvent[] = [];
      const assembly = createAssembly({ onEvent: (event) => void events.push(event) });
      assembly.add(arrived);
      assembly.flush();
      expect(events.map(briefly).length).toBe(events.length);
    }),
    { numRuns: 300 },
  );
});
