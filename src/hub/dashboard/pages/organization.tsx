/** The people of an organization, and those who are invited. */
import { useState } from "preact/hooks";

import type { Organization } from "#src/protocol/account.ts";
import { send } from "../client.ts";
import { type Loaded, useLoad } from "../loading.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Field, Form } from "../parts/form.tsx";
import { Page, Ready, Section } from "../parts/page.tsx";
import { useSession } from "../session.ts";
import { Invitations, Invite } from "./organization/invitations.tsx";
import { HubKey } from "./organization/hub-key.tsx";
import { Redaction } from "./organization/redaction.tsx";
import { Members } from "./organization/members.tsx";

export function OrganizationPage() {
  const { session, owns, manages } = useSession();
  const loaded = useLoad<Organization>("/api/organization");
  const [inviting, setInviting] = useState(false);
  return (
    <Page title={loaded.data?.name ?? session.organization.name} tools={owns && <Rename loaded={loaded} />}>
      <Section
        title="Members"
        tools={
          owns && (
            <button type="button" class="primary" onClick={() => setInviting(true)}>
              Invite
            </button>
          )
        }
      >
        {inviting && (
          <Invite
            onClose={() => {
              setInviting(false);
              loaded.reload();
            }}
          />
        )}
        <Ready from={loaded}>{({ members }) => <Members members={members} onChange={loaded.reload} />}</Ready>
      </Section>
      {owns && loaded.data !== undefined && (
        <Section title="Invitations" about="Not accepted yet.">
          <Invitations invitations={loaded.data.invitations} onChange={loaded.reload} />
        </Section>
      )}
      {manages && <HubKey />}
      <Redaction />
    </Page>
  );
}

function Rename({ loaded }: { readonly loaded: Loaded<Organization> }) {
  const { session, reload } = useSession();
  const [open, setOpen] = useState(false);
  const close = () => setOpen(false);
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        Rename
      </button>
      {open && (
        <Dialog title="Rename the organization" onClose={close}>
          <Form
            submit="Rename"
            onSubmit={async ({ name }) => {
              await send("PATCH", "/api/organization", { body: { name } });
              loaded.reload();
              close();
              await reload();
            }}
          >
            <Field
              label="Name"
              name="name"
              defaultValue={loaded.data?.name ?? session.organization.name}
              required
              maxLength={100}
              autoFocus
            />
          </Form>
        </Dialog>
      )}
    </>
  );
}
