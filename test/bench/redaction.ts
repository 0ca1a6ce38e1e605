/**
 * Taking secrets out of columns of log lines: none has one, one in a hundred has one, all have. Beside it the floor in
 * the same run: looking once through the same bytes for one needle that isn't there, and counting their newlines.
 * `bun test/bench/redaction.ts [LINES]`; one JSON line per figure.
 */
import { createRedactor } from "#src/hub/redaction/redaction.ts";
import type { LogColumns } from "#src/protocol/log-columns.ts";

import { createLines } from "./store-lines.ts";

const total = Number(process.argv[2] ?? 4_000_000);
const perBatch = 8000;
const secrets = [
  "password=hunter2",
  '{"api_key":"abc123","n":1}',
  "Authorization: Bearer abc123",
  "postgres://ada:hunter2@db/shop",
  "paid with 4111 1111 1111 1111",
];

const messages = createLines(perBatch)(0, perBatch).map(({ message }) => message);
const fieldsOfContainer = JSON.stringify({ container: "web-1", containerId: "0123456789abcdef".repeat(4) });

/** `every`: one line in so many has a secret; 0: none. */
function batch(every: number, fields: readonly string[] | null): LogColumns {
  const lines = messages.map((message, i) =>
    every > 0 && i % every === 0 ? `${message} ${secrets[(i / every) % secrets.length]}` : message,
  );
  const text = Buffer.from(lines.map((line) => `${line}\n`).join(""));
  const offsets = new Uint32Array(perBatch + 1);
  lines.forEach((line, i) => (offsets[i + 1] = (offsets[i] ?? 0) + Buffer.byteLength(line) + 1));
  const [times, seqs] = [new Float64Array(perBatch), new Float64Array(perBatch)];
  const [levels, streams] = [new Uint8Array(perBatch), new Uint8Array(perBatch)];
  const [count, sources, sourceIndex] = [perBatch, ["api"], null];
  return { count, times, seqs, levels, streams, text, offsets, fields, sources, sourceIndex, odd: new Map() };
}

const perSecond: number[] = [];
function measure(name: string, columns: LogColumns, lines: number, work: (columns: LogColumns) => unknown): number {
  const rounds = Math.max(5, Math.ceil(lines / perBatch));
  for (let i = 0; i < Math.min(rounds, 50); i++) work(columns);
  const [started, cpu] = [performance.now(), process.cpuUsage()];
  for (let i = 0; i < rounds; i++) work(columns);
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const done = rounds * perBatch;
  const report = {
    bench: "redaction",
    name,
    linesPerSecond: Math.round(done / seconds),
    gigabytesPerSecond: Number(((rounds * columns.text.length) / seconds / 1e9).toFixed(2)),
    cpuSecondsPerMillion: Number((((user + system) / done) * 1).toFixed(3)),
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);
  perSecond.push(done / seconds);
  return done / seconds;
}

const { redact } = createRedactor({ off: [], patterns: [] });
const redactOne = (columns: LogColumns) => redact(columns, "server");
const clean = batch(0, null);
const absent = Buffer.from("zebra-needle");
measure("floor: one needle that is not there", clean, total, ({ text }) => text.indexOf(absent));
const newlines = measure("floor: counts newlines", clean, total / 8, ({ text }) => {
  let lines = 0;
  for (let at = text.indexOf(10); at !== -1; at = text.indexOf(10, at + 1)) lines++;
  return lines;
});
const none = measure("no secrets", clean, total, redactOne);
measure(
  "no secrets, fields of containers",
  batch(
    0,
    messages.map(() => fieldsOfContainer),
  ),
  total / 2,
  redactOne,
);
measure("a secret in every hundredth line", batch(100, null), total / 4, redactOne);
measure("a secret in every line", batch(1, null), total / 40, redactOne);
process.stdout.write(
  `${JSON.stringify({ bench: "redaction", name: "ratio", toNewlines: Number((none / newlines).toFixed(2)) })}\n`,
);
