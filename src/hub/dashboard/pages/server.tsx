/** One server: how it is and was, what runs on it, and how the hub reaches it. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import type { Server } from "#src/protocol/api.ts";
import type { MetricsAnswer } from "#src/protocol/metrics.ts";
import type { Project, ServerNotice } from "#src/protocol/project.ts";
import { Chart } from "../charts/chart.tsx";
import { SpanTools } from "../charts/span-tools.tsx";
import { useCharts } from "../charts/use-charts.ts";
import { address } from "../client.ts";
import { type Loaded, useLoad } from "../loading.ts";
import { Notice } from "../parts/notice.tsx";
import { Page, Ready } from "../parts/page.tsx";
import { Time } from "../parts/time.tsx";
import { statusOf } from "../server-status.ts";
import { useSession } from "../session.ts";
import { Agent } from "./server/agent.tsx";
import { Capacity } from "./server/capacity.tsx";
import { Containers } from "./server/containers.tsx";
import { reportOf, useServer } from "./server/current.ts";
import { type ServerJobs, useJobs } from "./server/jobs.ts";
import { Provision } from "./server/provision.tsx";
import { Scripts } from "./server/scripts.tsx";
import { Tiles } from "./server/tiles.tsx";
import { Transitions } from "./server/transitions.tsx";
import { weekOf, weekSeries, weekStepSeconds } from "./server/week.ts";

/** Charts are asked for as fine as the widest of them can be, so that a narrower window asks for the same. */
const widestChart = 1200;
const weekMs = 7 * 86_400_000;

export function ServerPage({ id }: { readonly id: string }) {
  const loaded = useServer(id);
  const { data: server } = loaded;
  const project = useLoad<Project>(
    server === undefined ? null : address("/api/projects/:id", { id: server.projectId }),
  );
  const above =
    project.data === undefined ? (
      <a href="/">Servers</a>
    ) : (
      <a href={address("/projects/:id", { id: project.data.id })}>{project.data.name}</a>
    );
  if (loaded.missing) {
    return (
      <Page title="There is no such server" above={<a href="/">Servers</a>}>
        <p class="text">It may have been deleted, or belong to another organization.</p>
      </Page>
    );
  }
  const query = { server: id };
  return (
    <Page
      wide
      title={server?.hostname ?? "Server"}
      above={above}
      tools={
        // together with what is below: there is room for them
        server !== undefined && (
          <>
            <Condition server={server} />
            <a class="button" href={address("/logs", {}, query)}>
              Logs
            </a>
            <a class="button" href={address("/errors", {}, query)}>
              Errors
            </a>
            <a class="button" href={address("/events", {}, query)}>
              Events
            </a>
          </>
        )
      }
    >
      <Ready from={loaded}>{(server) => <Known server={server} reload={loaded.reload} />}</Ready>
    </Page>
  );
}

function Known({ server, reload }: { readonly server: Server; readonly reload: Loaded<Server>["reload"] }) {
  const { manages } = useSession();
  const jobs = useJobs(server.id, manages);
  useJumpTo(location.hash);
  return (
    <>
      {server.notices.map((notice) => (
        <IdentityNotice key={`${notice.code} ${notice.serverId}`} notice={notice} />
      ))}
      {reportOf(server) === undefined ? (
        <Waiting server={server} manages={manages} />
      ) : (
        <Reported server={server} jobs={jobs} />
      )}
      {manages && <Provision server={server} jobs={jobs} reload={reload} />}
    </>
  );
}

/** Everything that needs figures. */
function Reported({ server, jobs }: { readonly server: Server; readonly jobs: ServerJobs }) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    if (box.current !== null) setWidth(Math.min(box.current.clientWidth, widestChart));
  }, []);
  const charts = useCharts(server, width, jobs.marks);
  const { plots, doors } = charts;
  const waiting = charts.answer === undefined;
  const week = useWeek(server);
  return (
    <>
      <div class="server-head" ref={box}>
        <section aria-label="Figures">
          <Tiles server={server} />
        </section>
        <Losses server={server} />
      </div>
      <section aria-label="Charts" class="subject chart-area">
        <h2 class="unseen">Charts</h2>
        <SpanTools charts={charts} />
        <div class="charts">
          <Chart title="CPU" plot={plots.cpu} waiting={waiting} doors={doors} />
          <Chart title="Memory" plot={plots.memory} waiting={waiting} doors={doors} />
          <Chart title="Network" plot={plots.network} waiting={waiting} doors={doors} />
          <Chart title="Disk" plot={plots.disk} waiting={waiting} doors={doors} />
          <Chart title="Load" plot={plots.load} waiting={waiting} doors={doors} />
          <Chart title="Log lines buffered" plot={plots.buffered} waiting={waiting} doors={doors} />
        </div>
      </section>
      <Scripts server={server} charts={charts} />
      <Containers server={server} charts={charts} />
      <div class="halves">
        <Agent server={server} week={week} />
        <div class="stack">
          <Capacity week={week} />
          <Transitions serverId={server.id} />
        </div>
      </div>
    </>
  );
}

/** In a word, and since when. */
function Condition({ server }: { readonly server: Server }) {
  const { tone, text } = statusOf(server);
  return (
    <p class="condition">
      <span class={`dot ${tone}`} /> {text}
      {server.agent.lastSeen !== null && (
        <span class="faint">
          {" · seen "}
          <Time at={server.agent.lastSeen} />
        </span>
      )}
    </p>
  );
}

function Losses({ server }: { readonly server: Server }) {
  const dropped = server.latest?.delivery.dropped ?? 0;
  const docker = reportOf(server)?.docker;
  const { ssh } = server.agent;
  return (
    <>
      {dropped > 0 && (
        <Notice tone="warn">
          {dropped.toLocaleString("en")} log lines of this server were lost: its buffer was full while the hub was away.{" "}
          <a href={address("/events", {}, { server: server.id, type: "logs.dropped" })}>When and of what</a>
        </Notice>
      )}
      {ssh !== undefined && ssh.problem !== null && <Notice tone="warn">Over SSH: {ssh.problem}</Notice>}
      {docker !== undefined && docker.error !== null && <Notice tone="quiet">Docker: {docker.error}</Notice>}
    </>
  );
}

/** Nothing has come from it yet: the one next step. */
function Waiting({ server, manages }: { readonly server: Server; readonly manages: boolean }) {
  return (
    <>
      <section class="card welcome" aria-label="Next step">
        <h2>Waiting for its agent</h2>
        <p>
          Figures appear here within seconds of its first report.{" "}
          {manages
            ? "Its token was shown when it was added: make a new one below for the commands, or let the hub install the agent over SSH."
            : "An owner or admin of this organization can install it."}
        </p>
      </section>
      <Agent server={server} week={undefined} />
    </>
  );
}

function IdentityNotice({ notice: { message, serverId } }: { readonly notice: ServerNotice }) {
  return (
    <Notice tone="warn">
      {message}
      {serverId !== undefined && (
        <>
          {" "}
          <a href={address("/servers/:id", { id: serverId })}>The other server</a>
        </>
      )}
    </Notice>
  );
}

/** The last week in half hours, as it was when the page was opened. */
function useWeek(server: Server) {
  const openedMs = useRef(Date.now()).current;
  const { data } = useLoad<MetricsAnswer>(
    address(
      "/api/servers/:id/metrics",
      { id: server.id },
      {
        from: new Date(openedMs - weekMs).toISOString(),
        to: new Date(openedMs).toISOString(),
        step: weekStepSeconds,
        series: weekSeries,
      },
    ),
  );
  const cores = reportOf(server)?.system.cpu.cores ?? null;
  return useMemo(() => (data === undefined ? undefined : weekOf(data, cores, openedMs)), [data, cores]);
}

/** What the address names comes into sight once it is there; a browser looks only once, before anything is. */
function useJumpTo(hash: string): void {
  useEffect(() => {
    const target = hash === "" ? null : document.getElementById(hash.slice(1));
    (target?.closest("section") ?? target)?.scrollIntoView();
  }, [hash]);
}
