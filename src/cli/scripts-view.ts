/** Scripts for people. */
import type { Exit } from "#src/protocol/event.ts";
import type { ScriptStatus } from "#src/protocol/heartbeat.ts";
import type { Script } from "#src/protocol/scripts.ts";

import { type Paint, type Style, harmless } from "./colour.ts";
import { renderTable } from "./table.ts";
import { ago, bytes, duration, percent } from "./units.ts";

const stateStyles: Record<ScriptStatus["state"], Style> = { running: "green", stopped: "dim", crashed: "red" };

/** One line a script. */
export function renderScripts(scripts: readonly ScriptStatus[], paint: Paint, now: number): string[] {
  const columns = [
    { title: "NAME" },
    { title: "STATE" },
    { title: "PID", right: true },
    { title: "UP", right: true },
    { title: "RESTARTS", right: true },
    { title: "CPU", right: true },
    { title: "MEMORY", right: true },
    { title: "" },
  ];
  const rows = scripts.map((script) => [
    script.name,
    paint(stateStyles[script.state], script.state),
    script.pid === null ? "-" : String(script.pid),
    duration(script.uptime),
    String(script.restarts),
    percent(script.cpu),
    bytes(script.memory),
    remark(script, now),
  ]);
  return renderTable(columns, rows);
}

/** Why a script is not running, or what comes next. */
function remark(script: ScriptStatus, now: number): string {
  const parts: string[] = [];
  if (script.state !== "running" && script.lastExit !== null)
    parts.push(`${exitWords(script.lastExit)} ${ago(script.lastExit.at, now)}`);
  if (script.nextRestartAt !== null) {
    parts.push(`starts again in ${duration(Math.ceil((Date.parse(script.nextRestartAt) - now) / 1000))}`);
  }
  if (typeof script.problem === "string") parts.push(harmless(script.problem, false));
  return parts.join(", ");
}

/** How a process ended. */
export function exitWords(exit: Exit): string {
  if (exit.oom) return "killed for its memory limit";
  if (!exit.observed) return "ended unseen";
  if (exit.signal !== null) return `ended by ${exit.signal}`;
  return `exited with ${exit.code ?? "?"}`;
}

/** All that is known of one script: its definition and what it does now. */
export function renderScript(script: Script, status: ScriptStatus, paint: Paint, now: number): string {
  const exit = status.lastExit;
  const lines: [string, string | undefined][] = [
    ["state", paint(stateStyles[status.state], status.state)],
    ["pid", status.pid?.toString()],
    ["up", status.uptime === null ? undefined : duration(status.uptime)],
    ["cpu", status.cpu === null ? undefined : percent(status.cpu)],
    ["memory", status.memory === null ? undefined : bytes(status.memory)],
    ["restarts", String(status.restarts)],
    ["last exit", exit === null ? undefined : `${exitWords(exit)} ${ago(exit.at, now)}`],
    ["next start", status.nextRestartAt ?? undefined],
    ["problem", status.problem ?? undefined],
    ["command", script.command],
    ["cwd", script.cwd],
    ["user", script.user],
    ["auto-restart", script.autoRestart ? `yes, at most ${script.maxRestarts} in a row` : "no"],
    ["back-off", `${script.backoffBase} ms, doubled each time`],
    ["stable after", `${script.stableAfter} ms`],
    ["capture", script.captureOutput ? "yes" : "no"],
    ["stop", `${script.killSignal}, SIGKILL after ${script.killTimeout} ms`],
    ["memory max", script.memoryMax === undefined ? undefined : bytes(script.memoryMax)],
    ["env file", script.envFile],
    // names only: values are often secrets, and screens are shared
    ["env", script.env === undefined ? undefined : Object.keys(script.env).join(", ")],
    ["with daemon", script.enabled ? "yes" : "no"],
  ];
  const shown = lines.filter((line): line is [string, string] => line[1] !== undefined);
  const width = Math.max(...shown.map(([name]) => name.length));
  const body = shown.map(([name, value]) => `  ${name.padEnd(width)}  ${harmless(value, true)}`);
  return `${[paint("bold", script.name), ...body].join("\n")}\n`;
}
