/**
 * What live tails and searches cost ingest, and how far tails lag: lines into a hub over HTTP as fast as it takes them, alone
 * and then with 200 tails (twenty filters) and 10 searches, which never pause; in turns, several times.
 * `bun test/bench/tails.ts [LINES_A_TURN] [TURNS] [TAILS] [SEARCHES]`; one JSON line per figure.
 *
 * A tail's lag is from when a batch was sent to when one of its lines reached the reader. Readers are a process of their
 * own, which takes processor time too: with two processors, some of what ingest loses is the readers'.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Target, quantile, registerAt, report, startHubProcess } from "./hub-process.ts";

const [, , mode, ...rest] = process.argv;
const perBatch = 5000;
const connections = 4;

/** Twenty ways to follow, from everything to next to nothing. */
const tailQueries = [
  "",
  ...Array.from({ length: 10 }, (_, i) => `source=api-${i}`),
  "level=error",
  "q=Googlebot",
  `q=${encodeURIComponent("level:error -googlebot")}`,
  `q=${encodeURIComponent("/orders/\\d{4}7 /")}`,
  "q=10.77.",
  "q=xylophone",
  "q=orders/12345",
  `q=${encodeURIComponent('"app.js/77777" OR 99999')}`,
  "stream=stderr",
];
const searchQueries = ["xylophone", "orders/54321", "Googlebot", "level:error", "/\\d{6}x\\d/", "app.js/7777 OR q9"];

/** From here on they let next to nothing through: these should miss nothing. */
const firstNarrow = tailQueries.indexOf("q=xylophone");

/** What a reader saw: server, number of the last line of a chunk, and when, in milliseconds since the epoch. */
type Sample = readonly [serverId: string, seq: number, at: number];
type Readings = {
  readonly samples: readonly Sample[];
  readonly lines: number;
  readonly skipped: number;
  readonly skippedNarrow: number;
  readonly searches: readonly number[];
};

/** The readers' process: until its input ends. */
async function read(url: string, apiKey: string, tails: number, searches: number): Promise<void> {
  const headers = { authorization: `Bearer ${apiKey}` };
  const stop = new AbortController();
  const samples: Sample[] = [];
  const took: number[] = [];
  let [lines, skipped, skippedNarrow] = [0, 0, 0];

  function take(text: string, narrow: boolean): void {
    const at = performance.timeOrigin + performance.now();
    for (let from = text.indexOf("\nevent: log"); from >= 0; from = text.indexOf("\nevent: log", from + 1)) lines++;
    const last = text.lastIndexOf('"serverId":"');
    const found = last < 0 ? null : /"serverId":"([^"]+)","seq":(\d+),/.exec(text.slice(last));
    if (found !== null) samples.push([found[1] ?? "", Number(found[2]), at]);
    for (const [, count] of text.matchAll(/^event: skipped\ndata: {"lines":(\d+)/gm)) {
      skipped += Number(count);
      if (narrow) skippedNarrow += Number(count);
    }
  }

  async function follow(query: string, narrow: boolean): Promise<void> {
    const response = await fetch(`${url}/api/logs/tail?${query}`, { headers, signal: stop.signal });
    if (!response.ok || response.body === null) throw new Error(`a tail was answered with ${response.status}`);
    for await (const chunk of response.body as ReadableStream<Uint8Array>)
      take(Buffer.from(chunk).toString("latin1"), narrow);
  }

  async function search(first: number): Promise<void> {
    for (let i = first; !stop.signal.aborted; i++) {
      const q = encodeURIComponent(searchQueries[i % searchQueries.length] ?? "");
      const started = performance.now();
      const response = await fetch(`${url}/api/logs?q=${q}`, { headers, signal: stop.signal });
      if (!response.ok) throw new Error(`a search was answered with ${response.status}`);
      await response.text();
      took.push(performance.now() - started);
    }
  }

  const work = [
    ...Array.from({ length: tails }, (_, i) =>
      follow(tailQueries[i % tailQueries.length] ?? "", i % tailQueries.length >= firstNarrow),
    ),
    ...Array.from({ length: searches }, (_, i) => search(i)),
  ];
  const over = Promise.allSettled(work);
  // a tail that can't be opened is told at once
  for (const one of work) one.catch((error: unknown) => (stop.signal.aborted ? undefined : console.error(error)));
  console.log("ready");
  await Bun.stdin.text();
  stop.abort();
  await over;
  const readings: Readings = { samples, lines, skipped, skippedNarrow, searches: took };
  console.log(JSON.stringify(readings));
}

async function startReaders({ url, apiKey }: Target, tails: number, searches: number) {
  const cmd = [process.execPath, import.meta.path, "--read", url, apiKey, String(tails), String(searches)];
  const child = Bun.spawn({ cmd, stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  const out = child.stdout.getReader();
  await out.read();
  return async (): Promise<Readings> => {
    await child.stdin.end();
    const decoder = new TextDecoder();
    let text = "";
    for (;;) {
      const { done, value } = await out.read();
      if (done) break;
      text += decoder.decode(value, { stream: true });
    }
    return JSON.parse(text) as Readings;
  };
}

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

/** Sends all bodies, as servers of their own. @returns seconds, and when each batch of each server was sent */
async function send(
  hub: Awaited<ReturnType<typeof startHubProcess>>,
  bodies: readonly Uint8Array<ArrayBuffer>[][],
  turn: string,
) {
  const agents = await Promise.all(bodies.map(async (_, c) => await registerAt(hub, `bench-${turn}-${c}`)));
  const sentAt = new Map<string, number[]>();
  const started = performance.now();
  await Promise.all(
    bodies.map(async (own, c) => {
      const { id = "", token = "" } = agents[c] ?? {};
      const times: number[] = [];
      sentAt.set(id, times);
      for (const body of own) {
        times.push(performance.timeOrigin + performance.now());
        const response = await fetch(`${hub.target.url}/api/v1/agent/logs`, {
          method: "POST",
          body,
          headers: {
            authorization: `Bearer ${token}`,
            "x-server-id": id,
            "content-type": "application/x-ndjson",
            "content-encoding": "zstd",
            "user-agent": "orion-agent/0.1.0",
          },
        });
        if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
        await response.text();
      }
    }),
  );
  return { seconds: (performance.now() - started) / 1000, sentAt };
}

async function main(): Promise<void> {
  const [lines = 1_000_000, turns = 3, tails = 200, searches = 10] = [mode, ...rest].flatMap((text) =>
    text === undefined ? [] : [Number(text)],
  );
  const batches = Math.ceil(lines / perBatch / connections);
  const bodies = Array.from({ length: connections }, (_, c) => Array.from({ length: batches }, (_, n) => batch(c, n)));
  const total = batches * connections * perBatch;
  const folder = mkdtempSync(join(tmpdir(), "orion-bench-"));
  try {
    await using hub = await startHubProcess(folder);
    const speeds = { alone: [] as number[], tails: [] as number[], both: [] as number[] };
    for (let turn = 0; turn < turns; turn++) {
      for (const [name, open] of [
        ["alone", [0, 0]],
        ["tails", [tails, 0]],
        ["both", [tails, searches]],
      ] as const) {
        const cpu = hub.cpuSeconds();
        const stop = name === "alone" ? undefined : await startReaders(hub.target, open[0], open[1]);
        const { seconds, sentAt } = await send(hub, bodies, `${turn}-${name}`);
        const readings = await stop?.();
        speeds[name].push(total / seconds);
        const lags = (readings?.samples ?? []).flatMap(([server, seq, at]) => {
          const sent = sentAt.get(server)?.[Math.floor((seq - 1) / perBatch)];
          return sent === undefined ? [] : [at - sent];
        });
        report({
          bench: "tails",
          name,
          linesPerSecond: Math.round(total / seconds),
          hubCpuSecondsPerMillion: Number((((hub.cpuSeconds() - cpu) / total) * 1e6).toFixed(2)),
          rssMiB: hub.rssMiB().now,
          ...(readings === undefined
            ? {}
            : {
                tailLines: readings.lines,
                tailSkipped: readings.skipped,
                narrowTailSkipped: readings.skippedNarrow,
                lagMsMedian: quantile(lags, 0.5),
                lagMsP99: quantile(lags, 0.99),
                lagMsWorst: quantile(lags, 1),
                searches: readings.searches.length,
                searchMsMedian: quantile(readings.searches, 0.5),
              }),
        });
      }
    }
    const alone = quantile(speeds.alone, 0.5);
    report({
      bench: "tails",
      name: "ratios",
      withTails: Number((quantile(speeds.tails, 0.5) / alone).toFixed(3)),
      withTailsAndSearches: Number((quantile(speeds.both, 0.5) / alone).toFixed(3)),
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (mode === "--read") {
  const [url = "", apiKey = "", tails = "0", searches = "0"] = rest;
  await read(url, apiKey, Number(tails), Number(searches));
} else await main();
