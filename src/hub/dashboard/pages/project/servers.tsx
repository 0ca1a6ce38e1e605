/** The servers of a project. */
import { useState } from "preact/hooks";

import type { ServersPage } from "#src/protocol/api.ts";
import type { Project } from "#src/protocol/project.ts";
import { AddServer } from "../../add-server.tsx";
import { address } from "../../client.ts";
import { usePaged } from "../../loading.ts";
import { Dialog } from "../../parts/dialog.tsx";
import { More, Panel, Ready, Section } from "../../parts/page.tsx";
import { Time } from "../../parts/time.tsx";
import { useSession } from "../../session.ts";
import { statusOf } from "../../server-status.ts";

/** Servers a page: each comes with its whole last report. */
const pageSize = 100;

export function ProjectServers({ project }: { readonly project: Project }) {
  const { manages } = useSession();
  const path = address("/api/servers", {}, { project: project.id, limit: pageSize });
  const list = usePaged<ServersPage, "servers">(path, "servers");
  const [adding, setAdding] = useState(false);
  return (
    <Section
      title="Servers"
      tools={
        manages && (
          <button type="button" class="primary" onClick={() => setAdding(true)}>
            Add server
          </button>
        )
      }
    >
      {adding && (
        <Dialog
          title="Add a server"
          onClose={() => {
            setAdding(false);
            list.reload();
          }}
        >
          <AddServer project={project} />
        </Dialog>
      )}
      <Ready from={list}>
        {(servers) => (
          <Panel empty={servers.length === 0 && "None yet."}>
            <table class="list">
              <thead>
                <tr>
                  <th>Server</th>
                  <th>Status</th>
                  <th>Agent</th>
                  <th>Last seen</th>
                </tr>
              </thead>
              <tbody>
                {servers.map((server) => {
                  const { tone, text } = statusOf(server);
                  return (
                    <tr key={server.id}>
                      <th scope="row">
                        <a class="name" href={address("/servers/:id", { id: server.id })}>
                          {server.hostname}
                        </a>
                      </th>
                      <td data-label="Status">
                        <span class={`dot ${tone}`} /> {text}
                        {server.notices.length > 0 && <span class="pill warn">needs a look</span>}
                      </td>
                      <td data-label="Agent">{server.agent.version ?? "–"}</td>
                      <td data-label="Last seen">
                        <Time at={server.agent.lastSeen} />
                      </td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
            <More of={list} />
          </Panel>
        )}
      </Ready>
    </Section>
  );
}
