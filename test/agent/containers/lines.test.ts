import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { type Gap, createAssembler } from "#src/agent/containers/assemble.ts";
import { createFrameDecoder, createRawDecoder } from "#src/agent/containers/frames.ts";
import type { ContainerLine } from "#src/agent/containers/ports.ts";
import { type Position, formatPosition, parsePosition } from "#src/agent/containers/position.ts";

type Name = "stdout" | "stderr";
type Message = { readonly stream: Name; readonly at: string; readonly text: string };

const time = (second: number, nanos = 0): string =>
  `2026-01-02T03:04:${String(second).padStart(2, "0")}.${String(nanos).padStart(9, "0")}Z`;

function frame({ stream, at, text }: Message): Buffer {
  const body = Buffer.from(`${at} ${text}`);
  const head = Buffer.alloc(8);
  head[0] = stream === "stderr" ? 2 : 1;
  head.writeUInt32BE(body.length, 4);
  return Buffer.concat([head, body]);
}

const raw = ({ at, text }: Message): Buffer => Buffer.from(`${at} ${text}`);

/** Cuts bytes at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, index) => bytes.subarray(from, at[index] ?? bytes.length));
}

type Read = { readonly lines: ContainerLine[]; readonly position: Position | undefined; readonly gap: Gap | undefined };

/** Reads a stream as the engine sends it. */
function read(chunks: readonly Buffer[], tty = false, resume?: Position, atEnd = true, now = time(59)): Read {
  const decoder = tty ? createRawDecoder() : createFrameDecoder();
  const assembler = createAssembler(resume, () => now);
  const lines: ContainerLine[] = [];
  const take = (stream: Name, message: Buffer): void => assembler.take(stream, message, lines);
  for (const chunk of chunks) decoder.push(chunk, take);
  if (atEnd) {
    decoder.finish(take);
    assembler.finish(lines);
  }
  return { lines, position: assembler.position(), gap: assembler.takeGap() };
}

const part = "x".repeat(16 * 1024);

describe("a container's log stream", () => {
  const messages: readonly Message[] = [
    { stream: "stdout", at: time(1, 5), text: "one\n" },
    { stream: "stderr", at: time(1, 4), text: "grüße €\r\n" },
    { stream: "stdout", at: time(2), text: part },
    { stream: "stderr", at: time(2, 1), text: "between\n" },
    { stream: "stdout", at: time(2), text: part },
    { stream: "stdout", at: time(2), text: "end\n" },
    { stream: "stdout", at: time(3), text: "\n" },
  ];
  const lines: readonly ContainerLine[] = [
    { at: time(1, 5), stream: "stdout", message: "one" },
    { at: time(1, 4), stream: "stderr", message: "grüße €" },
    { at: time(2, 1), stream: "stderr", message: "between" },
    { at: time(2), stream: "stdout", message: `${part}${part}end` },
    { at: time(3), stream: "stdout", message: "" },
  ];

  test("becomes lines with the engine's own times, the parts of long ones joined, wherever it is split", () => {
    const whole = Buffer.concat(messages.map(frame));
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 30 }), (places) => {
        expect(read(cut(whole, places)).lines).toEqual([...lines]);
      }),
      { numRuns: 300 },
    );
  });

  test("of a terminal becomes lines as well, wherever it is split", () => {
    const said = [
      { stream: "stdout", at: time(1), text: "one\r\n" },
      { stream: "stdout", at: time(2), text: part },
      { stream: "stdout", at: time(2), text: part },
      { stream: "stdout", at: time(2), text: "end\r\n" },
      { stream: "stdout", at: time(3), text: `${part.slice(1)}\r\n` },
      { stream: "stdout", at: time(4), text: "two\r\n" },
    ] as const;
    const whole = Buffer.concat(said.map(raw));
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 30 }), (places) => {
        expect(read(cut(whole, places), true).lines.map(({ at, message }) => [at, message])).toEqual([
          [time(1), "one"],
          [time(2), `${part}${part}end`],
          [time(3), part.slice(1)],
          [time(4), "two"],
        ]);
      }),
      { numRuns: 300 },
    );
  });

  test("keeps a character whole that the engine split between two parts", () => {
    const euro = Buffer.from("€");
    const text = (bytes: Buffer, more: string): Buffer => {
      const body = Buffer.concat([Buffer.from(`${time(1)} `), bytes, Buffer.from(more)]);
      const head = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
      head.writeUInt32BE(body.length, 4);
      return Buffer.concat([head, body]);
    };
    expect(read([text(euro.subarray(0, 1), ""), text(euro.subarray(1), "\n")]).lines).toMatchObject([{ message: "€" }]);
  });

  test("with times in the engine's own zone has them in UTC", () => {
    const message = { stream: "stdout", at: "2026-01-02T05:04:01.123456789+02:00", text: "far\n" } as const;
    expect(read([frame(message)]).lines).toMatchObject([{ at: time(1, 123456789), message: "far" }]);
  });

  test("gives a line beyond a message's length in pieces", () => {
    const many = Array.from({ length: 65 }, () => frame({ stream: "stdout", at: time(1), text: part }));
    const got = read([...many, frame({ stream: "stdout", at: time(1), text: "end\n" })]).lines;
    expect(got.map(({ message, piece }) => [message.length, piece])).toEqual([
      [1_048_576, { part: 1, last: false }],
      [part.length + 3, { part: 2, last: true }],
    ]);
  });

  test("goes on at any message without loss or repeat", () => {
    const line = fc.record({
      stream: fc.constantFrom<Name[]>("stdout", "stderr"),
      parts: fc.integer({ min: 1, max: 3 }),
      /** nanoseconds after the line before, often none; a line is never written a second after a later one of the other stream */
      later: fc.constantFrom(0, 0, 1, 30_000_000),
    });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), fc.nat(), (plan, stop) => {
        let now = 0;
        // parts of lines of the two streams come in between each other, as the engine writes them
        const queue = plan.flatMap(({ stream, parts, later }, index) => {
          now += later;
          const at = time(10 + Math.floor(now / 1e9), now % 1e9);
          return Array.from({ length: parts }, (_, n) => ({
            order: index + (stream === "stderr" ? n * 1.7 : n * 0),
            message: { stream, at, text: n === parts - 1 ? `${index}\n` : `${index}.${n} ` },
          }));
        });
        const stdout = queue.filter(({ message }) => message.stream === "stdout");
        const stderr = queue.filter(({ message }) => message.stream === "stderr");
        const log: Message[] = [];
        while (stdout.length + stderr.length > 0) {
          const [a, b] = [stdout[0]?.order ?? Number.POSITIVE_INFINITY, stderr[0]?.order ?? Number.POSITIVE_INFINITY];
          const next = (a <= b ? stdout : stderr).shift();
          if (next !== undefined) log.push(next.message);
        }
        const all = read(log.map(frame)).lines;
        const first = read(log.slice(0, stop % (log.length + 1)).map(frame), false, undefined, false);
        const resume = first.position && parsePosition(formatPosition(first.position));
        // as the engine's `since` does
        const again = log.filter(({ at }) => Date.parse(at) >= (resume?.since ?? 0) * 1000);
        const { lines: second, gap } = read(again.map(frame), false, resume);
        expect(gap).toBeUndefined();
        for (const stream of ["stdout", "stderr"]) {
          const of = (got: readonly ContainerLine[]): string[] =>
            got.filter((one) => one.stream === stream).map(({ message }) => message);
          expect([...of(first.lines), ...of(second)]).toEqual(of(all));
        }
      }),
      { numRuns: 1000 },
    );
  });

  // Before, each rotation of a log had its first lines shipped twice: Docker's follower reads a new file twice.
  test("that an engine begins anew behind a rotation has nothing repeated, whatever it had sent of the new file", () => {
    const streams = fc.array(fc.constantFrom<Name>("stdout", "stderr"), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(streams, fc.nat(), fc.nat(), (plan, rotated, ended) => {
        const log = plan.map((stream, i): Message => ({ stream, at: time(5, 1000 * i + 7), text: `${i % 3}\n` }));
        const from = rotated % (log.length + 1);
        const to = from + (ended % (log.length + 1 - from));
        const sent = [...log.slice(0, to), ...log.slice(from)];
        expect(read(sent.map(frame)).lines).toEqual(read(log.map(frame)).lines);
      }),
      { numRuns: 500 },
    );
  });

  test("that begins anew far behind, or in the middle of a long line, has nothing repeated either", () => {
    const many = Array.from({ length: 20_000 }, (_, i): Message => ({
      stream: "stdout",
      at: time(20, i * 1000 + 1),
      text: `${i}\n`,
    }));
    expect(read([...many, ...many].map(frame)).lines).toHaveLength(20_000);
    const long = [part, part, "end\n"].map((text): Message => ({ stream: "stdout", at: time(2, 1), text }));
    const next: Message = { stream: "stdout", at: time(3, 1), text: "next\n" };
    expect(read([...long, next, ...long.slice(1), next].map(frame)).lines.map(({ message }) => message)).toEqual([
      `${part}${part}end`,
      "next",
    ]);
    const before: Message = { stream: "stdout", at: time(1, 1), text: "before\n" };
    const halfway = [before, ...long.slice(0, 2), before, ...long, next];
    expect(read(halfway.map(frame)).lines.map(({ message }) => message)).toEqual([
      "before",
      `${part}${part}end`,
      "next",
    ]);
  });

  test("written after the clock was set back is as good as any other", () => {
    const at =
      (second: number, nanos: number) =>
      (i: number): Message => ({
        stream: "stdout",
        at: time(second, nanos + i * 1000),
        text: "same\n",
      });
    const before = Array.from({ length: 10_000 }, (_, i) => at(40, 1)(i));
    // within what is remembered, and, as the clock says, before it
    const back = [...Array.from({ length: 10 }, (_, i) => at(40, 9_999_002)(i)), ...[1, 2, 3].map((i) => at(10, 5)(i))];
    expect(read([...before, ...back].map(frame), false, undefined, true, time(11)).lines).toHaveLength(10_013);
  });

  test("that no longer holds what was taken last has a gap, however little of it is left", () => {
    const log = Array.from({ length: 20 }, (_, i): Message => ({ stream: "stdout", at: time(i), text: `${i}\n` }));
    const { position } = read(log.slice(0, 10).map(frame), false, undefined, false);
    for (let rotated = 0; rotated < 20; rotated++) {
      const left = log.slice(Math.max(rotated, position?.since === undefined ? 0 : 8));
      const { lines, gap } = read(left.map(frame), false, position);
      expect(lines.map(({ message }) => Number(message))).toEqual(
        Array.from({ length: 20 - Math.max(10, rotated) }, (_, i) => Math.max(10, rotated) + i),
      );
      // of the line that was taken last nobody knows whether it was the last in its file: then nothing is missing
      expect(gap).toEqual(rotated < 10 ? undefined : { from: time(9), to: time(rotated) });
    }
  });

  test("of any bytes does no harm and takes no more than they do", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), fc.boolean(), (chunks, tty) => {
        const { lines } = read(
          chunks.map((chunk) => Buffer.from(chunk)),
          tty,
        );
        const given = chunks.reduce((total, chunk) => total + chunk.length, 0);
        expect(lines.reduce((total, { message }) => total + message.length, 0)).toBeLessThanOrEqual(given);
      }),
      { numRuns: 3000 },
    );
  });

  test("that is no stream of frames is told as such", () => {
    const nothing = (): void => {};
    expect(createFrameDecoder().push(Buffer.from("HTTP/1.0 200 OK\r\n"), nothing)).toBe(false);
    const decoder = createFrameDecoder();
    expect(decoder.push(Buffer.from([1, 0, 0, 0, 255, 255, 255, 255]), nothing)).toBe(false);
    expect(decoder.push(frame({ stream: "stdout", at: time(1), text: "a\n" }), nothing)).toBe(false);
  });
});

describe("a position", () => {
  test("that nobody here wrote is none", () => {
    for (const text of ["", "1", "x - -", "1 - - -", "-1 - -", `1 ${time(1)} -`, `1 ${time(1)}/-1 -`]) {
      expect(parsePosition(text)).toBeUndefined();
    }
  });
});
