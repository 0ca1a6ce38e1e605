/** One server: how it is, what a person should know of it, and its agent's token. */
import { useState } from "preact/hooks";

import type { NewAgentToken, Server } from "#src/protocol/api.ts";
import type { Project, ServerNotice } from "#src/protocol/project.ts";
import { AgentCommands } from "../add-server.tsx";
import { ServerCharts } from "../charts/server-charts.tsx";
import { address, send } from "../client.ts";
import { Containers } from "../containers.tsx";
import { now as hubNow } from "../live.ts";
import { type Loaded, useLoad } from "../loading.ts";
import { Confirm, Dialog } from "../parts/dialog.tsx";
import { Notice } from "../parts/notice.tsx";
import { Page, Ready, Section } from "../parts/page.tsx";
import { ShownOnce } from "../parts/secret.tsx";
import { Time } from "../parts/time.tsx";
import { navigate } from "../router.ts";
import { Scripts } from "../scripts.tsx";
import { Servers, statusOf } from "../servers.tsx";
import { useSession } from "../session.ts";

/** How often it is asked for again, in milliseconds. */
const againMs = 5000;

export function ServerPage({ id }: { readonly id: string }) {
  const { manages } = useSession();
  const loaded = useLoad<Server>(address("/api/servers/:id", { id }), againMs);
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
  return (
    <Page title={server?.hostname ?? "Server"} above={above}>
      <Ready from={loaded}>
        {(server) => (
          <>
            {server.notices.map((notice) => (
              <IdentityNotice key={`${notice.code} ${notice.serverId}`} notice={notice} />
            ))}
            <Shown server={server} />
            <Agent server={server} manages={manages} reload={loaded.reload} />
          </>
        )}
      </Ready>
    </Page>
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

function Shown({ server }: { readonly server: Server }) {
  const now = hubNow.value;
  const newest = server.polled ?? server.latest;
  if (newest === null) return null;
  const dropped = server.latest?.delivery.dropped ?? 0;
  const { docker } = newest;
  return (
    <>
      <Servers title="Figures" servers={[server]} now={now} />
      {dropped > 0 && (
        <Notice tone="warn">
          {dropped.toLocaleString("en")} log lines of this server were lost: its buffer was full while the hub was away.
        </Notice>
      )}
      {docker.error !== null && <Notice tone="quiet">Docker: {docker.error}</Notice>}
      <ServerCharts serverId={server.id} />
      <Scripts servers={[server]} now={now} />
      <Containers server={server} now={now} />
    </>
  );
}

function Agent({
  server,
  manages,
  reload,
}: {
  readonly server: Server;
  readonly manages: boolean;
  readonly reload: Loaded<Server>["reload"];
}) {
  const { tone, text } = statusOf(server);
  return (
    <Section title="Agent" tools={manages && <Manage server={server} reload={reload} />}>
      <dl class="facts panel">
        <dt>Status</dt>
        <dd>
          <span class={`dot ${tone}`} /> {text}
        </dd>
        <dt>Last seen</dt>
        <dd>
          <Time at={server.agent.lastSeen} />
        </dd>
        <dt>Version</dt>
        <dd>{server.agent.version ?? "–"}</dd>
        {server.agent.ssh !== undefined && (
          <>
            <dt>Read over SSH</dt>
            <dd>
              <Time at={server.agent.ssh.lastPolled} />
              {server.agent.ssh.problem !== null && ` · ${server.agent.ssh.problem}`}
            </dd>
          </>
        )}
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

function Manage({ server, reload }: { readonly server: Server; readonly reload: () => void }) {
  const [token, setToken] = useState("");
  const { id, hostname } = server;
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
          reload();
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
          reload();
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
