/** A server process under a bench: started, measured by its /proc files, ended. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export type Target = { readonly url: string; readonly id: string; readonly token: string; readonly apiKey: string };

export type Measured = AsyncDisposable & {
  readonly target: Target;
  /** user and system seconds so far; proc_pid_stat(5) */
  cpuSeconds(): number;
  /** now, and the highest so far; proc_pid_status(5) */
  rssMiB(): { readonly now: number; readonly peak: number };
};

/** Starts `bun ...command`, which prints its target as one JSON line. `env` is added to this process's. */
export async function startMeasured(
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Measured> {
  const child = Bun.spawn({
    cmd: [process.execPath, ...command],
    stdout: "pipe",
    stderr: "inherit",
    env: { ...process.env, ...env },
  });
  const first = await child.stdout.getReader().read();
  const status = (name: string) =>
    Math.round(
      Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1] ?? 0) / 1024,
    );
  return {
    target: JSON.parse(new TextDecoder().decode(first.value)) as Target,
    cpuSeconds() {
      const fields = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
      return (Number(fields[11]) + Number(fields[12])) / 100;
    },
    rssMiB: () => ({ now: status("VmRSS"), peak: status("VmHWM") }),
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
    },
  };
}

/** The hub on `folder`; `options` are the runtime's, `env` is the hub's. */
export function startHubProcess(
  folder: string,
  options: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Measured> {
  return startMeasured([...options, join(import.meta.dir, "../hub/kit/hub-process.ts"), folder], env);
}

/** A bare server that does `work` with each request's body and answers 200. */
export function startFloor(work: string): Promise<Measured> {
  return startMeasured([
    "-e",
    `const server = Bun.serve({ port: 0, hostname: "127.0.0.1", maxRequestBodySize: 1e9, async fetch(request) { ${work}; return Response.json({ accepted: 0, duplicates: 0 }, { status: 202 }); } }); console.log(JSON.stringify({ url: "http://127.0.0.1:" + server.port, id: "floor", token: "", apiKey: "" }));`,
  ]);
}

/** Registers a server; a floor has none. */
export async function registerAt({ target }: Measured, hostname: string): Promise<Target> {
  if (target.id === "floor") return target;
  const response = await fetch(`${target.url}/api/servers`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${target.apiKey}` },
    body: JSON.stringify({ hostname }),
  });
  return { ...target, ...((await response.json()) as { id: string; token: string }) };
}

/** The value at a share of a sorted copy: 0.5 is the median. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(2));
}

/** One JSON line. */
export function report(figure: Readonly<Record<string, unknown>>): void {
  console.log(JSON.stringify(figure));
}
