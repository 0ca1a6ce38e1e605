/** Scripts of all servers, those that need a person first. */
import type { Server } from "#src/protocol/api.ts";
import type { Exit } from "#src/protocol/event.ts";
import type { ScriptStatus } from "#src/protocol/heartbeat.ts";
import { ago, bytes, duration, percent } from "./format.ts";

export type ScriptRow = { readonly server: Server; readonly script: ScriptStatus };

const rank: Readonly<Record<ScriptStatus["state"], number>> = { crashed: 0, running: 1, stopped: 2 };

/** Crashed first, then by name. */
export function scriptRows(servers: readonly Server[]): ScriptRow[] {
  return servers
    .flatMap((server) => (server.latest?.scripts ?? []).map((script) => ({ server, script })))
    .sort((a, b) => rank[a.script.state] - rank[b.script.state] || a.script.name.localeCompare(b.script.name));
}

export function Scripts({ servers, now }: { readonly servers: readonly Server[]; readonly now: number }) {
  const rows = scriptRows(servers);
  const many = servers.length > 1;
  return (
    <section aria-label="Scripts">
      <h2>Scripts</h2>
      <div class="panel">
        {rows.length === 0 ? (
          <p class="nothing">
            None yet. Add one: <code>orion script add api "node server.js" --start</code>
          </p>
        ) : (
          <table class="scripts">
            <thead>
              <tr>
                <th>Script</th>
                <th class="number">CPU</th>
                <th class="number">Memory</th>
                <th class="number">Restarts</th>
                <th class="number">Up</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <Row key={`${row.server.id}/${row.script.name}`} row={row} many={many} now={now} />
              ))}
            </tbody>
          </table>
        )}
      </div>
    </section>
  );
}

function Row({ row, many, now }: { readonly row: ScriptRow; readonly many: boolean; readonly now: number }) {
  const { script, server } = row;
  return (
    <tr class={server.agent.status === "disconnected" ? "down" : ""}>
      <th scope="row">
        <span class={`pill ${script.state}`}>{script.state}</span>
        <span class="name">{script.name}</span>
        {many && <span class="note">{server.hostname}</span>}
      </th>
      {script.state === "running" ? (
        <>
          <td class="number" data-label="CPU">
            {percent(script.cpu)}
          </td>
          <td class="number" data-label="Memory">
            {bytes(script.memory)}
          </td>
          <td class="number" data-label="Restarts">
            {script.restarts}
          </td>
          <td class="number" data-label="Up">
            {duration(script.uptime)}
          </td>
        </>
      ) : (
        <td class="why" colSpan={4}>
          {noteOf(script, now)}
        </td>
      )}
    </tr>
  );
}

function noteOf(script: ScriptStatus, now: number): string {
  const parts: string[] = [];
  if (script.problem != null && script.problem !== "") parts.push(script.problem);
  else if (script.lastExit !== null && (script.state === "crashed" || script.lastExit.code !== 0)) {
    parts.push(`${exitText(script.lastExit)}, ${ago(script.lastExit.at, now)}`);
  }
  if (script.nextRestartAt !== null) {
    const seconds = (Date.parse(script.nextRestartAt) - now) / 1000;
    parts.push(seconds > 1 ? `restarts in ${duration(seconds)}` : "restarting");
  } else if (script.state === "crashed") parts.push(`given up after ${script.restarts} restarts`);
  return parts.join(" · ");
}

/** How a process ended, in words. */
export function exitText(exit: Pick<Exit, "code" | "signal" | "oom" | "observed">): string {
  if (exit.oom) return "killed for its memory limit";
  if (exit.signal !== null) return `killed by ${exit.signal}`;
  if (exit.code !== null) return `exited with code ${exit.code}`;
  return exit.observed ? "could not start" : "ended unobserved";
}
