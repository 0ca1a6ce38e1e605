/** One server: is it up, how is it doing, and what of it needs a person. */
import { useMemo } from "preact/hooks";

import type { Server } from "#src/protocol/api.ts";
import type { ServerHistory } from "#src/protocol/history.ts";
import { address } from "../client.ts";
import { ago, bytes, fullTime, percent, rate } from "../format.ts";
import { now } from "../live.ts";
import { Sparkline } from "../parts/sparkline.tsx";
import { type StateName, stateOf, systemOf } from "./list.ts";
import type { Need } from "./needs.ts";

type RowProps = {
  readonly server: Server;
  readonly needs: readonly Need[];
  readonly line: ServerHistory | undefined;
  readonly index: number;
  readonly chosen: boolean;
  readonly top: number;
};

const stateTexts: Readonly<Record<StateName, string>> = {
  connected: "connected",
  disconnected: "disconnected",
  ssh: "over SSH",
  waiting: "waiting for its agent",
};
const tones: Readonly<Record<StateName, string>> = { connected: "good", disconnected: "bad", ssh: "warn", waiting: "" };

/** Drawn anew only when something of it has changed. */
export function ServerRow({ server, needs, line, index, chosen, top }: RowProps) {
  const told = needs.map(({ text }) => text).join("\n");
  return useMemo(
    () => <Row server={server} needs={needs} line={line} index={index} chosen={chosen} top={top} />,
    [server, told, line, index, chosen, top],
  );
}

function Row({ server, needs, line, index, chosen, top }: RowProps) {
  const { agent } = server;
  const system = systemOf(server);
  const state = stateOf(server);
  const network = system?.network;
  return (
    <div
      class={`row server ${state}${chosen ? " chosen" : ""}`}
      role="row"
      aria-rowindex={index + 2}
      style={{ transform: `translateY(${top}px)` }}
    >
      <div role="rowheader" class="who">
        <span class={`dot ${tones[state]}`} />
        <a class="name" href={address("/servers/:id", { id: server.id })} title={server.hostname}>
          {server.hostname}
        </a>
        <Needs needs={needs} state={state} />
      </div>
      <Gauge label="CPU" value={system?.cpu.usage} note={coresOf(system?.cpu.cores)}>
        <Sparkline values={line?.cpu ?? []} most={100} />
      </Gauge>
      <Gauge label="Memory" value={system?.memory.usage} note={bytes(system?.memory.total)}>
        <Sparkline values={line?.memory ?? []} most={100} />
      </Gauge>
      <Gauge label="Disk" value={system?.disk.usage} note={bytes(system?.disk.total)} />
      <div role="cell" class="network" data-label="Network">
        <span class="rates">
          <span>
            <i aria-label="received">↓</i> {rate(network?.rxRate)}
          </span>
          <span>
            <i aria-label="sent">↑</i> {rate(network?.txRate)}
          </span>
        </span>
        <Sparkline values={line?.network ?? []} most={null} />
      </div>
      <div role="cell" class="number load" data-label="Load" title="Load average of 1, 5 and 15 minutes">
        {system?.load == null ? "–" : (system.load[0] ?? 0).toFixed(2)}
      </div>
      <div role="cell" class="number seen" data-label="Last seen">
        <Seen at={agent.lastSeen} />
        <span class="version">{agent.version ?? ""}</span>
      </div>
    </div>
  );
}

/** What needs a person; when nothing does, how it is. */
function Needs({ needs, state }: { readonly needs: readonly Need[]; readonly state: StateName }) {
  const [first, ...rest] = needs;
  if (first === undefined) return <span class="status">{stateTexts[state]}</span>;
  return (
    <span class="status">
      <a class={`need ${first.tone}`} href={first.href} title={first.text}>
        {first.text}
      </a>
      {rest.length > 0 && (
        <span class="rest" title={rest.map(({ text }) => text).join("\n")}>
          +{rest.length}
        </span>
      )}
    </span>
  );
}

function Gauge({
  label,
  value,
  note,
  children,
}: {
  readonly label: string;
  readonly value: number | null | undefined;
  readonly note: string;
  readonly children?: preact.ComponentChildren;
}) {
  const known = value ?? null;
  const level = known === null ? "" : known >= 95 ? "bad" : known >= 80 ? "warn" : "";
  return (
    <div role="cell" class="gauge" data-label={label}>
      <span class="value">{percent(known)}</span>
      {children ?? <span class="note">{note}</span>}
      <span class={`track ${level}`}>
        <span style={{ transform: `scaleX(${Math.min(1, (known ?? 0) / 100)})` }} />
      </span>
    </div>
  );
}

/** Only the words change as time goes by. */
function Seen({ at }: { readonly at: string | null }) {
  return (
    <time dateTime={at ?? ""} title={at === null ? "" : fullTime(at)}>
      {ago(at, now.value)}
    </time>
  );
}

function coresOf(count: number | null | undefined): string {
  if (count == null) return "";
  return count === 1 ? "1 core" : `${count} cores`;
}
