/** Where no line has come: what to do for the first. */
import { servers } from "../../live.ts";
import { Copyable } from "../../parts/secret.tsx";

export function FirstLine() {
  return (
    <section class="card welcome" aria-label="The first line">
      <h2>No lines here yet</h2>
      {servers.value.length === 0 && (
        <p>
          Lines come from servers and applications. <a href="/">Add a server</a>, or a source to a{" "}
          <a href="/projects">project</a>.
        </p>
      )}
      <p>What scripts and containers print appears here by itself. To see a line at once:</p>
      <Copyable label="On a server with an agent" text={`orion log info "Hello from this server"`} />
    </section>
  );
}
