/** The agent of a server: is it heard, what does it hold back, and its token. */
import { useState } from "preact/hooks";

import type { NewAgentToken, Server } from "#src/protocol/api.ts";
import { AgentCommands } from "../../add-server.tsx";
import { address, send } from "../../client.ts";
import { Confirm, Dialog } from "../../parts/dialog.tsx";
import { Section } from "../../parts/page.tsx";
import { ShownOnce } from "../../parts/secret.tsx";
import { Time } from "../../parts/time.tsx";
import { navigate } from "../../router.ts";
import { statusOf } from "../../server-status.ts";
import { useSession } from "../../session.ts";
import { reportOf } from "./current.ts";
import { Since } from "./since.tsx";
import type { Week } from "./week.ts";

const transports = { agent: "its agent", ssh: "the hub, over SSH" } as const;

export function Agent({ server, week }: { readonly server: Server; readonly week: Week | undefined }) {
  const { manages } = useSession();
  const { tone, text } = statusOf(server);
  const { agent, latest } = server;
  const docker = reportOf(server)?.docker;
  const counts = latest?.delivery;
  return (
    <Section title="Agent" tools={manages && <Manage server={server} />}>
      <dl class="facts panel">
        <dt>Status</dt>
        <dd>
          <span class={`dot ${tone}`} /> {text}
        </dd>
        <dt>Figures from</dt>
        <dd>{agent.transport === null ? "nothing now" : transports[agent.transport]}</dd>
        <dt>Last seen</dt>
        <dd>
          <Time at={agent.lastSeen} />
          {week?.heard != null && (
            <span class="faint" title="Share of half hours since its first report, of the last 7 days">
              {" "}
              · heard {(week.heard * 100).toFixed(week.heard === 1 ? 0 : 1)} % of{" "}
              {week.days >= 6.9 ? "the week" : "its time"}
            </span>
          )}
        </dd>
        <dt>Version</dt>
        <dd>
          {agent.version ?? "–"}
          {latest !== null && agent.status === "connected" && (
            <span class="faint">
              {" "}
              · up for <Since startMs={Date.parse(latest.agent.startedAt)} />
            </span>
          )}
        </dd>
        <dt>Log lines</dt>
        <dd>
          {counts === undefined ? (
            "–"
          ) : (
            <>
              {counts.buffered.toLocaleString("en")} buffered,{" "}
              <span class={counts.dropped > 0 ? "bad" : ""}>{counts.dropped.toLocaleString("en")} lost</span>
            </>
          )}
        </dd>
        <dt>Docker</dt>
        <dd>{docker === undefined ? "–" : docker.available ? "available" : (docker.error ?? "not there")}</dd>
        <dt>Token last used</dt>
        <dd>
          <Time at={server.tokenLastUsedAt} />
        </dd>
        <dt>Registered</dt>
        <dd>
          <Time at={server.createdAt} />
        </dd>
        <dt>Server id</dt>
        <dd>
          <code>{server.id}</code>
        </dd>
      </dl>
    </Section>
  );
}

function Manage({ server: { id, hostname } }: { readonly server: Server }) {
  const [token, setToken] = useState("");
  const path = address("/api/servers/:id/agent-token", { id });
  return (
    <>
      {token !== "" && (
        <Dialog title={`New token of ${hostname}`} onClose={() => setToken("")}>
          <ShownOnce what="The token">
            <AgentCommands serverId={id} token={token} />
          </ShownOnce>
        </Dialog>
      )}
      <Confirm
        label="New token"
        title={`A new token for ${hostname}?`}
        submit="Replace the token"
        onConfirm={async () => {
          const made = await send<NewAgentToken>("POST", path);
          setToken(made.token);
        }}
      >
        The one that its agent has now is dead at once. The agent collects and buffers until it is given the new one.
      </Confirm>
      <Confirm
        label="Revoke token"
        title={`Revoke the token of ${hostname}?`}
        submit="Revoke"
        onConfirm={async () => {
          await send("DELETE", path);
        }}
      >
        Its agent is turned away from then on, until it is given a new token.
      </Confirm>
      <Confirm
        label="Delete server"
        title={`Delete ${hostname}?`}
        submit="Delete server"
        onConfirm={async () => {
          await send("DELETE", address("/api/servers/:id", { id }));
          navigate("/");
        }}
      >
        The hub forgets it, and its agent is turned away. Its log entries stay until they are too old. Under the same
        name it would be another server.
      </Confirm>
    </>
  );
}
