/** Applications that log under a name of their own, with or without an agent beside them. */
import { useState } from "preact/hooks";

import type { NewSource, Project, Source, sourcesPage } from "#src/protocol/project.ts";
import type { z } from "#src/protocol/schema.ts";
import { address, send } from "../../client.ts";
import { curlLogs, otlpEnvironment, sourceConfig, unknownToken } from "../../commands.ts";
import { usePaged } from "../../loading.ts";
import { Confirm, Dialog } from "../../parts/dialog.tsx";
import { Field, Form } from "../../parts/form.tsx";
import { More, Panel, Ready, Section } from "../../parts/page.tsx";
import { Copyable, ShownOnce } from "../../parts/secret.tsx";
import { Time } from "../../parts/time.tsx";
import { useSession } from "../../session.ts";

type Sources = z.infer<typeof sourcesPage>;
type Open =
  | { readonly kind: "nothing" }
  | { readonly kind: "adding" }
  | { readonly kind: "made"; readonly source: NewSource }
  | { readonly kind: "how"; readonly source: Source };

const nothing: Open = { kind: "nothing" };

export function Sources({ project }: { readonly project: Project }) {
  const { manages } = useSession();
  const path = address("/api/projects/:id/sources", { id: project.id });
  const list = usePaged<Sources, "sources">(path, "sources");
  const [open, setOpen] = useState<Open>(nothing);
  const close = () => setOpen(nothing);
  return (
    <Section
      title="Sources"
      about="Applications that send their log entries themselves."
      tools={
        manages && (
          <button type="button" class="primary" onClick={() => setOpen({ kind: "adding" })}>
            New source
          </button>
        )
      }
    >
      {open.kind === "adding" && (
        <Dialog title="New source" onClose={close}>
          <Form
            submit="Create source"
            onSubmit={async ({ name }) => {
              const source = await send<NewSource>("POST", path, { body: { name } });
              list.reload();
              setOpen({ kind: "made", source });
            }}
          >
            <Field
              label="Name"
              name="name"
              placeholder="api-backend"
              autoComplete="off"
              autoCapitalize="none"
              spellcheck={false}
              pattern="[^\s]+"
              title="no spaces"
              maxLength={128}
              required
              autoFocus
              hint="Its lines stand under this name"
            />
          </Form>
        </Dialog>
      )}
      {open.kind === "made" && (
        <Dialog title={`Token of ${open.source.name}`} onClose={close}>
          <ShownOnce what="The token">
            <Copyable label="Source token" text={open.source.token} />
          </ShownOnce>
          <HowTo project={project} source={open.source} token={open.source.token} />
        </Dialog>
      )}
      {open.kind === "how" && (
        <Dialog title={`Send entries as ${open.source.name}`} onClose={close}>
          <p>
            Put the token where <code>{unknownToken.source}</code> stands. It can't be shown again, but replaced.
          </p>
          <HowTo project={project} source={open.source} token={unknownToken.source} />
        </Dialog>
      )}
      <Ready from={list}>
        {(sources) => (
          <Panel empty={sources.length === 0 && "None yet."}>
            <table class="list">
              <thead>
                <tr>
                  <th>Source</th>
                  <th>Created</th>
                  <th>Token last used</th>
                  <th>
                    <span class="unseen">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {sources.map((source) => (
                  <Row
                    key={source.id}
                    source={source}
                    path={`${path}/${encodeURIComponent(source.id)}`}
                    onOpen={setOpen}
                    onChange={list.reload}
                  />
                ))}
              </tbody>
            </table>
            <More of={list} />
          </Panel>
        )}
      </Ready>
    </Section>
  );
}

function Row({
  source,
  path,
  onOpen,
  onChange,
}: {
  readonly source: Source;
  readonly path: string;
  readonly onOpen: (open: Open) => void;
  readonly onChange: () => void;
}) {
  const { manages } = useSession();
  return (
    <tr>
      <th scope="row">
        <span class="name">{source.name}</span>
      </th>
      <td data-label="Created">
        <Time at={source.createdAt} />
      </td>
      <td data-label="Token last used">
        <Time at={source.lastUsedAt} />
      </td>
      <td class="acts">
        <button
          type="button"
          aria-label={`Examples for ${source.name}`}
          onClick={() => onOpen({ kind: "how", source })}
        >
          Examples
        </button>
        {manages && (
          <>
            <Confirm
              label="New token"
              about={`for ${source.name}`}
              title={`A new token for ${source.name}?`}
              submit="Replace the token"
              onConfirm={async () => {
                const renewed = await send<NewSource>("POST", `${path}/token`);
                onChange();
                onOpen({ kind: "made", source: renewed });
              }}
            >
              The one that the application has now is dead at once.
            </Confirm>
            <Confirm
              label="Delete"
              about={source.name}
              title={`Delete ${source.name}?`}
              submit="Delete source"
              onConfirm={async () => {
                await send("DELETE", path);
                onChange();
              }}
            >
              Its token is dead at once. Its log entries stay until they are too old.
            </Confirm>
          </>
        )}
      </td>
    </tr>
  );
}

function HowTo({
  project,
  source,
  token,
}: {
  readonly project: Project;
  readonly source: Source;
  readonly token: string;
}) {
  const hub = location.origin;
  return (
    <>
      <Copyable label="With curl" text={curlLogs(hub, token)} />
      <Copyable label="With an OpenTelemetry SDK, by its environment" text={otlpEnvironment(hub, token, source.name)} />
      <Copyable
        label="Or .orion/config.json in the application's folder"
        text={sourceConfig(hub, token, project.name, source.name)}
      />
    </>
  );
}
