/** The agent as a process of its own, below one folder. */
import { mkdirSync } from "node:fs";

import { type Answer, type Client, connect } from "#test/agent/ipc/client.ts";

import type { Folder } from "./folder.ts";
import { type Program, startProgram } from "./program.ts";
import { until } from "./wait.ts";

const main = import.meta.resolve("./agent-main.ts").replace("file://", "");

export type TestAgent = Program & {
  /** A new connection to its socket. */
  connect(): Promise<Client>;
  /** One request and its answer. */
  ask(request: unknown): Promise<Answer>;
};

/** Starts an agent in `folder` without waiting for it. */
export function spawnAgent(folder: Folder, env: Record<string, string> = {}): TestAgent {
  mkdirSync(folder.at("etc"), { recursive: true, mode: 0o755 });
  const program = startProgram([process.execPath, main], { env: { ORION_DIR: folder.path, ...env } });
  const dispose = program[Symbol.asyncDispose].bind(program);
  const open = (): Promise<Client> => connect(folder.at("run", "agent.sock"));
  return Object.assign(program, {
    connect: open,
    // an orderly stop first: it takes the scripts along, also after a test that failed in the middle
    async [Symbol.asyncDispose]() {
      program.kill("SIGTERM");
      await Promise.race([program.exited, Bun.sleep(3000)]);
      await dispose();
    },
    async ask(request: unknown) {
      await using client = await open();
      client.request(request);
      const [answer] = await client.wait(1);
      if (answer === undefined) throw new Error(`the agent hung up; it said: ${program.output()}`);
      return answer;
    },
  });
}

/** Starts an agent and waits until it answers. */
export async function startAgent(folder: Folder, env: Record<string, string> = {}): Promise<TestAgent> {
  const agent = spawnAgent(folder, env);
  let ended = false;
  void agent.exited.then(() => (ended = true));
  await until(async () => {
    if (ended) throw new Error(`the agent ended: ${agent.output()}`);
    return (await agent.ask({ cmd: "ping" }).catch(() => undefined))?.ok;
  }, "the agent's first answer");
  return agent;
}
