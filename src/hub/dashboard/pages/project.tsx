/** One project: its servers, its sources, and how more of them come. */
import { useState } from "preact/hooks";

import type { Project } from "#src/protocol/project.ts";
import { address, send } from "../client.ts";
import { type Loaded, useLoad } from "../loading.ts";
import { Confirm, Dialog } from "../parts/dialog.tsx";
import { Field, Form } from "../parts/form.tsx";
import { Page, Ready } from "../parts/page.tsx";
import { navigate } from "../router.ts";
import { useSession } from "../session.ts";
import { EnrolmentTokens } from "./project/enrolment.tsx";
import { ProjectRetention } from "./project/retention.tsx";
import { ProjectServers } from "./project/servers.tsx";
import { Sources } from "./project/sources.tsx";

export function ProjectPage({ id }: { readonly id: string }) {
  const { manages } = useSession();
  const loaded = useLoad<Project>(address("/api/projects/:id", { id }));
  const above = <a href="/projects">Projects</a>;
  if (loaded.missing) {
    return (
      <Page title="There is no such project" above={above}>
        <p class="text">It may have been deleted, or belong to another organization.</p>
      </Page>
    );
  }
  return (
    <Page
      title={loaded.data?.name ?? "Project"}
      above={
        <>
          {above} <Elsewhere id={id} />
        </>
      }
      tools={manages && loaded.data !== undefined && <Manage project={loaded.data} reload={loaded.reload} />}
    >
      <Ready from={loaded}>
        {(project) => (
          <>
            <ProjectServers project={project} />
            <Sources project={project} />
            {manages && <EnrolmentTokens project={project} />}
            <ProjectRetention project={project} reload={loaded.reload} />
          </>
        )}
      </Ready>
    </Page>
  );
}

/** What else there is of it. */
function Elsewhere({ id }: { readonly id: string }) {
  return (
    <span class="elsewhere">
      <a href={address("/", {}, { project: id })}>Servers</a>
      <a href={address("/errors", {}, { project: id })}>Errors</a>
      <a href={address("/events", {}, { project: id })}>Events</a>
    </span>
  );
}

function Manage({ project, reload }: { readonly project: Project; readonly reload: Loaded<Project>["reload"] }) {
  const [renaming, setRenaming] = useState(false);
  const path = address("/api/projects/:id", { id: project.id });
  const close = () => setRenaming(false);
  return (
    <>
      <button type="button" onClick={() => setRenaming(true)}>
        Rename
      </button>
      <Confirm
        label="Delete"
        title={`Delete ${project.name}?`}
        submit="Delete project"
        onConfirm={async () => {
          await send("DELETE", path);
          navigate("/projects");
        }}
      >
        Its sources' and enrolment tokens are dead at once. A project with servers in it can't be deleted.
      </Confirm>
      {renaming && (
        <Dialog title="Rename the project" onClose={close}>
          <Form
            submit="Rename"
            onSubmit={async ({ name }) => {
              await send("PATCH", path, { body: { name } });
              reload();
              close();
            }}
          >
            <Field label="Name" name="name" defaultValue={project.name} required maxLength={100} autoFocus />
          </Form>
        </Dialog>
      )}
    </>
  );
}
