/** The first page: everything of the fleet on one screen. */
import { AddServer } from "../add-server.tsx";
import { Events } from "../events.tsx";
import { events, loaded, now, servers } from "../live.ts";
import { Logs } from "../logs.tsx";
import { useTitle } from "../parts/page.tsx";
import { Scripts } from "../scripts.tsx";
import { Servers } from "../servers.tsx";
import { useSession } from "../session.ts";

export function FleetPage() {
  useTitle("");
  const { manages } = useSession();
  const fleet = servers.value;
  // until a first agent has reported there is one thing to do, and nothing else to see
  const untouched = loaded.value && fleet.every((server) => server.latest === null);
  return (
    <main class="wide" tabIndex={-1}>
      <h1 class="unseen">Servers</h1>
      {untouched && (manages ? <Welcome /> : <Nothing />)}
      {fleet.length > 0 && <Servers servers={fleet} now={now.value} />}
      {loaded.value && !untouched && (
        <div class="columns">
          <div class="side">
            <Scripts servers={fleet} now={now.value} />
            <Events events={events.value} manyServers={fleet.length > 1} now={now.value} />
          </div>
          <Logs servers={fleet} />
        </div>
      )}
    </main>
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
