/** The compiled binary at work: commands that end, and hub and agent as processes of their own, below one folder. */
import { mkdirSync, writeFileSync } from "node:fs";

import type { ScriptInput } from "#src/protocol/scripts.ts";
import type { StatusAnswer } from "#src/protocol/ipc.ts";
import { connect } from "#test/agent/ipc/client.ts";
import { orionBinary } from "#test/kit/binary.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { type Program, startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

import { type Proxy, startProxy } from "./proxy.ts";

export const isRoot = process.getuid?.() === 0;

export type Outcome = { readonly code: number; readonly stdout: string; readonly stderr: string };

type RunOptions = { readonly env?: Record<string, string>; readonly before?: readonly string[] };

/** Runs a command to its end. `before` are programs that start it, such as `setpriv …`. */
export async function orion(args: readonly string[], { env = {}, before = [] }: RunOptions = {}): Promise<Outcome> {
  const child = Bun.spawn([...before, await orionBinary(), ...args], {
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", ORION_DOCKER_SOCKET: "/proc/no-docker.sock", ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

/** A program that is started, killed and started again. */
export type Member = {
  /** Starts it, if it does not run. */
  start(): Promise<void>;
  /** Sends the signal and waits until it has ended. @returns its exit code, or 128 + the signal */
  end(signal: NodeJS.Signals): Promise<number>;
  signal(signal: NodeJS.Signals): void;
  /** Throws when it does not run. */
  pid(): number;
  running(): boolean;
  /** What it has printed in all its lives. */
  said(): string;
};

function createMember(launch: () => Promise<Program>, ready: (program: Program) => Promise<void>): Member {
  let program: Program | undefined;
  let before = "";
  return {
    async start() {
      if (program !== undefined) return;
      const started = await launch();
      program = started;
      const ended = (): void => {
        before += started.output();
        if (program === started) program = undefined;
      };
      void started.exited.then(ended);
      await ready(started);
    },
    async end(signal) {
      const ending = program;
      if (ending === undefined) throw new Error(`it does not run; it said: ${before}`);
      ending.kill(signal);
      const code = await ending.exited;
      await until(() => program !== ending, "its end");
      return code;
    },
    signal: (signal) => program?.kill(signal),
    pid() {
      if (program === undefined) throw new Error(`it does not run; it said: ${before}`);
      return program.pid;
    },
    running: () => program !== undefined,
    said: () => before + (program?.output() ?? ""),
  };
}

export type System = AsyncDisposable & {
  readonly folder: Folder;
  readonly hub: Member;
  readonly agent: Member;
  readonly proxy: Proxy;
  /** `--dir` of the agent and its commands */
  readonly agentDir: string;
  readonly hubDir: string;
  /** the hub, not by way of the proxy; it changes with each start */
  hubUrl(): string;
  /** an API key of the hub that may do everything a key can */
  readonly hubKey: string;
  /** Answers of the hub as JSON. Throws when it is not 2xx. */
  get<T>(path: string): Promise<T>;
  /** A command of the agent's folder. */
  run(...args: string[]): Promise<Outcome>;
  /** One request to the agent's socket. */
  ask(request: unknown): Promise<{ readonly ok: boolean; readonly data?: unknown; readonly error?: string }>;
  status(): Promise<StatusAnswer>;
  /** Writes `config.json`, with what it takes to reach the hub. */
  configure(settings: Readonly<Record<string, unknown>>): void;
  /** Writes `scripts.json`. */
  scripts(scripts: readonly ScriptInput[]): void;
  /** Starts hub and agent, waits until both answer. */
  start(): Promise<void>;
};

export type SystemOptions = {
  /** settings of the agent beside its connection */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly scripts?: readonly ScriptInput[];
  /** for agent and its commands, such as ORION_RUN_DIR */
  readonly env?: Record<string, string>;
  /** the agent's program, if not the one that all tests share */
  readonly program?: string;
  /** for the hub, such as ORION_HUB_DATA_DIR */
  readonly hubEnv?: Record<string, string>;
};

/** Makes the first owner of a hub as its operator does, and a key. @returns the key */
async function foundHub(where: readonly string[], passwordFile: string, env: Record<string, string>): Promise<string> {
  const owner = ["hub", "admin", "create", "--email", "owner@example.com", "--password-file", passwordFile];
  const steps = [owner, ["hub", "token", "key", "--name", "tests"]];
  const outcomes: Outcome[] = [];
  for (const step of steps) outcomes.push(await orion([...where, ...step], { env }));
  const failed = outcomes.find(({ code }) => code !== 0);
  if (failed !== undefined) throw new Error(failed.stderr);
  return outcomes[1]?.stdout.trim() ?? "";
}

/** A hub that runs and knows a server, a proxy before it, and an agent that is not started yet. */
export async function createSystem(options: SystemOptions = {}): Promise<System> {
  const binary = await orionBinary();
  const folder = temporaryFolder("orion-e2e-");
  const proxy = await startProxy();
  const [agentDir, hubDir] = [folder.at("agent"), folder.at("hub")];
  const runDir = options.env?.["ORION_RUN_DIR"] ?? `${agentDir}/run`;
  const env = { HOME: folder.path, ...options.env };
  let url = "";

  const hub = createMember(
    async () =>
      startProgram([binary, "hub", "--dir", hubDir, "--port", "0", "--json"], { env: { ...env, ...options.hubEnv } }),
    async (program) => {
      // a new port each time, so that nobody can have taken it meanwhile
      const line = await until(() => {
        if (/^orion: /m.test(program.output())) throw new Error(`the hub did not start: ${program.output()}`);
        return /^\{.*\}$/m.exec(program.output())?.[0];
      }, "the hub's address");
      const started: { url: string; port: number } = JSON.parse(line);
      url = started.url;
      proxy.lead(started.port);
    },
  );
  const agent = createMember(
    async () => startProgram([options.program ?? binary, "agent", "--dir", agentDir], { env }),
    async (program) => {
      let ended = false;
      void program.exited.then(() => (ended = true));
      const answers = async (): Promise<boolean> => {
        if (ended) throw new Error(`the agent ended: ${program.output()}`);
        return (await ask({ cmd: "ping" }).catch(() => undefined))?.ok === true;
      };
      await until(answers, "the agent's first answer", 30_000);
    },
  );

  async function ask(request: unknown) {
    await using client = await connect(`${runDir}/agent.sock`);
    client.request(request);
    const [answer] = await client.wait(1);
    if (answer === undefined) throw new Error("the agent hung up");
    return answer;
  }

  async function get<T>(path: string): Promise<T> {
    const response = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${hubKey}` } });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  await hub.start();
  const passwordFile = folder.at("password");
  writeFileSync(passwordFile, "correct horse battery\n", { mode: 0o600 });
  const hubKey = await foundHub(["--dir", hubDir], passwordFile, { ...env, ...options.hubEnv });
  const registered = await fetch(`${url}/api/servers`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${hubKey}` },
    body: JSON.stringify({ hostname: "host-under-test" }),
  });
  const { id, token } = (await registered.json()) as { id: string; token: string };
  const write = (name: string, value: unknown): void => {
    mkdirSync(`${agentDir}/etc`, { recursive: true, mode: 0o755 });
    writeFileSync(`${agentDir}/etc/${name}`, JSON.stringify(value), { mode: 0o600 });
  };
  const connection = { apiUrl: proxy.url, token, serverId: id, heartbeatInterval: 10 };
  const system: System = {
    folder,
    hub,
    agent,
    proxy,
    agentDir,
    hubDir,
    hubUrl: () => url,
    hubKey,
    get,
    run: (...args) => orion(["--dir", agentDir, ...args], { env }),
    ask,
    async status() {
      const answer = await ask({ cmd: "status" });
      if (!answer.ok) throw new Error(answer.error);
      return answer.data as StatusAnswer;
    },
    configure: (settings) => write("config.json", { ...connection, ...settings }),
    scripts: (scripts) => write("scripts.json", scripts),
    async start() {
      await hub.start();
      await agent.start();
    },
    async [Symbol.asyncDispose]() {
      proxy.heal();
      // an orderly stop takes the scripts along; an agent that was killed is started again for it
      agent.signal("SIGCONT");
      if (!agent.running()) await agent.start().catch(() => undefined);
      if (agent.running()) {
        const giveUp = setTimeout(() => agent.signal("SIGKILL"), 20_000);
        await agent.end("SIGTERM");
        clearTimeout(giveUp);
      }
      hub.signal("SIGCONT");
      if (hub.running()) await hub.end("SIGKILL");
      await proxy[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
  system.configure(options.config ?? {});
  system.scripts(options.scripts ?? []);
  return system;
}
