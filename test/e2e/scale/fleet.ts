/** The simulated agents as a process of their own: so many requests at once need a limit that is set before it starts. */
import { join } from "node:path";

import { until } from "#test/kit/wait.ts";

import type { FleetFigures, FleetOrder } from "./agents.ts";

export type Fleet = AsyncDisposable & {
  /** The newest figures. */
  figures(): FleetFigures;
  /** No more lines are made; resolves when all are acknowledged. */
  drain(withinMs: number): Promise<FleetFigures>;
};

export function startFleet(order: FleetOrder): Fleet {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "agents.ts")], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
    env: { ...process.env, BUN_CONFIG_MAX_HTTP_REQUESTS: "1000" },
  });
  let newest: FleetFigures | undefined;
  async function read(): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      const line = lines.at(-1);
      if (line !== undefined) newest = JSON.parse(line) as FleetFigures;
    }
  }
  const reading = read();
  const write = async (line: string): Promise<void> => {
    await child.stdin.write(`${line}\n`);
    await child.stdin.flush();
  };
  const begun = write(JSON.stringify(order));
  const figures = (): FleetFigures => {
    if (newest === undefined) throw new Error("the agents have said nothing yet");
    return newest;
  };
  return {
    figures,
    async drain(withinMs) {
      await begun;
      await write("stop");
      return await until(() => newest?.done === true && newest, "everything to be acknowledged", withinMs).catch(
        (error: unknown) => {
          throw new Error(`${String(error)}: ${JSON.stringify(newest)}`, { cause: error });
        },
      );
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
      await reading;
    },
  };
}
