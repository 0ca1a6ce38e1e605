/**
 * What a command costs from start to end, in milliseconds, beside a C program that does nothing and an empty compiled Bun
 * program in the same run: `bun test/bench/cli.ts [--rounds 60] [--binary dist/orion]`. One JSON line a figure; `ratio`
 * is to the empty Bun program, `ratioToC` to the C program.
 */
import { chmodSync, copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "60" }, binary: { type: "string", default: "dist/orion" } },
});
if (!existsSync(values.binary)) throw new Error(`${values.binary} is not there: bun run build`);

const folder = mkdtempSync("/tmp/orion-bench-cli-");
// both Bun programs are copied alike: how a file came into the page cache makes 2 ms of difference
const binary = copied(resolve(values.binary), `${folder}/orion`);
const dir = `${folder}/home`;
const agent = startAgent();
try {
  const timer = compileC("timer", await Bun.file(`${import.meta.dir}/cli-timer.c`).text());
  const subjects: Readonly<Record<string, readonly string[]>> = {
    "c-nothing": [compileC("nothing", "int main(void) { return 0; }\n")],
    "bun-empty": [await compileEmpty()],
    "orion --version": [binary, "--version"],
    "orion --help": [binary, "--help"],
    "orion log": [binary, "--dir", dir, "log", "info", "disk", "low"],
    "orion log --source": [binary, "--dir", dir, "log", "info", "--source", "bench", "disk low"],
    "orion status --json": [binary, "--dir", dir, "status", "--json"],
    "orion status": [binary, "--dir", dir, "status"],
    "orion script list": [binary, "--dir", dir, "script", "list"],
    "orion logs": [binary, "--dir", dir, "logs"],
  };
  await untilReady();
  const names = Object.keys(subjects);
  const words = Object.values(subjects).flatMap((command, i) => (i === 0 ? command : ["::", ...command]));
  const result = Bun.spawnSync([timer, values.rounds, ...words], { stderr: "inherit" });
  if (!result.success) throw new Error("the timer failed");
  const rows = result.stdout
    .toString()
    .trim()
    .split("\n")
    .map((line) => line.split(" ").map(Number));
  const [c = [], bun = []] = rows;
  for (const [i, name] of names.entries()) {
    const [median = 0, least = 0, p90 = 0, code] = rows[i] ?? [];
    const round = (value: number) => Math.round(value * 100) / 100;
    const ratio = { ratio: round(median / (bun[0] ?? 1)), ratioToC: round(median / (c[0] ?? 1)) };
    console.log(
      JSON.stringify({
        bench: "cli",
        name,
        median: round(median),
        least: round(least),
        p90: round(p90),
        ...ratio,
        exitCode: code,
      }),
    );
  }
} finally {
  agent.kill("SIGTERM");
  await agent.exited;
  rmSync(folder, { recursive: true });
}

function startAgent() {
  return Bun.spawn([binary, "--dir", dir, "agent"], { stdout: "ignore", stderr: "ignore" });
}

async function untilReady(): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (Bun.spawnSync([binary, "--dir", dir, "status"], { stdout: "ignore", stderr: "ignore" }).success) return;
    await Bun.sleep(50);
  }
  throw new Error("the agent did not start");
}

function compileC(name: string, source: string): string {
  const out = `${folder}/${name}`;
  const result = Bun.spawnSync(["gcc", "-O2", "-x", "c", "-o", out, "-"], {
    stdin: Buffer.from(source),
    stderr: "inherit",
  });
  if (!result.success) throw new Error("gcc failed (is it installed?)");
  return out;
}

async function compileEmpty(): Promise<string> {
  await Bun.write(`${folder}/empty.ts`, "export {};\n");
  await Bun.build({
    entrypoints: [`${folder}/empty.ts`],
    minify: true,
    bytecode: true,
    format: "esm",
    compile: { outfile: `${folder}/compiled`, autoloadDotenv: false, autoloadBunfig: false },
  });
  return copied(`${folder}/compiled`, `${folder}/empty`);
}

function copied(from: string, to: string): string {
  copyFileSync(from, to);
  chmodSync(to, 0o755);
  return to;
}
