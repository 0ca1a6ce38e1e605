/**
 * Log lines into a hub over HTTP: zstd NDJSON of about 1 MiB, token auth, durable before the answer. Beside it two
 * floors in the same run: a server that only takes the bodies, and one that inflates and parses them as well. The hub
 * takes lines without errors, with 2 % of bad ones, and with 1 % of lines of tracebacks, each with and without grouping
 * errors. On a machine that others use too, CPU is the figure that tells, and the least of several runs the nearest to
 * the truth; `settled` is that of grouping what was left for later as well. Before that a third as many lines are sent to
 * have the server's code compiled, which takes about half a second of CPU once.
 * `bun test/bench/hub-ingest.ts [LINES] [CONNECTIONS] [RUNS] [MIX]`; one JSON line per figure.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Measured, quantile, registerAt, report, startFloor, startHubProcess } from "./hub-process.ts";

const lines = Number(process.argv[2] ?? 2_000_000);
const connections = Number(process.argv[3] ?? 4);
const runs = Number(process.argv[4] ?? 1);
const only = process.argv[5];
const perBatch = 5000;

const traceback = [
  "Traceback (most recent call last):",
  '  File "/srv/app/shop/cart.py", line 12, in checkout',
  "    total(cart)",
  '  File "/usr/lib/python3/dist-packages/requests/api.py", line 59, in request',
  "    return session.request(method=method, url=url, **kwargs)",
  '  File "/srv/app/shop/cart.py", line 31, in total',
  "    raise ValueError(amount)",
  "ValueError: bad amount 17",
];

/** What a line says instead of what it would, and its level. */
type Mix = (seq: number, pick: number) => readonly [message: string | null, level: string];

const mixes: Readonly<Record<string, Mix>> = {
  "no errors": () => [null, "info"],
  "2 % messages": (_seq, pick) => [null, pick % 50 === 0 ? "error" : "info"],
  "1 % tracebacks": (seq) => {
    const message = traceback[seq % (traceback.length * 100)] ?? null;
    return [message, message !== null && /^\w+(?: \(|Error)/.test(message) ? "error" : "info"];
  },
};

const words = ["GET", "POST", "/api/v1/orders", "/static/app.js", "Mozilla/5.0 (X11; Linux x86_64)", "Googlebot/2.1"];
function batch(connection: number, number: number, mix: Mix): Uint8Array<ArrayBuffer> {
  let text = "";
  for (let i = 0; i < perBatch; i++) {
    const seq = number * perBatch + i + 1;
    const ms = 1_790_000_000_000 + seq;
    const pick = (seq * 2_654_435_761) >>> 0;
    const [instead, level] = mix(seq, pick);
    const message =
      instead ??
      `10.${pick % 256}.${(pick >> 8) % 256}.${connection} ${words[pick % 2]} ${words[2 + (pick % 2)]}/${pick % 100_000} 200 ${pick % 5000} ${words[4 + (pick % 2)]}`;
    const source = instead === null ? `api-${pick % 10}` : "api-0";
    text += `${JSON.stringify({ seq, at: new Date(ms).toISOString(), source, stream: "stdout", level, message })}\n`;
  }
  return new Uint8Array(Bun.zstdCompressSync(text, { level: 1 }));
}

type Bodies = readonly (readonly Uint8Array<ArrayBuffer>[])[];

const batches = Math.ceil(lines / perBatch / connections);
/** Batches of each connection that are not measured. */
const first = Math.ceil(batches / 3);
const total = batches * connections * perBatch;
const sentLines = (first + batches) * connections * perBatch;
const bodiesOf = (mix: Mix): Bodies =>
  Array.from({ length: connections }, (_, c) => Array.from({ length: batches + first }, (_, n) => batch(c, n, mix)));

/** @returns lines a second, and CPU seconds a million lines once nothing is left to be done */
async function measure(name: string, measured: Measured, bodies: Bodies) {
  await using server = measured;
  const agents = await Promise.all(bodies.map(async (_, c) => await registerAt(server, `bench-${c}`)));
  const answers: number[] = [];
  const send = (from: number, to: number) =>
    Promise.all(
      bodies.map(async (own, c) => {
        for (const body of own.slice(from, to)) {
          const sent = performance.now();
          const response = await fetch(`${server.target.url}/api/v1/agent/logs`, {
            method: "POST",
            body,
            headers: {
              authorization: `Bearer ${agents[c]?.token}`,
              "x-server-id": agents[c]?.id ?? "",
              "content-type": "application/x-ndjson",
              "content-encoding": "zstd",
              "user-agent": "orion-agent/0.1.0",
            },
          });
          if (response.status !== 202) throw new Error(`${name}: ${response.status} ${await response.text()}`);
          await response.text();
          answers.push(performance.now() - sent);
        }
      }),
    );
  await send(0, first);
  await quiet(server);
  answers.length = 0;
  const started = performance.now();
  const cpu = server.cpuSeconds();
  await send(first, first + batches);
  const seconds = (performance.now() - started) / 1000;
  const perMillion = () => Number((((server.cpuSeconds() - cpu) / total) * 1e6).toFixed(2));
  const answered = perMillion();
  await quiet(server);
  const figures = {
    linesPerSecond: Math.round(total / seconds),
    cpuSecondsPerMillion: answered,
    cpuSecondsPerMillionSettled: perMillion(),
    peakRssMiB: server.rssMiB().peak,
    answerMsMedian: quantile(answers, 0.5),
    answerMsP99: quantile(answers, 0.99),
  };
  report({ bench: "hub-ingest", name, lines: total, connections, ...figures });
  return figures;
}

/** Until the server has had next to nothing to do for a second. */
async function quiet(server: Measured): Promise<void> {
  for (let before = server.cpuSeconds(); ;) {
    await Bun.sleep(1000);
    const now = server.cpuSeconds();
    if (now - before <= 0.05) return;
    before = now;
  }
}

/** Of the files of a folder whose names begin so. */
function bytesBelow(folder: string, begin: string): number {
  const names = readdirSync(folder).filter((name) => name.startsWith(begin));
  return names.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

/** A hub of its own, in a folder that goes. */
async function measureHub(name: string, grouped: boolean, bodies: Bodies) {
  const folder = mkdtempSync(join(tmpdir(), "orion-bench-"));
  try {
    const preloaded = grouped ? [] : ["--preload", join(import.meta.dir, "ungrouped.ts")];
    const figures = await measure(name, await startHubProcess(folder, preloaded), bodies);
    if (grouped) report({ bench: "hub-ingest", name, bytesPerLineOnDisk: bytesBelow(folder, "logs") / sentLines });
    return figures;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const plain = bodiesOf(mixes["no errors"] as Mix);
const bare = await measure("floor: takes the body", await startFloor("await request.bytes()"), plain);
const parsed = await measure(
  "floor: inflates and parses",
  await startFloor("Bun.JSONL.parse(Bun.zstdDecompressSync(await request.bytes()))"),
  plain,
);
for (const [name, mix] of Object.entries(mixes)) {
  if (only !== undefined && !name.includes(only)) continue;
  const bodies = bodiesOf(mix);
  const cpus: Record<"on" | "off", number[]> = { on: [], off: [] };
  let speed = 0;
  for (let run = 0; run < runs; run++) {
    const on = await measureHub(`hub, ${name}`, true, bodies);
    const off = await measureHub(`hub, ${name}, not grouped`, false, bodies);
    cpus.on.push(on.cpuSecondsPerMillionSettled);
    cpus.off.push(off.cpuSecondsPerMillionSettled);
    speed = Math.max(speed, on.linesPerSecond);
  }
  const [on, off] = [Math.min(...cpus.on), Math.min(...cpus.off)];
  report({
    bench: "hub-ingest",
    name: `grouping, ${name}`,
    cpuSecondsPerMillionOn: on,
    cpuSecondsPerMillionOff: off,
    difference: Number((on - off).toFixed(2)),
    toBare: Number((speed / bare.linesPerSecond).toFixed(3)),
    toParsed: Number((speed / parsed.linesPerSecond).toFixed(3)),
  });
}
