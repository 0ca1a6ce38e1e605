/** The first page: everything of the fleet on one screen. */
import type { Server } from "#src/protocol/api.ts";
import { AddServer } from "../add-server.tsx";
import { Events } from "../events.tsx";
import { type FleetView, useFleet, useHubNow } from "../fleet.ts";
import { Frame } from "../frame.tsx";
import { Logs } from "../logs.tsx";
import { useTitle } from "../parts/page.tsx";
import { Scripts, scriptRows } from "../scripts.tsx";
import { Servers } from "../servers.tsx";
import { useSession } from "../session.ts";
import type { Connection } from "../stream.ts";

export function FleetPage() {
  useTitle("");
  const { manages } = useSession();
  const fleet = useFleet();
  const now = useHubNow(fleet.skewMs);
  // until a first agent has reported there is one thing to do, and nothing else to see
  const untouched = fleet.loaded && fleet.servers.every((server) => server.latest === null);
  return (
    <Frame status={<Status fleet={fleet} />}>
      <main class="wide" tabIndex={-1}>
        <h1 class="unseen">Servers</h1>
        {untouched && (manages ? <Welcome /> : <Nothing />)}
        {fleet.servers.length > 0 && <Servers servers={fleet.servers} now={now} />}
        {fleet.loaded && !untouched && (
          <div class="columns">
            <div class="side">
              <Scripts servers={fleet.servers} now={now} />
              <Events events={fleet.events} manyServers={fleet.servers.length > 1} now={now} />
            </div>
            <Logs servers={fleet.servers} />
          </div>
        )}
      </main>
    </Frame>
  );
}

function Welcome() {
  return (
    <section class="card welcome">
      <h2>Add your first server</h2>
      <p>Its figures appear here within seconds of its agent's start.</p>
      <AddServer />
    </section>
  );
}

function Nothing() {
  return (
    <section class="card welcome">
      <h2>No servers yet</h2>
      <p>An owner or admin of this organization can add the first one.</p>
    </section>
  );
}

const connectionText: Readonly<Record<Connection, string>> = {
  connecting: "Connecting",
  live: "Live",
  away: "Reconnecting",
};

function Status({ fleet }: { readonly fleet: FleetView }) {
  const up = fleet.servers.filter((server) => server.agent.status === "connected").length;
  const crashed = crashedScripts(fleet.servers);
  return (
    <>
      {fleet.servers.length > 0 && (
        <p class="counts">
          <span>
            <b>{up}</b>
            {up === fleet.servers.length ? "" : ` of ${fleet.servers.length}`}{" "}
            {fleet.servers.length === 1 ? "server" : "servers"} up
          </span>
          <span class={crashed > 0 ? "bad" : ""}>
            <b>{crashed}</b> {crashed === 1 ? "script" : "scripts"} crashed
          </span>
        </p>
      )}
      <p class={`connection ${fleet.connection}`} role="status">
        {connectionText[fleet.connection]}
      </p>
    </>
  );
}

function crashedScripts(servers: readonly Server[]): number {
  return scriptRows(servers).filter((row) => row.script.state === "crashed").length;
}
