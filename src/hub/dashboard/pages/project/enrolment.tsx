/** Tokens with which hosts register themselves in a project. */
import { useState } from "preact/hooks";

import type { EnrolmentToken, Project, enrolmentTokensList, newEnrolmentToken } from "#src/protocol/project.ts";
import type { z } from "#src/protocol/schema.ts";
import { EnrolmentCommands, lifetimes } from "../../add-server.tsx";
import { address, send } from "../../client.ts";
import { usePaged } from "../../loading.ts";
import { Confirm, Dialog } from "../../parts/dialog.tsx";
import { Choice, Field, Form } from "../../parts/form.tsx";
import { More, Panel, Ready, Section } from "../../parts/page.tsx";
import { Copyable, ShownOnce } from "../../parts/secret.tsx";
import { Time } from "../../parts/time.tsx";

type Tokens = z.infer<typeof enrolmentTokensList>;
type NewToken = z.infer<typeof newEnrolmentToken>;

export function EnrolmentTokens({ project }: { readonly project: Project }) {
  const path = address("/api/projects/:id/enrolment-tokens", { id: project.id });
  const list = usePaged<Tokens, "tokens">(path, "tokens");
  const [adding, setAdding] = useState(false);
  return (
    <Section
      title="Enrolment tokens"
      about="With one of them machines add themselves: in an image, by cloud-init, from a script."
      tools={
        <button type="button" class="primary" onClick={() => setAdding(true)}>
          New enrolment token
        </button>
      }
    >
      {adding && (
        <Add
          path={path}
          onClose={() => {
            setAdding(false);
            list.reload();
          }}
        />
      )}
      <Ready from={list}>
        {(tokens) => (
          <Panel empty={tokens.length === 0 && "None yet."}>
            <table class="list">
              <thead>
                <tr>
                  <th>Token</th>
                  <th class="number">Used</th>
                  <th>Last used</th>
                  <th>Expires</th>
                  <th>
                    <span class="unseen">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {tokens.map((token) => (
                  <Row key={token.id} token={token} path={path} onGone={list.reload} />
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
  token,
  path,
  onGone,
}: {
  readonly token: EnrolmentToken;
  readonly path: string;
  readonly onGone: () => void;
}) {
  const { id, name, hint, uses, maxUses, lastUsedAt, expiresAt } = token;
  const dead = uses >= maxUses || Date.parse(expiresAt) <= Date.now();
  return (
    <tr class={dead ? "dead" : ""}>
      <th scope="row">
        <span class="name">{name}</span>
        <span class="note">
          <code>{hint}…</code>
        </span>
      </th>
      <td class="number" data-label="Used">
        {uses} of {maxUses}
      </td>
      <td data-label="Last used">
        <Time at={lastUsedAt} />
      </td>
      <td data-label="Expires">
        <Time at={expiresAt} />
      </td>
      <td class="acts">
        <Confirm
          label="Revoke"
          about={name}
          title={`Revoke ${name}?`}
          submit="Revoke token"
          onConfirm={async () => {
            await send("DELETE", `${path}/${encodeURIComponent(id)}`);
            onGone();
          }}
        >
          No more servers can be added with it. Those that it added stay.
        </Confirm>
      </td>
    </tr>
  );
}

function Add({ path, onClose }: { readonly path: string; readonly onClose: () => void }) {
  const [made, setMade] = useState<NewToken>();
  if (made !== undefined) {
    return (
      <Dialog title={`Enrolment token ${made.name}`} onClose={onClose}>
        <ShownOnce what="The token">
          <Copyable label="Enrolment token" text={made.token} />
        </ShownOnce>
        <EnrolmentCommands token={made.token} />
      </Dialog>
    );
  }
  return (
    <Dialog title="New enrolment token" onClose={onClose}>
      <Form
        submit="Create token"
        onSubmit={async ({ name, uses, hours }) => {
          const body = { name, maxUses: Number(uses), expiresInHours: Number(hours) };
          setMade(await send<NewToken>("POST", path, { body }));
        }}
        aside={
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        }
      >
        <Field label="Name" name="name" placeholder="web servers" required maxLength={100} autoFocus />
        <div class="pair">
          <Field label="Servers" name="uses" type="number" min={1} max={100_000} defaultValue="1" required />
          <Choice label="Good for" name="hours" chosen="24" options={lifetimes} />
        </div>
      </Form>
    </Dialog>
  );
}
