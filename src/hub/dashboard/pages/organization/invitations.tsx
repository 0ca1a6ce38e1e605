/** Those who are invited and have not come yet, and inviting more. */
import { useState } from "preact/hooks";

import type { NewInvitation, invitation } from "#src/protocol/account.ts";
import type { z } from "#src/protocol/schema.ts";
import { address, send } from "../../client.ts";
import { Confirm, Dialog } from "../../parts/dialog.tsx";
import { Choice, Field, Form } from "../../parts/form.tsx";
import { Panel } from "../../parts/page.tsx";
import { Copyable, ShownOnce } from "../../parts/secret.tsx";
import { Time } from "../../parts/time.tsx";
import { roleTexts } from "../../session.ts";

type Invitation = z.infer<typeof invitation>;

const roleOptions = Object.entries(roleTexts);

export function Invitations({
  invitations,
  onChange,
}: {
  readonly invitations: readonly Invitation[];
  readonly onChange: () => void;
}) {
  return (
    <Panel empty={invitations.length === 0 && "None."}>
      <table class="list">
        <thead>
          <tr>
            <th>For</th>
            <th>Role</th>
            <th>Expires</th>
            <th>
              <span class="unseen">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {invitations.map((one) => (
            <tr key={one.id}>
              <th scope="row">
                <span class="name">{one.email}</span>
              </th>
              <td data-label="Role">{one.role}</td>
              <td data-label="Expires">
                <Time at={one.expiresAt} />
              </td>
              <td class="acts">
                <Confirm
                  label="Take back"
                  about={`the invitation of ${one.email}`}
                  title="Take the invitation back?"
                  submit="Take back"
                  onConfirm={async () => {
                    await send("DELETE", address("/api/organization/invitations/:id", { id: one.id }));
                    onChange();
                  }}
                >
                  The link that <b>{one.email}</b> was given no longer works.
                </Confirm>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Panel>
  );
}

export function Invite({ onClose }: { readonly onClose: () => void }) {
  const [made, setMade] = useState<NewInvitation>();
  if (made !== undefined) {
    return (
      <Dialog title={`Invitation for ${made.email}`} onClose={onClose}>
        <p>
          The hub sends no mail: hand this link on yourself. It works once, and ends <Time at={made.expiresAt} />.
        </p>
        <ShownOnce what="The link">
          <Copyable label="Invitation link" text={made.link} />
        </ShownOnce>
        <div class="actions">
          <button type="button" class="primary" onClick={onClose}>
            Done
          </button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title="Invite somebody" onClose={onClose}>
      <Form
        submit="Create invitation"
        onSubmit={async ({ email, role }) =>
          setMade(await send<NewInvitation>("POST", "/api/organization/invitations", { body: { email, role } }))
        }
        aside={
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        }
      >
        <Field label="E-mail" name="email" type="email" autoComplete="off" required autoFocus />
        <Choice label="Role" name="role" chosen="viewer" options={roleOptions} />
      </Form>
    </Dialog>
  );
}
