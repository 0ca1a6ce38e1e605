/** The containers of a server, those that need a person first. */
import type { Server } from "#src/protocol/api.ts";
import type { ContainerStatus } from "#src/protocol/heartbeat.ts";
import { bytes, duration, percent } from "./format.ts";

type Look = "bad" | "running" | "quiet";

const rank: Readonly<Record<Look, number>> = { bad: 0, running: 1, quiet: 2 };
/** As the pills of scripts look. */
const pills: Readonly<Record<Look, string>> = { bad: "crashed", running: "running", quiet: "" };

export function lookOf({ state, health }: Pick<ContainerStatus, "state" | "health">): Look {
  if (state === "restarting" || state === "dead") return "bad";
  if (state !== "running") return "quiet";
  return health === "unhealthy" ? "bad" : "running";
}

/** Unhealthy and restarting ones first, then those that run, each by name. */
export function containerRows(containers: readonly ContainerStatus[]): readonly ContainerStatus[] {
  return containers.toSorted((a, b) => rank[lookOf(a)] - rank[lookOf(b)] || a.name.localeCompare(b.name));
}

/** Nothing for a server that has none. */
export function Containers({ server, now }: { readonly server: Server; readonly now: number }) {
  const rows = containerRows((server.polled ?? server.latest)?.containers ?? []);
  if (rows.length === 0) return null;
  return (
    <section aria-label="Containers">
      <h2>Containers</h2>
      <div class="panel">
        <table class="scripts containers">
          <thead>
            <tr>
              <th>Container</th>
              <th class="number">CPU</th>
              <th class="number">Memory</th>
              <th class="number">Restarts</th>
              <th class="number">Up</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((container) => (
              <Row key={container.id} container={container} down={server.agent.status === "disconnected"} now={now} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Row({
  container,
  down,
  now,
}: {
  readonly container: ContainerStatus;
  readonly down: boolean;
  readonly now: number;
}) {
  const { name, image, state, health, cpu, memory, restartCount, startedAt } = container;
  const look = lookOf(container);
  return (
    <tr class={down ? "down" : ""}>
      <th scope="row">
        <span class={`pill ${pills[look]}`}>{state === "running" ? (health ?? state) : state}</span>
        <span class="name">{name}</span>
        <span class="note">{image}</span>
      </th>
      {state === "running" ? (
        <>
          <td class="number" data-label="CPU">
            {percent(cpu)}
          </td>
          <td
            class="number"
            data-label="Memory"
            title={memory.limit === null ? undefined : `of ${bytes(memory.limit)}`}
          >
            {bytes(memory.usage)}
          </td>
          <td class="number" data-label="Restarts">
            {restartCount}
          </td>
          <td class="number" data-label="Up">
            {startedAt === null ? "–" : duration((now - Date.parse(startedAt)) / 1000)}
          </td>
        </>
      ) : (
        <td class="why" colSpan={4}>
          {restartCount > 0 ? `restarted ${restartCount} times` : ""}
        </td>
      )}
    </tr>
  );
}
