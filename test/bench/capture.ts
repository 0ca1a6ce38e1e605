/**
 * A child prints lines of 120 bytes; how fast, at what cost and with how much memory are they taken?
 *
 *   bun test/bench/capture.ts [--binary dist/orion] [--lines 2000000] [--rate 0] [--runs 3] [--peers cat,s6-log,…]
 *
 * `spool`: child -> pipe -> durable buffer, no hub. `ship`: and on by HTTP to a sink that only says 202. `hub`: and on
 * into a real hub's store. Beside them, in turn, `cat > file` as the floor and those peers that are installed
 * (apt: s6 runit supervisor). One JSON line a figure; `ratio` is lines/s to `s6-log T`.
 */
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

import { cpuSeconds, forgetPeak, median, peakMiB, rounded } from "./process.ts";

const { values } = parseArgs({
  options: {
    binary: { type: "string", default: "dist/orion" },
    lines: { type: "string", default: "2000000" },
    rate: { type: "string", default: "0" },
    runs: { type: "string", default: "3" },
    peers: { type: "string", default: "cat,s6-log,s6-log T,svlogd -tt,supervisord,spool,ship,hub" },
  },
});
const binary = resolve(values.binary);
const lines = Number(values.lines);
const folder = mkdtempSync("/dev/shm/orion-bench-capture-");
const disk = mkdtempSync("/var/tmp/orion-bench-capture-");
const generator = `${folder}/lines`;
const stamp = `${folder}/stamp`;

type Figure = { seconds: number; cpu: number; peak: number; lost: number };
type Subject = (run: number) => Promise<Figure | undefined>;

const compiled = Bun.spawnSync(["gcc", "-O2", "-o", generator, `${import.meta.dir}/lines.c`]);
if (!compiled.success) throw new Error(compiled.stderr.toString());

/** When the generator began, in seconds since the epoch. */
async function began(): Promise<number> {
  while (!existsSync(stamp) || !readFileSync(stamp, "utf8").endsWith("\n")) await Bun.sleep(2);
  return Number(readFileSync(stamp, "utf8").split(" ")[0]) / 1e9;
}

/** Asking an agent for its status costs it something: at a steady rate, where the wall time says nothing, seldom. */
const betweenLooksMs = values.rate === "0" ? 20 : 500;

async function untilDone(done: () => boolean | Promise<boolean>): Promise<number> {
  const giveUp = performance.now() + 300_000;
  while (!(await done())) {
    if (performance.now() > giveUp) throw new Error("the last line never came");
    await Bun.sleep(betweenLooksMs);
  }
  return Date.now() / 1000;
}

const lastLine = `seq=${String(lines - 1).padStart(9, "0")} `;
/** Whether the last line is at the end of one of these files. */
function ended(paths: readonly string[]): boolean {
  return paths.some((path) => {
    if (!existsSync(path)) return false;
    const size = statSync(path).size;
    return readTail(path, Math.max(0, size - 2048)).includes(lastLine);
  });
}
function readTail(path: string, from: number): string {
  const whole = Bun.spawnSync(["tail", "-c", `+${from + 1}`, path]);
  return whole.stdout.toString("latin1");
}
function countLines(glob: string): number {
  const counted = Bun.spawnSync(["sh", "-c", `cat ${glob} | grep -ac 'seq='`]);
  return Number(counted.stdout.toString());
}

/** A program that reads the lines from its stdin and writes them into files. */
function filter(command: (dir: string) => readonly string[], files: readonly string[], glob: string): Subject {
  return async () => {
    const dir = mkdtempSync(`${disk}/peer-`);
    const out = openSync(`${dir}/out`, "w");
    const fifo = `${dir}/fifo`;
    Bun.spawnSync(["mkfifo", fifo]);
    const reader = Bun.spawn(["sh", "-c", `exec "$@" < ${fifo}`, "sh", ...command(dir)], {
      stdout: out,
      stderr: "ignore",
    });
    const printer = Bun.spawn(["sh", "-c", `exec ${generator} ${lines} ${values.rate} ${stamp} > ${fifo}`]);
    const start = await began();
    const end = await untilDone(() => ended(files.map((file) => `${dir}/${file}`)));
    const figure = { seconds: end - start, cpu: cpuSeconds(reader.pid), peak: peakMiB(reader.pid), lost: 0 };
    printer.kill("SIGKILL");
    await Promise.all([reader.exited, printer.exited]);
    figure.lost = lines - countLines(`${dir}/${glob}`);
    closeSync(out);
    rmSync(dir, { recursive: true });
    return figure;
  };
}

async function supervisord(): Promise<Figure> {
  const dir = mkdtempSync(`${disk}/supervisord-`);
  await Bun.write(
    `${dir}/conf`,
    `[supervisord]\nlogfile=${dir}/log\npidfile=${dir}/pid\n[program:g]\ncommand=${generator} ${lines} ${values.rate} ${stamp}\nstartsecs=0\nstdout_logfile=${dir}/out\nstdout_logfile_maxbytes=0\n`,
  );
  const daemon = Bun.spawn(["supervisord", "-n", "-c", `${dir}/conf`], { stdout: "ignore", stderr: "ignore" });
  const start = await began();
  const end = await untilDone(() => ended([`${dir}/out`]));
  const figure = { seconds: end - start, cpu: cpuSeconds(daemon.pid), peak: peakMiB(daemon.pid), lost: 0 };
  daemon.kill();
  await daemon.exited;
  figure.lost = lines - countLines(`${dir}/out`);
  rmSync(dir, { recursive: true });
  return figure;
}

/** One request to an agent's socket. */
function ask(dir: string, request: object): Promise<Record<string, unknown>> {
  return new Promise((done, failed) => {
    const socket = connect(`${dir}/run/agent.sock`);
    let text = "";
    socket.on("error", failed);
    socket.on("data", (data: Buffer) => {
      text += data.toString();
      if (!text.endsWith("\n")) return;
      socket.end();
      const answer = JSON.parse(text) as { ok: boolean; data: Record<string, unknown>; error?: string };
      if (answer.ok) done(answer.data);
      else failed(new Error(answer.error));
    });
    socket.write(`${JSON.stringify(request)}\n`);
  });
}

type Ledger = { read: number; acknowledged: number; dropped: number };
const ledgerOf = async (dir: string): Promise<Ledger> =>
  ((await ask(dir, { cmd: "status" }))["delivery"] as { ledger: Ledger }).ledger;

type Target = { apiUrl: string; token: string; serverId: string };

/** The agent, compiled; `target` is where it ships to, if anywhere. */
async function orion(target: Target | undefined): Promise<Figure> {
  const dir = mkdtempSync(`${folder}/agent-`);
  // the buffer lies on a disk and the run folder in memory, as they do on a server
  mkdirSync(`${disk}/etc`, { recursive: true });
  const config = { ...target, buffer: { maxEntries: 100_000_000, maxBytes: 40_000_000_000 } };
  await Bun.write(`${disk}/etc/config.json`, JSON.stringify(config));
  Bun.spawnSync(["chmod", "600", `${disk}/etc/config.json`]);
  const agent = Bun.spawn([binary, "agent"], {
    env: { ...process.env, ORION_DIR: dir, ORION_CONFIG_DIR: `${disk}/etc` },
    stdout: "ignore",
    stderr: "inherit",
  });
  try {
    await untilDone(() =>
      ask(dir, { cmd: "ping" }).then(
        () => true,
        () => false,
      ),
    );
    const script = { name: "lines", command: `${generator} ${lines} ${values.rate} ${stamp}` };
    const before = await ledgerOf(dir);
    forgetPeak(agent.pid);
    const cpu = cpuSeconds(agent.pid);
    await ask(dir, { cmd: "script:add", script, start: true });
    const start = await began();
    const done = target === undefined ? "read" : "acknowledged";
    const end = await untilDone(async () => (await ledgerOf(dir))[done] >= before[done] + lines);
    const after = await ledgerOf(dir);
    return { seconds: end - start, cpu: cpuSeconds(agent.pid) - cpu, peak: peakMiB(agent.pid), lost: after.dropped };
  } finally {
    agent.kill();
    await agent.exited;
    rmSync(dir, { recursive: true });
    rmSync(`${disk}/etc`, { recursive: true });
  }
}

async function ship(): Promise<Figure> {
  // in a process of its own, so that its cost is not in the way of the waiting here
  const code = `const s = Bun.serve({ port: 0, async fetch(r) { await r.arrayBuffer(); return Response.json({ accepted: 0, duplicates: 0 }, { status: 202 }); } }); console.log(s.port);`;
  const sink = Bun.spawn([process.execPath, "-e", code], { stdout: "pipe" });
  const { value } = await sink.stdout.getReader().read();
  try {
    return await orion({
      apiUrl: `http://127.0.0.1:${Buffer.from(value ?? [])
        .toString()
        .trim()}`,
      token: "t",
      serverId: "s",
    });
  } finally {
    sink.kill();
    await sink.exited;
  }
}

async function hub(): Promise<Figure> {
  const dir = mkdtempSync(`${disk}/hub-`);
  const port = 20_000 + Math.floor(Math.random() * 20_000);
  const daemon = Bun.spawn([binary, "hub", "--port", String(port)], {
    env: { ...process.env, ORION_DIR: dir },
    stdout: "ignore",
    stderr: "ignore",
  });
  const apiUrl = `http://127.0.0.1:${port}`;
  try {
    await untilDone(() =>
      fetch(`${apiUrl}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    const made = await fetch(`${apiUrl}/api/servers`, {
      method: "POST",
      body: JSON.stringify({ hostname: "bench" }),
      headers: { "content-type": "application/json" },
    });
    const { id, token } = (await made.json()) as { id: string; token: string };
    const cpu = cpuSeconds(daemon.pid);
    const figure = await orion({ apiUrl, token, serverId: id });
    print("hub process", "cpuSecondsPerMillion", ((cpuSeconds(daemon.pid) - cpu) / lines) * 1e6);
    print("hub process", "peakMiB", peakMiB(daemon.pid));
    return figure;
  } finally {
    daemon.kill();
    await daemon.exited;
    rmSync(dir, { recursive: true });
  }
}

function print(peer: string, figure: string, value: number, more: object = {}): void {
  console.log(
    JSON.stringify({
      bench: "capture",
      lines,
      rate: Number(values.rate),
      peer,
      figure,
      value: rounded(value),
      ...more,
    }),
  );
}

const subjects: Readonly<Record<string, Subject>> = {
  cat: filter(() => ["cat"], ["out"], "out"),
  "s6-log": filter((dir) => ["s6-log", "n20", "s268435455", `${dir}/s6`], ["s6/current"], "s6/*"),
  "s6-log T": filter((dir) => ["s6-log", "n20", "s268435455", "T", `${dir}/s6`], ["s6/current"], "s6/*"),
  "svlogd -tt": filter(
    (dir) => ["sh", "-c", `mkdir ${dir}/sv; printf 's0\\nn0\\n' > ${dir}/sv/config; exec svlogd -tt ${dir}/sv`],
    ["sv/current"],
    "sv/current",
  ),
  supervisord,
  spool: () => orion(undefined),
  ship,
  hub,
};

const tools: Readonly<Record<string, string>> = {
  "s6-log": "s6-log",
  "s6-log T": "s6-log",
  "svlogd -tt": "svlogd",
  supervisord: "supervisord",
};
try {
  const wanted = values.peers.split(",").filter((peer) => {
    const tool = tools[peer];
    return tool === undefined || Bun.which(tool) !== null;
  });
  const results = new Map<string, Figure[]>(wanted.map((peer) => [peer, []]));
  // in turn: when the machine's speed drifts, it drifts for all
  for (let run = 0; run < Number(values.runs); run++) {
    for (const peer of wanted) {
      rmSync(stamp, { force: true });
      const figure = await subjects[peer]?.(run);
      if (figure !== undefined) results.get(peer)?.push(figure);
    }
  }
  const speed = (peer: string): number => median((results.get(peer) ?? []).map(({ seconds }) => lines / seconds));
  for (const [peer, figures] of results) {
    print(peer, "linesPerSecond", speed(peer), { ratio: rounded(speed(peer) / speed("s6-log T")) });
    print(peer, "cpuSecondsPerMillion", median(figures.map(({ cpu }) => (cpu / lines) * 1e6)));
    print(peer, "peakMiB", median(figures.map(({ peak }) => peak)));
    print(peer, "lost", Math.max(...figures.map(({ lost }) => lost)));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
  rmSync(disk, { recursive: true, force: true });
}
