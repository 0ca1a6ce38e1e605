/**
 * What an idle agent costs: RSS, PSS and CPU of a compiled agent with three sleeping scripts and a hub that takes its
 * heartbeats, beside an empty compiled Bun process in the same run.
 *
 *     bun test/bench/idle.ts [--seconds 300] [--binary dist/orion]
 *
 * One JSON line a figure. Memory from /proc/PID/smaps_rollup (MiB, the median of the samples), CPU from
 * /proc/PID/schedstat (ns on a CPU, all threads summed), as seconds per hour.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { startTestHub } from "#test/kit/hub.ts";

import { build } from "../../scripts/build.ts";

const { values: flags } = parseArgs({
  options: { seconds: { type: "string", default: "300" }, binary: { type: "string" } },
});
const seconds = Number(flags.seconds);
/** the start is not idleness */
const settleMs = 10_000;

type Sample = { readonly rss: number; readonly pss: number; readonly anonymous: number };

function memoryOf(pid: number): Sample {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const mib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? Number.NaN) / 1024;
  return { rss: mib("Rss"), pss: mib("Pss"), anonymous: mib("Anonymous") };
}

/** Seconds on a CPU, all threads. */
function cpuOf(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
  }
  return nanoseconds / 1e9;
}

/** Times that any thread was put to sleep and woken again. */
function wakeUpsOf(pid: number): number {
  let count = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8");
    count += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  }
  return count;
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
const round = (number: number): number => Math.round(number * 100) / 100;

async function measure(pids: ReadonlyMap<string, number>) {
  await Bun.sleep(settleMs);
  const before = new Map([...pids].map(([name, pid]) => [name, { cpu: cpuOf(pid), wakeUps: wakeUpsOf(pid) }]));
  const samples = new Map<string, Sample[]>([...pids.keys()].map((name) => [name, []]));
  const start = performance.now();
  while (performance.now() - start < seconds * 1000) {
    await Bun.sleep(Math.min(5000, seconds * 200));
    for (const [name, pid] of pids) samples.get(name)?.push(memoryOf(pid));
  }
  const hours = (performance.now() - start) / 3_600_000;
  for (const [name, pid] of pids) {
    const taken = samples.get(name) ?? [];
    const first = before.get(name) ?? { cpu: 0, wakeUps: 0 };
    const figures = {
      rssMiB: round(median(taken.map(({ rss }) => rss))),
      pssMiB: round(median(taken.map(({ pss }) => pss))),
      anonymousMiB: round(median(taken.map(({ anonymous }) => anonymous))),
      cpuSecondsPerHour: round((cpuOf(pid) - first.cpu) / hours),
      wakeUpsPerMinute: round((wakeUpsOf(pid) - first.wakeUps) / hours / 60),
    };
    for (const [figure, value] of Object.entries(figures)) {
      console.log(JSON.stringify({ bench: "idle", process: name, figure, value, seconds }));
    }
  }
}

const folder = mkdtempSync(join(tmpdir(), "orion-idle-"));
const children: Bun.Subprocess[] = [];
try {
  const binary = flags.binary ?? join(folder, "orion");
  if (flags.binary === undefined) await build({ outfile: binary });
  writeFileSync(join(folder, "empty.ts"), "setInterval(() => {}, 1 << 30);\n");
  const empty = join(folder, "empty");
  await Bun.build({
    entrypoints: [join(folder, "empty.ts")],
    minify: true,
    bytecode: true,
    format: "esm",
    compile: { outfile: empty },
  });

  await using hub = startTestHub("oat_idle");
  mkdirSync(join(folder, "etc"), { mode: 0o700 });
  const scripts = ["one", "two", "three"].map((name) => ({ name, command: "exec sleep 100000" }));
  writeFileSync(join(folder, "etc", "scripts.json"), JSON.stringify(scripts), { mode: 0o600 });
  const config = { apiUrl: hub.url, token: "oat_idle", serverId: "idle" };
  writeFileSync(join(folder, "etc", "config.json"), JSON.stringify(config), { mode: 0o600 });

  const start = (command: string[]): number => {
    const env = { ...process.env, ORION_DIR: folder };
    const child = Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "ignore", env });
    children.push(child);
    return child.pid;
  };
  await measure(
    new Map([
      ["empty bun", start([empty])],
      ["orion agent", start([binary, "agent"])],
    ]),
  );
  console.log(
    JSON.stringify({
      bench: "idle",
      process: "orion agent",
      figure: "heartbeats",
      value: hub.heartbeats.length,
      seconds,
    }),
  );
} finally {
  for (const child of children) child.kill("SIGTERM");
  await Promise.all(children.map((child) => child.exited));
  rmSync(folder, { recursive: true, force: true });
}
