/** The scripts of a server, those that need a person first, and what they took. */
import { useMemo } from "preact/hooks";

import type { Server } from "#src/protocol/api.ts";
import type { ScriptStatus } from "#src/protocol/heartbeat.ts";
import { Chart } from "../../charts/chart.tsx";
import type { Charts } from "../../charts/use-charts.ts";
import { bytes, duration } from "../../format.ts";
import { Section } from "../../parts/page.tsx";
import { Time } from "../../parts/time.tsx";
import { exitText, scriptRows } from "../../scripts.tsx";
import { Restarting, Since } from "./since.tsx";
import { CpuCell, Name, Places, useSparks } from "./things.tsx";

export function Scripts({ server, charts }: { readonly server: Server; readonly charts: Charts }) {
  const sparks = useSparks(charts.answer, "script.cpu");
  const { plots, picked, doors } = charts;
  const waiting = charts.answer === undefined;
  const rows = useMemo(() => scriptRows([server]), [server]);
  const down = server.agent.status === "disconnected";
  const reportMs = Date.parse(server.latest?.at ?? "");
  const charted = plots.scriptCpu.lines.length > 0;
  return (
    <Section title="Scripts" about={down && rows.length > 0 ? "As its agent last reported them" : undefined}>
      <div class="panel" id="scripts">
        {rows.length === 0 ? (
          <p class="nothing">
            None yet. On the server: <code>orion script add api "node server.js" --start</code>
          </p>
        ) : (
          <table class={`list things${down ? " down" : ""}`}>
            <thead>
              <tr>
                <th scope="col">Script</th>
                <th scope="col" class="number">
                  CPU
                </th>
                <th scope="col" class="number">
                  Memory
                </th>
                <th scope="col" class="number">
                  Up
                </th>
                <th scope="col" class="number">
                  Restarts
                </th>
                <th scope="col">Last exit</th>
                <th scope="col" class="number">
                  PID
                </th>
                <th scope="col">
                  <span class="unseen">Places</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ script }) => (
                <Row
                  key={script.name}
                  script={script}
                  charts={charts}
                  serverId={server.id}
                  line={sparks.get(script.name)}
                  reportMs={down ? null : reportMs}
                />
              ))}
            </tbody>
          </table>
        )}
      </div>
      {charted && (
        <div class="charts two">
          <Chart title="Scripts: CPU" plot={plots.scriptCpu} picked={picked} waiting={waiting} doors={doors} />
          <Chart title="Scripts: memory" plot={plots.scriptMemory} picked={picked} waiting={waiting} doors={doors} />
        </div>
      )}
    </Section>
  );
}

/** `reportMs`: when it was so; null: too long ago to count on. */
function Row({
  script,
  charts,
  serverId,
  line,
  reportMs,
}: {
  readonly script: ScriptStatus;
  readonly charts: Charts;
  readonly serverId: string;
  readonly line: readonly (number | null)[] | undefined;
  readonly reportMs: number | null;
}) {
  const { name, state, pid, uptime, restarts, cpu, memory, nextRestartAt, lastExit, problem } = script;
  return (
    <tr>
      <th scope="row">
        <span class={`pill ${state}`}>{state}</span>
        <Name name={name} charts={charts} />
        {problem != null && problem !== "" && <span class="note">{problem}</span>}
      </th>
      <CpuCell value={cpu} line={line} />
      <td class="number" data-label="Memory">
        {bytes(memory)}
      </td>
      <td class="number" data-label="Up">
        {nextRestartAt !== null ? (
          <Restarting at={nextRestartAt} />
        ) : uptime !== null && reportMs !== null ? (
          <Since startMs={reportMs - uptime * 1000} />
        ) : (
          duration(uptime)
        )}
        {state === "crashed" && nextRestartAt === null && "given up"}
      </td>
      <td class="number" data-label="Restarts">
        {restarts}
      </td>
      <td class={lastExit === null ? "wide none" : "wide"} data-label="Last exit">
        {lastExit === null ? (
          <span class="faint">–</span>
        ) : (
          <>
            {exitText(lastExit)}, <Time at={lastExit.at} />
          </>
        )}
      </td>
      <td class="number pid" data-label="PID">
        {pid ?? "–"}
      </td>
      <Places serverId={serverId} source={name} name={name} />
    </tr>
  );
}
