/** How a server is now, in a row of figures. */
import type { ComponentChildren } from "preact";

import type { Server } from "#src/protocol/api.ts";
import { bytes, duration, percent, rate } from "../../format.ts";
import { reportOf } from "./current.ts";

/** From here on a share is worth a look, and from here on a worry, in percent. */
const [high, full] = [80, 95];

export function Tiles({ server }: { readonly server: Server }) {
  const system = reportOf(server)?.system;
  if (system === undefined) return null;
  const { cpu, memory, disk, network, load, uptime } = system;
  return (
    <dl class={`tiles${server.agent.transport === null ? " old" : ""}`}>
      <Tile label="CPU" value={percent(cpu.usage)} note={coresOf(cpu.cores)} share={cpu.usage} />
      <Tile label="Memory" value={percent(memory.usage)} note={ofTotal(memory)} share={memory.usage} />
      <Tile label="Disk" value={percent(disk.usage)} note={ofTotal(disk)} share={disk.usage} title={disk.path} />
      <Tile
        label="Network"
        value={
          <>
            <i role="img" aria-label="received">
              ↓
            </i>{" "}
            {rate(network.rxRate)}
          </>
        }
        note={
          <>
            <i role="img" aria-label="sent">
              ↑
            </i>{" "}
            {rate(network.txRate)}
          </>
        }
      />
      <Tile
        label="Load"
        value={load === null ? "–" : (load[0] ?? 0).toFixed(2)}
        note={load === null ? "" : `${(load[1] ?? 0).toFixed(2)}  ${(load[2] ?? 0).toFixed(2)}`}
        title="Load average of 1, 5 and 15 minutes"
      />
      <Tile label="Up" value={duration(uptime)} note="since its boot" />
    </dl>
  );
}

function Tile({
  label,
  value,
  note,
  share,
  title,
}: {
  readonly label: string;
  readonly value: ComponentChildren;
  readonly note: ComponentChildren;
  readonly share?: number | null;
  readonly title?: string;
}) {
  const level = share == null ? "" : share >= full ? "bad" : share >= high ? "warn" : "";
  return (
    <div {...(title === undefined ? {} : { title })}>
      <dt>{label}</dt>
      <dd class="value">{value}</dd>
      <dd class="note">{note}</dd>
      {share !== undefined && (
        <dd class={`track ${level}`} aria-hidden="true">
          <span style={{ width: `${Math.min(100, share ?? 0)}%` }} />
        </dd>
      )}
    </div>
  );
}

function coresOf(count: number | null): string {
  if (count === null) return "";
  return count === 1 ? "of 1 core" : `of ${count} cores`;
}

/** `6.2 of 16 GB`: the unit once, when it is the same. */
function ofTotal({ used, total }: { readonly used: number | null; readonly total: number | null }): string {
  if (used === null || total === null) return "";
  const [part, whole] = [bytes(used), bytes(total)];
  const unit = whole.slice(whole.indexOf(" "));
  return `${part.endsWith(unit) ? part.slice(0, -unit.length) : part} of ${whole}`;
}
