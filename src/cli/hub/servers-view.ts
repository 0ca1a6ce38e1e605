/** Servers for people. */
import type { AgentStatus, Server } from "#src/protocol/api.ts";
import type { Project } from "#src/protocol/project.ts";

import { type Paint, harmless } from "../colour.ts";
import { renderScripts } from "../scripts-view.ts";
import { renderTable } from "../table.ts";
import { ago, bytes, duration, percent } from "../units.ts";

/** Characters of an id that tell servers apart in a list. */
const shortId = 8;

/** One line a server. Projects are named when there are several. */
export function renderServers(
  servers: readonly Server[],
  projects: readonly Project[],
  paint: Paint,
  now: number,
): string[] {
  const several = projects.length > 1;
  const columns = [
    { title: "NAME" },
    { title: "ID" },
    ...(several ? [{ title: "PROJECT" }] : []),
    { title: "AGENT" },
    { title: "VERSION" },
    { title: "CPU", right: true },
    { title: "MEMORY", right: true },
    { title: "SCRIPTS", right: true },
    { title: "" },
  ];
  const rows = servers.map((server) => {
    const { agent, latest, notices } = server;
    const system = newestOf(server)?.system;
    const scripts = latest?.scripts ?? [];
    const up = scripts.filter(({ state }) => state === "running").length;
    return [
      harmless(server.hostname, false),
      server.id.slice(0, shortId),
      ...(several ? [harmless(projectName(projects, server.projectId), false)] : []),
      statusWord(agent, paint),
      agent.version ?? "-",
      percent(agent.transport === null ? null : system?.cpu.usage),
      percent(agent.transport === null ? null : system?.memory.usage),
      latest === null ? "-" : `${up}/${scripts.length}`,
      [
        ...(agent.status === "connected" ? [] : [lastSeen(agent, now)]),
        ...notices.map(({ code }) => paint("yellow", code)),
      ].join(", "),
    ];
  });
  return renderTable(columns, rows);
}

/** All that is known of one server. */
export function renderServer(server: Server, project: string, paint: Paint, now: number): string {
  const { agent, latest, notices } = server;
  const system = newestOf(server)?.system;
  const lines: [string, string | undefined][] = [
    ["id", server.id],
    ["project", project],
    ["agent", `${statusWord(agent, paint)}${agent.version === null ? "" : `, version ${agent.version}`}`],
    ["last seen", agent.lastSeen === null ? "never" : ago(agent.lastSeen, now)],
    ["over SSH", agent.ssh === undefined ? undefined : overSsh(agent.ssh, now)],
    ["token used", server.tokenLastUsedAt === null ? "never" : ago(server.tokenLastUsedAt, now)],
    ["registered", ago(server.createdAt, now)],
    ["up", system === undefined ? undefined : duration(system.uptime)],
    ["cpu", system === undefined ? undefined : `${percent(system.cpu.usage)} of ${system.cpu.cores} cores`],
    ["memory", system === undefined ? undefined : `${bytes(system.memory.used)} of ${bytes(system.memory.total)}`],
    [
      "disk",
      system === undefined
        ? undefined
        : `${bytes(system.disk.used)} of ${bytes(system.disk.total)} (${system.disk.path})`,
    ],
    ...notices.map(({ message }): [string, string] => ["notice", paint("yellow", harmless(message, false))]),
  ];
  const shown = lines.filter((line): line is [string, string] => line[1] !== undefined);
  const width = Math.max(...shown.map(([name]) => name.length));
  const body = shown.map(([name, value]) => `  ${name.padEnd(width)}  ${harmless(value, true)}`);
  const scripts = latest === null ? [] : renderScripts(latest.scripts, paint, now);
  return `${[paint("bold", harmless(server.hostname, false)), ...body, ...(scripts.length === 0 ? [] : ["", ...scripts])].join("\n")}\n`;
}

/** What its figures are of: the agent's report, or what was read over SSH while it is silent. */
const newestOf = ({ latest, polled }: Server) => polled ?? latest;

export const statusWord = ({ status, transport }: AgentStatus, paint: Paint): string =>
  `${paint(status === "connected" ? "green" : "red", status)}${transport === "ssh" ? paint("yellow", ", watched over SSH") : ""}`;

/** When it was read last, and what is wrong or missing. */
export function overSsh({ lastPolled, problem }: NonNullable<AgentStatus["ssh"]>, now: number): string {
  const read = lastPolled === null ? "not read yet" : `read ${ago(lastPolled, now)}`;
  return problem === null ? read : `${read}: ${harmless(problem, false)}`;
}

export const lastSeen = ({ lastSeen: at }: AgentStatus, now: number): string =>
  at === null ? "never seen" : `seen ${ago(at, now)}`;

export const projectName = (projects: readonly Project[], id: string): string =>
  projects.find((project) => project.id === id)?.name ?? id;
