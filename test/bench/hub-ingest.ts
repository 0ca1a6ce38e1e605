/**
 * Log lines into a hub over HTTP: zstd NDJSON of about 1 MiB, token auth, durable before the answer. Beside it two
 * floors in the same run: a server that only takes the bodies, and one that inflates and parses them as well.
 * `bun test/bench/hub-ingest.ts [LINES] [CONNECTIONS]`; one JSON line per figure.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Measured, quantile, registerAt, report, startFloor, startHubProcess } from "./hub-process.ts";

const lines = Number(process.argv[2] ?? 2_000_000);
const connections = Number(process.argv[3] ?? 4);
const perBatch = 5000;

const words = ["GET", "POST", "/api/v1/orders", "/static/app.js", "Mozilla/5.0 (X11; Linux x86_64)", "Googlebot/2.1"];
function batch(connection: number, number: number): Uint8Array<ArrayBuffer> {
  let text = "";
  for (let i = 0; i < perBatch; i++) {
    const seq = number * perBatch + i + 1;
    const ms = 1_790_000_000_000 + seq;
    const pick = (seq * 2_654_435_761) >>> 0;
    text += `{"seq":${seq},"at":"${new Date(ms).toISOString()}","source":"api-${pick % 10}","stream":"stdout","level":"${pick % 50 === 0 ? "error" : "info"}","message":"10.${pick % 256}.${(pick >> 8) % 256}.${connection} ${words[pick % 2]} ${words[2 + (pick % 2)]}/${pick % 100_000} 200 ${pick % 5000} ${words[4 + (pick % 2)]}"}\n`;
  }
  return new Uint8Array(Bun.zstdCompressSync(text, { level: 1 }));
}

const batches = Math.ceil(lines / perBatch / connections);
const bodies = Array.from({ length: connections }, (_, c) => Array.from({ length: batches }, (_, n) => batch(c, n)));
const total = batches * connections * perBatch;

async function measure(name: string, measured: Measured): Promise<number> {
  await using server = measured;
  const agents = await Promise.all(bodies.map(async (_, c) => await registerAt(server, `bench-${c}`)));
  const started = performance.now();
  const cpu = server.cpuSeconds();
  const answers: number[] = [];
  await Promise.all(
    bodies.map(async (own, c) => {
      for (const body of own) {
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
  const seconds = (performance.now() - started) / 1000;
  report({
    bench: "hub-ingest",
    name,
    lines: total,
    connections,
    linesPerSecond: Math.round(total / seconds),
    cpuSecondsPerMillion: Number((((server.cpuSeconds() - cpu) / total) * 1e6).toFixed(2)),
    peakRssMiB: server.rssMiB().peak,
    answerMsMedian: quantile(answers, 0.5),
    answerMsP99: quantile(answers, 0.99),
  });
  return total / seconds;
}

const folder = mkdtempSync(join(tmpdir(), "orion-bench-"));
try {
  const bare = await measure("floor: takes the body", await startFloor("await request.bytes()"));
  const parsed = await measure(
    "floor: inflates and parses",
    await startFloor("Bun.JSONL.parse(Bun.zstdDecompressSync(await request.bytes()))"),
  );
  const hub = await measure("hub", await startHubProcess(folder));
  report({
    bench: "hub-ingest",
    name: "ratios",
    toBare: Number((hub / bare).toFixed(3)),
    toParsed: Number((hub / parsed).toFixed(3)),
    bytesPerLineOnDisk: Number((Bun.file(join(folder, "logs.db")).size / total).toFixed(1)),
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
