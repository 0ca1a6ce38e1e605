/** The trial, as somebody without rights runs it in a fresh folder: `orion up --demo` of the compiled binary. */
import { chownSync, readFileSync, readdirSync, statSync, statfsSync } from "node:fs";

import { beforeAll, expect, test } from "bun:test";

import type { Credentials, EventsPage, LogsPage, ServersPage } from "#src/protocol/api.ts";
import { orionBinary } from "#test/kit/binary.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { type Program, startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

import { isRoot, orion } from "./kit/orion.ts";

/** nobody, of a plain Debian. */
const nobody = 65_534;
const before = isRoot ? ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups", "--"] : [];
const uid = isRoot ? nobody : (process.getuid?.() ?? 0);

beforeAll(async () => void (await orionBinary()), 60_000);

/** A folder of that user's own. */
function home(): Folder {
  const folder = temporaryFolder("orion-up-");
  if (isRoot) chownSync(folder.path, nobody, nobody);
  return folder;
}

type Up = { readonly program: Program; readonly url: string; get<T>(path: string): Promise<T> };

async function startUp(folder: Folder): Promise<Up> {
  const words = ["up", "--dir", folder.at("trial"), "--port", "0", "--demo"];
  const program = startProgram([...before, await orionBinary(), ...words], { env: { HOME: folder.path } });
  const url = await until(() => {
    if (/^orion: /m.test(program.output())) throw new Error(program.output());
    return /Dashboard\s+(http:\S+)/.exec(program.output())?.[1];
  }, "the dashboard's address");
  const stop = program[Symbol.asyncDispose].bind(program);
  // an orderly end first: it takes the demo along, also after a test that failed in the middle
  const dispose = async (): Promise<void> => {
    program.kill("SIGTERM");
    await Promise.race([program.exited, Bun.sleep(5000)]);
    await stop();
  };
  Object.assign(program, { [Symbol.asyncDispose]: dispose });
  const { apiKey }: Credentials = JSON.parse(readFileSync(folder.at("trial", "credentials.json"), "utf8"));
  const headers = { authorization: `Bearer ${apiKey}` };
  return { program, url, get: async <T>(path: string) => (await (await fetch(url + path, { headers })).json()) as T };
}

/** What marks all runs of scripts of one trial: the beginning of the id that each of their processes carries. */
async function markOf(up: Up): Promise<string> {
  const pid = await until(async () => {
    const [server] = (await up.get<ServersPage>("/api/servers")).servers;
    return server?.latest?.scripts[0]?.pid;
  }, "the demo");
  const run = /(?:^|\0)(ORION_RUN=[^.\0]+\.)/.exec(readFileSync(`/proc/${pid}/environ`, "utf8"))?.[1];
  if (run === undefined) throw new Error(`process ${pid} carries no mark`);
  return run;
}

/** Processes that carry the mark, zombies left out. */
function marked(mark: string): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, "utf8").includes(mark);
    } catch {
      // it has ended meanwhile, or is not ours to look at
      return false;
    }
  });
}

/** Total memory in bytes and the number of CPUs, as the kernel tells them. See proc_meminfo(5), proc_stat(5). */
function readMachine() {
  const memory = Number(/^MemTotal:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]) * 1024;
  const cores = readFileSync("/proc/stat", "utf8").match(/^cpu\d+ /gm)?.length;
  const uptime = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
  return { memory, cores, uptime };
}

const demoLines = async (up: Up): Promise<LogsPage["entries"]> =>
  (await up.get<LogsPage>("/api/logs?source=demo&limit=1000")).entries.toReversed();

test("shows this machine within five seconds, and Ctrl-C leaves nothing running", async () => {
  await using folder = home();
  const begun = performance.now();
  const up = await startUp(folder);
  await using program = up.program;
  const server = await until(async () => {
    const [first] = (await up.get<ServersPage>("/api/servers")).servers;
    // shares and rates need two looks at the counters
    return first?.latest?.system.cpu.usage != null && first.latest.system.network.rxRate != null && first;
  }, "real metrics");
  expect(performance.now() - begun).toBeLessThan(5000);

  const machine = readMachine();
  const { system, scripts, hostname } = server.latest ?? expect.unreachable("no heartbeat");
  expect({ cores: system.cpu.cores, total: system.memory.total, hostname: server.hostname }).toEqual({
    cores: machine.cores ?? 0,
    total: machine.memory,
    hostname,
  });
  expect(system.cpu.usage).toBeWithin(0, 100.01);
  expect(system.memory.available).toBeWithin(1, machine.memory);
  expect(Math.abs((system.uptime ?? 0) - machine.uptime)).toBeLessThan(30);
  const { blocks, bsize } = statfsSync("/");
  expect(system.disk).toMatchObject({ path: "/", total: blocks * bsize });
  expect(scripts).toMatchObject([{ name: "demo", state: "running" }]);

  const page = await fetch(up.url);
  expect([page.status, page.headers.get("content-type")]).toEqual([200, expect.stringMatching(/^text\/html/)]);
  expect(await page.text()).toContain("<script");
  const lines = await until(async () => {
    const all = await demoLines(up);
    return all.length >= 3 && all;
  }, "lines of the demo");
  expect(lines[0]?.message).toMatch(/^demo starts, pid \d+$/);

  const credentials = folder.at("trial", "credentials.json");
  expect(JSON.parse(readFileSync(credentials, "utf8"))).toMatchObject({ url: up.url });
  expect({ mode: statSync(credentials).mode & 0o777, uid: statSync(credentials).uid }).toEqual({ mode: 0o600, uid });

  const mark = await markOf(up);
  expect(marked(mark).length).toBeGreaterThan(0);
  program.kill("SIGINT");
  expect(await program.exited).toBe(0);
  expect(marked(mark)).toEqual([]);
}, 30_000);

test("goes on after a kill -9: the same server, the same demo, every line of it once", async () => {
  await using folder = home();
  const first = await startUp(folder);
  await using killed = first.program;
  await until(async () => (await demoLines(first)).length >= 3, "lines of the demo");
  const [server] = (await first.get<ServersPage>("/api/servers")).servers;
  const mark = await markOf(first);
  // whatever happens, the demo of a trial that was killed does not outlive the test
  using _ = { [Symbol.dispose]: () => marked(mark).forEach((pid) => process.kill(pid, "SIGKILL")) };
  killed.kill("SIGKILL");
  await killed.exited;
  expect(marked(mark).length).toBeGreaterThan(0);

  const second = await startUp(folder);
  await using program = second.program;
  const last = await until(async () => {
    const counts = (await demoLines(second)).flatMap(({ message }) => /request (\d+) served/.exec(message)?.[1] ?? []);
    return counts.length >= 6 && counts.map(Number);
  }, "lines printed after it");
  expect(last).toEqual(Array.from({ length: last.length }, (_, i) => i + 1));
  expect((await second.get<ServersPage>("/api/servers")).servers.map(({ id }) => id)).toEqual([server?.id ?? ""]);
  const { events } = await second.get<EventsPage>("/api/events?type=agent.started");
  expect(events[0]?.event).toMatchObject({ reason: `start after pid ${killed.pid} ended without a stop` });
  program.kill("SIGTERM");
  expect(await program.exited).toBe(0);
  expect(marked(mark)).toEqual([]);
}, 30_000);

test("a second one in the same folder is refused and names the first, which goes on", async () => {
  await using folder = home();
  const up = await startUp(folder);
  await using program = up.program;
  const second = await orion(["up", "--dir", folder.at("trial"), "--port", "0"], { before });
  expect(second).toEqual({
    code: 1,
    stdout: "",
    stderr: expect.stringMatching(new RegExp(`^orion: .*already runs.*\\(pid ${program.pid}\\).*\\n$`)),
  });
  const agent = await orion(["agent", "--dir", folder.at("trial")], { before });
  expect(agent).toMatchObject({ code: 1, stderr: expect.stringContaining(`pid ${program.pid}`) });
  expect((await fetch(`${up.url}/readyz`)).status).toBe(200);
  program.kill("SIGINT");
  expect(await program.exited).toBe(0);
}, 30_000);
