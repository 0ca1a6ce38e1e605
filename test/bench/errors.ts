/**
 * What error assembly costs ingest: `bun test/bench/errors.ts [--lines 500000] [--runs 5]`.
 *
 * Feeds realistic access-log lines of ten sources, with no, one in a hundred and nothing but lines of tracebacks among
 * them, and prints a JSON line a figure: lines a second and CPU seconds a million, medians of the runs, and as a ratio to
 * a floor of the same run, counting the newlines of the same bytes.
 */
import { parseArgs } from "node:util";

import { createAssembly } from "#src/hub/errors/assembly.ts";
import type { Arrived } from "#src/protocol/log-columns.ts";
import { streams } from "#src/protocol/log.ts";
import { createLines } from "./store-lines.ts";

const { values: options } = parseArgs({
  options: { lines: { type: "string", default: "500000" }, runs: { type: "string", default: "5" } },
});
const total = Number(options.lines);
const runs = Number(options.runs);
const batchLines = 5000;

const traceback = [
  "2026-05-01 10:00:00,123 4711 ERROR shop odoo.http: Exception during JSON request handling.",
  "Traceback (most recent call last):",
  '  File "/usr/lib/python3/dist-packages/odoo/http.py", line 1783, in _serve_db',
  "    return service_model.retrying(self._serve_ir_http, self.env)",
  '  File "/usr/lib/python3/dist-packages/odoo/service/model.py", line 133, in retrying',
  "    result = func()",
  '  File "/opt/odoo/addons/sale_extra/models/sale_order.py", line 42, in action_confirm',
  "    self._check_limit()",
  "odoo.exceptions.UserError: Credit limit exceeded",
  "2026-05-01 10:00:00,200 4711 INFO shop werkzeug: POST /web/dataset/call_kw 200",
];
/** As the agent sees them. */
const tracebackLevels = [3, 3, 1, 1, 1, 1, 1, 1, 3, 1];

type Text = { readonly source: number; readonly text: string; readonly level: number };

/** One line in `every` begins a traceback, so that `share` of all lines are of one. */
function* mixed(share: number): Generator<Text> {
  const make = createLines(total);
  const gap = share === 0 ? Infinity : Math.round((traceback.length * (1 - share)) / share);
  let since = 0;
  for (let i = 0; i < total;) {
    const source = i % 10;
    if (since >= gap) {
      since = 0;
      for (const [n, text] of traceback.entries()) yield { source, text, level: tracebackLevels[n] ?? 1 };
      i += traceback.length;
      continue;
    }
    const step = Math.min(1000, total - i, gap - since);
    // what the status says is of no matter here: all of them are info
    for (const { message } of make(i, i + step)) yield { source: i++ % 10, text: message, level: 1 };
    since += step;
  }
}

function batchOf(lines: readonly Text[], firstPosition: number): Arrived {
  const texts = lines.map(({ text }) => Buffer.from(`${text}\n`));
  const offsets = new Uint32Array(lines.length + 1);
  for (const [i, text] of texts.entries()) offsets[i + 1] = (offsets[i] as number) + text.length;
  const begin = Date.UTC(2026, 4, 1);
  return {
    serverId: "11111111-1111-4111-8111-111111111111",
    firstPosition,
    columns: {
      count: lines.length,
      times: Float64Array.from(lines, (_, i) => begin + (firstPosition + i) * 0.05),
      seqs: Float64Array.from(lines, (_, i) => firstPosition + i),
      levels: Uint8Array.from(lines, ({ level }) => level),
      streams: new Uint8Array(lines.length).fill(streams.indexOf("stdout")),
      text: Buffer.concat(texts),
      offsets,
      fields: null,
      sources: Array.from({ length: 10 }, (_, i) => `source-${i}`),
      sourceIndex: Uint16Array.from(lines, ({ source }) => source),
      odd: new Map(),
    },
  };
}

function batchesOf(share: number): Arrived[] {
  const batches: Arrived[] = [];
  let lines: Text[] = [];
  let position = 1;
  const push = (): void => {
    if (lines.length === 0) return;
    batches.push(batchOf(lines, position));
    position += lines.length;
    lines = [];
  };
  for (const line of mixed(share)) {
    lines.push(line);
    if (lines.length === batchLines) push();
  }
  push();
  return batches;
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

function measure(run: () => void): { readonly seconds: number; readonly cpu: number } {
  const taken = Array.from({ length: runs }, () => {
    const cpu = process.cpuUsage();
    const from = performance.now();
    run();
    const seconds = (performance.now() - from) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    return { seconds, cpu: (user + system) / 1e6 };
  });
  return { seconds: median(taken.map(({ seconds }) => seconds)), cpu: median(taken.map(({ cpu }) => cpu)) };
}

for (const share of [0, 0.01, 1]) {
  const batches = batchesOf(share);
  const count = batches.reduce((sum, { columns }) => sum + columns.count, 0);
  const floor = measure(() => {
    for (const { columns } of batches) {
      for (let at = columns.text.indexOf(10); at !== -1; at = columns.text.indexOf(10, at + 1));
    }
  });
  let events = 0;
  const own = measure(() => {
    events = 0;
    const assembly = createAssembly({ onEvent: () => void events++ });
    for (const batch of batches) {
      assembly.add(batch);
      assembly.advance(0);
    }
    assembly.flush();
  });
  console.log(
    JSON.stringify({
      bench: "error-assembly",
      tracebackLines: `${share * 100} %`,
      lines: count,
      events,
      linesPerSecond: Math.round(count / own.seconds),
      cpuSecondsPerMillion: Number(((own.cpu / count) * 1e6).toFixed(3)),
      timesFloor: Number((own.seconds / floor.seconds).toFixed(1)),
    }),
  );
}
