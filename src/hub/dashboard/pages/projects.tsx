/** The projects of an organization. */
import { useState } from "preact/hooks";

import type { Project, projectsPage } from "#src/protocol/project.ts";
import type { z } from "#src/protocol/schema.ts";
import { address, send } from "../client.ts";
import { usePaged } from "../loading.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Field, Form } from "../parts/form.tsx";
import { More, Page, Panel, Ready } from "../parts/page.tsx";
import { Time } from "../parts/time.tsx";
import { navigate } from "../router.ts";
import { useSession } from "../session.ts";

type Projects = z.infer<typeof projectsPage>;

export function ProjectsPage() {
  const { manages } = useSession();
  const list = usePaged<Projects, "projects">("/api/projects", "projects");
  const [adding, setAdding] = useState(false);
  return (
    <Page
      title="Projects"
      tools={
        manages && (
          <button type="button" class="primary" onClick={() => setAdding(true)}>
            New project
          </button>
        )
      }
    >
      {adding && (
        <Dialog title="New project" onClose={() => setAdding(false)}>
          <Form
            submit="Create project"
            onSubmit={async ({ name }) => {
              const made = await send<Project>("POST", "/api/projects", { body: { name } });
              navigate(address("/projects/:id", { id: made.id }));
            }}
          >
            <Field label="Name" name="name" placeholder="shop" required maxLength={100} autoFocus />
          </Form>
        </Dialog>
      )}
      <Ready from={list}>
        {(projects) => (
          <Panel empty={projects.length === 0 && "None yet. Servers and applications belong to a project."}>
            <table class="list">
              <thead>
                <tr>
                  <th>Project</th>
                  <th class="number">Servers</th>
                  <th class="number">Sources</th>
                  <th>Created</th>
                </tr>
              </thead>
              <tbody>
                {projects.map(({ id, name, servers, sources, createdAt }) => (
                  <tr key={id}>
                    <th scope="row">
                      <a class="name" href={address("/projects/:id", { id })}>
                        {name}
                      </a>
                    </th>
                    <td class="number" data-label="Servers">
                      {servers}
                    </td>
                    <td class="number" data-label="Sources">
                      {sources}
                    </td>
                    <td data-label="Created">
                      <Time at={createdAt} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
            <More of={list} />
          </Panel>
        )}
      </Ready>
    </Page>
  );
}
