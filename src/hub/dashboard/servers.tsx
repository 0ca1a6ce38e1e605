/** One row a server: is it up, and how is it doing. */
import type { Server } from "#src/protocol/api.ts";
import { ago, bytes, duration, fullTime, percent, rate } from "./format.ts";

export function Servers({
  servers,
  now,
  title = "Servers",
}: {
  readonly servers: readonly Server[];
  readonly now: number;
  readonly title?: string;
}) {
  return (
    <section aria-label={title}>
      <h2>{title}</h2>
      <div class="panel servers-panel">
        <table class="servers">
          <thead>
            <tr>
              <th>Server</th>
              <th>CPU</th>
              <th>Memory</th>
              <th>Disk</th>
              <th class="number">Network</th>
              <th class="number">Load</th>
              <th class="number">Uptime</th>
              <th class="number">Agent</th>
              <th class="number">Last seen</th>
            </tr>
          </thead>
          <tbody>
            {servers.map((server) => (
              <Row key={server.id} server={server} now={now} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** How a server is, in a colour and in words. */
export function statusOf({ agent, latest }: Server): { readonly tone: "good" | "idle" | "bad"; readonly text: string } {
  if (agent.status === "connected") return { tone: "good", text: "connected" };
  if (agent.transport === "ssh") return { tone: "idle", text: "no agent, watched over SSH" };
  return latest === null ? { tone: "idle", text: "waiting for its agent" } : { tone: "bad", text: "disconnected" };
}

function Row({ server, now }: { readonly server: Server; readonly now: number }) {
  const { agent } = server;
  const { tone, text } = statusOf(server);
  const system = (server.polled ?? server.latest)?.system;
  return (
    <tr class={agent.transport !== null ? "" : tone === "idle" ? "down waiting" : "down"}>
      <th scope="row">
        <span class={`dot ${tone}`} title={agent.status} />
        <a class="name" href={`/servers/${encodeURIComponent(server.id)}`}>
          {server.hostname}
        </a>
        <span class="status">
          {text}
          {server.notices.length > 0 && (
            <span class="pill warn" title={server.notices.map(({ message }) => message).join("\n")}>
              needs a look
            </span>
          )}
        </span>
      </th>
      <td data-label="CPU">
        <Meter value={system?.cpu.usage} note={system?.cpu.cores == null ? "" : cores(system.cpu.cores)} />
      </td>
      <td data-label="Memory">
        <Meter value={system?.memory.usage} note={share(system?.memory.used, system?.memory.total)} />
      </td>
      <td data-label="Disk">
        <Meter value={system?.disk.usage} note={share(system?.disk.used, system?.disk.total)} />
      </td>
      <td class="number network" data-label="Network">
        <span>
          <i aria-label="received">↓</i> {rate(system?.network.rxRate)}
        </span>
        <span>
          <i aria-label="sent">↑</i> {rate(system?.network.txRate)}
        </span>
      </td>
      <td class="number" data-label="Load">
        {system?.load == null ? "–" : system.load.map((value) => value.toFixed(2)).join("  ")}
      </td>
      <td class="number" data-label="Uptime">
        {duration(system?.uptime)}
      </td>
      <td class="number" data-label="Agent">
        {agent.version ?? "–"}
      </td>
      <td class="number" data-label="Last seen">
        <time dateTime={agent.lastSeen ?? ""} title={agent.lastSeen === null ? "" : fullTime(agent.lastSeen)}>
          {ago(agent.lastSeen, now)}
        </time>
      </td>
    </tr>
  );
}

function Meter({ value, note }: { readonly value: number | null | undefined; readonly note: string }) {
  const known = value ?? null;
  const level = known === null ? "" : known >= 95 ? "bad" : known >= 80 ? "warn" : "";
  return (
    <div class="meter">
      <span class="value">{percent(known)}</span>
      <span class="note">{note}</span>
      <span class={`track ${level}`}>
        <span style={{ width: `${Math.min(100, known ?? 0)}%` }} />
      </span>
    </div>
  );
}

function cores(count: number): string {
  return count === 1 ? "1 core" : `${count} cores`;
}

function share(used: number | null | undefined, total: number | null | undefined): string {
  if (used == null || total == null) return "";
  const [whole, part] = [bytes(total), bytes(used)];
  // "6.2 of 16 GB": the unit once, when it is the same
  const unit = whole.slice(whole.indexOf(" "));
  return `${part.endsWith(unit) ? part.slice(0, -unit.length) : part} of ${whole}`;
}
