/** The page's frame: title bar, and one section for each subject. */
import type { Server } from "#src/protocol/api.ts";
import { AddServer } from "./add-server.tsx";
import { Events } from "./events.tsx";
import { type FleetView, useFleet, useHubNow } from "./fleet.ts";
import { Logs } from "./logs.tsx";
import { Scripts, scriptRows } from "./scripts.tsx";
import { Servers } from "./servers.tsx";
import type { Connection } from "./stream.ts";

export function App() {
  const fleet = useFleet();
  const now = useHubNow(fleet.skewMs);
  // until a first agent has reported there is one thing to do, and nothing else to see
  const untouched = fleet.loaded && fleet.servers.every((server) => server.latest === null);
  return (
    <>
      <Bar fleet={fleet} />
      <main>
        {untouched && <AddServer />}
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
    </>
  );
}

const connectionText: Readonly<Record<Connection, string>> = {
  connecting: "Connecting",
  live: "Live",
  away: "Reconnecting",
};

function Bar({ fleet }: { readonly fleet: FleetView }) {
  const up = fleet.servers.filter((server) => server.agent.status === "connected").length;
  const crashed = crashedScripts(fleet.servers);
  return (
    <header class="bar">
      <h1>
        <svg viewBox="0 0 32 32" aria-hidden="true">
          <path d="M9 22 16 16 23 10" />
          <circle cx="9" cy="22" r="3.2" />
          <circle class="mid" cx="16" cy="16" r="3.2" />
          <circle cx="23" cy="10" r="3.2" />
        </svg>
        Orion
      </h1>
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
    </header>
  );
}

function crashedScripts(servers: readonly Server[]): number {
  return scriptRows(servers).filter((row) => row.script.state === "crashed").length;
}
