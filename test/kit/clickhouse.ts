/**
 * A real ClickHouse engine for tests, behind ClickHouse's HTTP interface: a process of its own that can be stopped, killed
 * and made to misbehave while it keeps its data (see clickhouse-server.ts for what stands before the engine).
 */
import { existsSync } from "node:fs";
import { join } from "node:path";

import { keep } from "#src/lib/keep.ts";
import type { Odd } from "./clickhouse-behaviour.ts";
import { temporaryFolder } from "./folder.ts";
import { until } from "./wait.ts";

/** What is kept of what it prints, for when it does not start. */
const maxOutput = 10_000;
const packages = join(import.meta.dir, "../../node_modules");

/** Whether tests that need ClickHouse can run: `describe.skipIf(!haveClickhouse)("... (needs ClickHouse)", ...)`. */
export const haveClickhouse = ["gnu", "darwin"].some((kind) =>
  existsSync(
    join(packages, `@chdb/lib-${process.platform}-${process.arch}${kind === "gnu" ? "-gnu" : ""}/package.json`),
  ),
);
if (!haveClickhouse && process.env["CI"] === "true") {
  throw new Error(`the package chdb has no engine for ${process.platform} ${process.arch}: tests can't run`);
}

export type Clickhouse = AsyncDisposable & {
  /** `http://127.0.0.1:PORT`, the same over restarts; with user and password when it has one */
  readonly url: string;
  pid(): number;
  /** Whether its process is there. */
  runs(): boolean;
  /** Makes a new database and gives the address that has it as its path. */
  freshDatabase(): Promise<string>;
  /** One statement, its answer as text (TabSeparated); for looking at what is there. */
  ask(sql: string, database?: string): Promise<string>;
  /** Of the next `times` requests with `where` in their text, see clickhouse-behaviour.ts. */
  misbehave(odd: Odd, times?: number, where?: string): Promise<void>;
  /** Answers that are held. */
  held(): Promise<number>;
  /** It behaves again, and what is held goes on. */
  behave(): Promise<void>;
  /** Ends it; the data stays. */
  stop(): Promise<void>;
  /** Ends it with SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again, at the same address with the same data. */
  start(): Promise<void>;
  /** It answers nothing, and its connections stay open, until `resume`. */
  pause(): void;
  resume(): void;
};

/** Starts one. It ends with the test: `await using clickhouse = await startClickhouse()`. */
export async function startClickhouse({ password = "" }: { readonly password?: string } = {}): Promise<Clickhouse> {
  const folder = temporaryFolder("orion-clickhouse-");
  let port = 0;
  let child: ReturnType<typeof spawn> | undefined;

  function spawn() {
    const program = join(import.meta.dir, "clickhouse-server.ts");
    const spawned = Bun.spawn([process.execPath, program, folder.path, String(port), password], {
      // closed when this process ends, however it ends
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", TMPDIR: folder.path, HOME: folder.path },
    });
    // the test process may end while it runs
    spawned.unref();
    return spawned;
  }

  async function start(): Promise<void> {
    const started = spawn();
    child = started;
    let output = "";
    const read = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
      const decoder = new TextDecoder();
      for await (const chunk of stream) output = (output + decoder.decode(chunk, { stream: true })).slice(-maxOutput);
    };
    keep(Promise.all([read(started.stdout), read(started.stderr)]), () => {});
    const said = await until(
      () => /ready (\d+)/.exec(output)?.[1] ?? (started.exitCode === null ? null : "gone"),
      "ClickHouse to start",
      60_000,
    );
    if (said === "gone") throw new Error(`ClickHouse ended with ${started.exitCode}:\n${output}`);
    port = Number(said);
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    child?.kill(signal);
    await child?.exited;
  }

  async function ask(sql: string, database = "default"): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${port}/?database=${encodeURIComponent(database)}`, {
      method: "POST",
      body: sql,
      headers: { "x-clickhouse-key": password },
    });
    const text = await response.text();
    if (!response.ok) throw new Error(text);
    return text;
  }

  async function tell(method: string, order?: object): Promise<Response> {
    return await fetch(`http://127.0.0.1:${port}/-/behaviour`, {
      method,
      ...(order === undefined ? {} : { body: JSON.stringify(order) }),
    });
  }

  const urlAt = (path: string): string =>
    `http://${password === "" ? "" : `default:${encodeURIComponent(password)}@`}127.0.0.1:${port}${path}`;
  await start();
  return {
    get url() {
      return urlAt("");
    },
    pid: () => child?.pid ?? 0,
    runs: () => child?.exitCode === null && child.signalCode === null,
    async freshDatabase() {
      const name = `t${Bun.randomUUIDv7().replaceAll("-", "")}`;
      await ask(`CREATE DATABASE ${name} ENGINE = Atomic`);
      return urlAt(`/${name}`);
    },
    ask,
    async misbehave(odd, times = 1, where = "") {
      await tell("PUT", { odd, times, where });
    },
    held: async () => (await (await tell("GET")).json()) as number,
    async behave() {
      await tell("DELETE");
    },
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    start,
    pause: () => child?.kill("SIGSTOP"),
    resume: () => child?.kill("SIGCONT"),
    async [Symbol.asyncDispose]() {
      child?.kill("SIGCONT");
      await end("SIGKILL");
      await folder[Symbol.asyncDispose]();
    },
  };
}

let shared: Promise<Clickhouse> | undefined;

/** One for all tests of this process that only need databases of their own; it ends with the process. */
export async function sharedClickhouse(): Promise<Clickhouse> {
  const before = shared;
  const found = await before?.catch(() => undefined);
  if (found?.runs() === true) return found;
  // a test that runs out of time takes its children with it; the next one has another, and those beside it the same
  if (shared === before) shared = startClickhouse();
  return await (shared ?? startClickhouse());
}
