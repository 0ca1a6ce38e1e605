/** Adding a server: a command that registers it by itself, or its name and an agent started by hand. */
import { useState } from "preact/hooks";

import type { RegisteredServer } from "#src/protocol/api.ts";
import type { Project, newEnrolmentToken, projectsPage } from "#src/protocol/project.ts";
import type { z } from "#src/protocol/schema.ts";
import { address, send } from "./client.ts";
import { agentCommand, agentConfig, cloudInit, installCommand, setupServerCommand } from "./commands.ts";
import { useLoad } from "./loading.ts";
import { Choice, Field, Form } from "./parts/form.tsx";
import { Ready } from "./parts/page.tsx";
import { Copyable, ShownOnce } from "./parts/secret.tsx";

type Projects = z.infer<typeof projectsPage>;
type NewEnrolment = z.infer<typeof newEnrolmentToken>;

/** `project`: where it goes; left out, the reader is asked when there are several. */
export function AddServer({ project }: { readonly project?: Project }) {
  const all = useLoad<Projects>(project === undefined ? "/api/projects" : null);
  if (project !== undefined) return <Ways projects={[project]} />;
  return <Ready from={all}>{({ projects }) => <Ways projects={projects} />}</Ready>;
}

type Made =
  | { readonly kind: "command"; readonly enrolment: NewEnrolment }
  | { readonly kind: "by-hand"; readonly server: RegisteredServer };

function Ways({ projects }: { readonly projects: readonly Project[] }) {
  const [way, setWay] = useState<Made["kind"]>("command");
  const [made, setMade] = useState<Made>();
  if (projects.length === 0) {
    return (
      <p>
        Servers belong to a project. <a href="/projects">Make one first</a>
      </p>
    );
  }
  if (made?.kind === "command") return <Command enrolment={made.enrolment} />;
  if (made?.kind === "by-hand") return <ByHand server={made.server} />;
  const picker =
    projects.length === 1 ? (
      <input type="hidden" name="project" value={projects[0]?.id} />
    ) : (
      <Choice label="Project" name="project" options={projects.map(({ id, name }) => [id, name] as const)} />
    );
  return (
    <>
      <div class="segments" role="group" aria-label="Way to add it">
        <button type="button" aria-pressed={way === "command"} onClick={() => setWay("command")}>
          With a command
        </button>
        <button type="button" aria-pressed={way === "by-hand"} onClick={() => setWay("by-hand")}>
          By hand
        </button>
      </div>
      {way === "command" ? (
        <Form
          key="command"
          submit="Create the command"
          onSubmit={async ({ project = "", uses, hours }) => {
            const body = { name: "add server", maxUses: Number(uses), expiresInHours: Number(hours) };
            const path = address("/api/projects/:id/enrolment-tokens", { id: project });
            setMade({ kind: "command", enrolment: await send<NewEnrolment>("POST", path, { body }) });
          }}
        >
          {picker}
          <div class="pair">
            <Field
              label="Servers"
              name="uses"
              type="number"
              min={1}
              max={100_000}
              defaultValue="1"
              required
              hint="How many it may add"
            />
            <Choice label="Good for" name="hours" chosen="24" options={lifetimes} />
          </div>
        </Form>
      ) : (
        <Form
          key="by-hand"
          submit="Add server"
          onSubmit={async ({ project, hostname = "" }) => {
            const body = { hostname: hostname.trim(), project };
            setMade({ kind: "by-hand", server: await send<RegisteredServer>("POST", "/api/servers", { body }) });
          }}
        >
          {picker}
          <Field
            label="Host name"
            name="hostname"
            placeholder="web-1"
            autoComplete="off"
            autoCapitalize="none"
            spellcheck={false}
            required
            maxLength={253}
            hint="The same name in the same project is the same server: it gets a new token, the one before is dead"
          />
        </Form>
      )}
    </>
  );
}

/** Hours, and how people say it. */
export const lifetimes = [
  ["1", "an hour"],
  ["24", "a day"],
  ["168", "a week"],
  ["720", "30 days"],
  ["8760", "a year"],
] as const;

function Command({ enrolment }: { readonly enrolment: NewEnrolment }) {
  return (
    <ShownOnce what="The token in these commands">
      <EnrolmentCommands token={enrolment.token} />
    </ShownOnce>
  );
}

/** The ways to use an enrolment token. */
export function EnrolmentCommands({ token }: { readonly token: string }) {
  const hub = location.origin;
  return (
    <>
      <Copyable label="Install Orion on the server" text={installCommand} />
      <Copyable label="Register it and start its agent" text={setupServerCommand(hub, token)} />
      <Copyable label="Or in the cloud-init user data of new machines" text={cloudInit(hub, token)} />
    </>
  );
}

function ByHand({ server }: { readonly server: RegisteredServer }) {
  return (
    <ShownOnce what="The token">
      <p>
        Run this on <b>{server.hostname}</b>:
      </p>
      <AgentCommands serverId={server.id} token={server.token} />
      <p>
        Or <a href={`${address("/servers/:id", { id: server.id })}#ssh`}>let the hub install it over SSH</a>.
      </p>
    </ShownOnce>
  );
}

/** The ways to give an agent its token. */
export function AgentCommands({ serverId, token }: { readonly serverId: string; readonly token: string }) {
  const hub = location.origin;
  return (
    <>
      <Copyable label="An agent in the foreground" text={agentCommand(hub, serverId, token)} />
      <Copyable
        label="Or /etc/orion/config.json, which a running agent reads again"
        text={agentConfig(hub, serverId, token)}
      />
    </>
  );
}
