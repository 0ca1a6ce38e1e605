/** The containers of a server, those that need a person first, and what they took. */
import { useMemo } from "preact/hooks";

import type { Server } from "#src/protocol/api.ts";
import type { ContainerStatus } from "#src/protocol/heartbeat.ts";
import { Chart } from "../../charts/chart.tsx";
import type { Charts } from "../../charts/use-charts.ts";
import { bytes } from "../../format.ts";
import { Section } from "../../parts/page.tsx";
import { type Look, containerRows, lookOf } from "./container-rows.ts";
import { reportOf } from "./current.ts";
import { Since } from "./since.tsx";
import { CpuCell, Name, Places, useSparks } from "./things.tsx";

/** As the pills of scripts look. */
const pills: Readonly<Record<Look, string>> = { bad: "crashed", running: "running", quiet: "" };

/** Nothing for a server that has none and had none. */
export function Containers({ server, charts }: { readonly server: Server; readonly charts: Charts }) {
  const sparks = useSparks(charts.answer, "container.cpu");
  const containers = reportOf(server)?.containers;
  const rows = useMemo(() => containerRows(containers ?? []), [containers]);
  const { plots, picked, doors } = charts;
  const waiting = charts.answer === undefined;
  const charted = plots.containerCpu.lines.length > 0;
  if (rows.length === 0 && !charted) return null;
  const down = server.agent.transport === null;
  return (
    <Section title="Containers" about={down && rows.length > 0 ? "As its agent last reported them" : undefined}>
      <div class="panel" id="containers">
        {rows.length === 0 ? (
          <p class="nothing">None now.</p>
        ) : (
          <table class={`list things${down ? " down" : ""}`}>
            <thead>
              <tr>
                <th scope="col">Container</th>
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
                <th scope="col" class="number" title="Received and sent since it was started">
                  Network
                </th>
                <th scope="col" class="number" title="Read and written since it was started">
                  Block I/O
                </th>
                <th scope="col">
                  <span class="unseen">Places</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {rows.map((container) => (
                <Row
                  key={container.id}
                  container={container}
                  charts={charts}
                  serverId={server.id}
                  line={sparks.get(container.source ?? container.name)}
                  down={down}
                />
              ))}
            </tbody>
          </table>
        )}
      </div>
      {charted && (
        <div class="charts two">
          <Chart title="Containers: CPU" plot={plots.containerCpu} picked={picked} waiting={waiting} doors={doors} />
          <Chart
            title="Containers: memory"
            plot={plots.containerMemory}
            picked={picked}
            waiting={waiting}
            doors={doors}
          />
          <Chart
            title="Containers: network"
            plot={plots.containerNetwork}
            picked={picked}
            waiting={waiting}
            doors={doors}
          />
          <Chart
            title="Containers: block I/O"
            plot={plots.containerIo}
            picked={picked}
            waiting={waiting}
            doors={doors}
          />
        </div>
      )}
    </Section>
  );
}

function Row({
  container,
  charts,
  serverId,
  line,
  down,
}: {
  readonly container: ContainerStatus;
  readonly charts: Charts;
  readonly serverId: string;
  readonly line: readonly (number | null)[] | undefined;
  readonly down: boolean;
}) {
  const { name, image, state, health, cpu, memory, restartCount, startedAt, network, blockIo, source } = container;
  const runs = state === "running";
  const { usage, limit } = memory;
  const limited = usage !== null && limit !== null && limit > 0;
  return (
    <tr>
      <th scope="row">
        <span class={`pill ${pills[lookOf(container)]}`}>{runs ? (health ?? state) : state}</span>
        <Name name={name} source={source ?? name} charts={charts} />
        <span class="note">{image}</span>
      </th>
      <CpuCell value={cpu} line={line} />
      <td class="number" data-label="Memory">
        {bytes(usage)}
        {limited && <span class="note">of {bytes(limit)}</span>}
      </td>
      <td class="number" data-label="Up">
        {runs && startedAt !== null && !down ? <Since startMs={Date.parse(startedAt)} /> : "–"}
      </td>
      <td class="number" data-label="Restarts">
        {restartCount}
      </td>
      <td class="number pairs" data-label="Network">
        <Pair signs={["↓", "↑"]} words={["received", "sent"]} values={[network?.rxBytes, network?.txBytes]} />
      </td>
      <td class="number pairs" data-label="Block I/O">
        <Pair signs={["r", "w"]} words={["read", "written"]} values={[blockIo?.readBytes, blockIo?.writtenBytes]} />
      </td>
      <Places serverId={serverId} source={source ?? name} name={name} />
    </tr>
  );
}

function Pair({
  signs,
  words,
  values,
}: {
  readonly signs: readonly [string, string];
  readonly words: readonly [string, string];
  readonly values: readonly [number | null | undefined, number | null | undefined];
}) {
  if (values[0] == null && values[1] == null) return <>–</>;
  return (
    <>
      {values.map((value, i) => (
        <span key={words[i]}>
          <i role="img" aria-label={words[i]}>
            {signs[i]}
          </i>{" "}
          {bytes(value)}
        </span>
      ))}
    </>
  );
}
