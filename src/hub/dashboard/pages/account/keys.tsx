/** API keys: for scripts and machines that use the hub's API. */
import { useState } from "preact/hooks";

import type { Scope } from "#src/protocol/access.ts";
import type { ApiKey, apiKeysList, newApiKey } from "#src/protocol/account.ts";
import type { z } from "#src/protocol/schema.ts";
import { address, send } from "../../client.ts";
import { usePaged } from "../../loading.ts";
import { Confirm, Dialog } from "../../parts/dialog.tsx";
import { Boxes, Choice, Field, Form } from "../../parts/form.tsx";
import { More, Panel, Ready, Section } from "../../parts/page.tsx";
import { Copyable, ShownOnce } from "../../parts/secret.tsx";
import { Time } from "../../parts/time.tsx";
import { useSession } from "../../session.ts";

type Keys = z.infer<typeof apiKeysList>;
type NewKey = z.infer<typeof newApiKey>;

const scopeTexts: Readonly<Record<Scope, string>> = {
  "view:servers": "view:servers – read servers, logs and events",
  "manage:servers": "manage:servers – register servers, rotate tokens, make sources",
  "logs:write": "logs:write – send log entries",
};

/** What a key of this person may be allowed to do: never more than the person. */
const viewerScopes: readonly Scope[] = ["view:servers"];
const managerScopes: readonly Scope[] = ["view:servers", "manage:servers", "logs:write"];

export function Keys() {
  const list = usePaged<Keys, "keys">("/api/auth/keys", "keys");
  const [adding, setAdding] = useState(false);
  return (
    <Section
      title="API keys"
      about="For scripts and machines that call the API, and for signing in a command line without a browser."
      tools={
        <button type="button" class="primary" onClick={() => setAdding(true)}>
          New key
        </button>
      }
    >
      {adding && (
        <AddKey
          onClose={() => {
            setAdding(false);
            list.reload();
          }}
        />
      )}
      <Ready from={list}>
        {(keys) => (
          <Panel empty={keys.length === 0 && "None yet."}>
            <table class="list">
              <thead>
                <tr>
                  <th>Key</th>
                  <th>May</th>
                  <th>Last used</th>
                  <th>Expires</th>
                  <th>
                    <span class="unseen">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {keys.map((key) => (
                  <Row key={key.id} apiKey={key} onGone={list.reload} />
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

function Row({ apiKey, onGone }: { readonly apiKey: ApiKey; readonly onGone: () => void }) {
  const { session } = useSession();
  const { id, name, hint, scopes, createdAt, createdBy, expiresAt, lastUsedAt } = apiKey;
  const others = createdBy !== null && createdBy !== session.person.id && createdBy !== session.person.email;
  return (
    <tr>
      <th scope="row">
        <span class="name">{name}</span>
        <span class="note">
          <code>{hint}…</code>, created <Time at={createdAt} />
          {others && ` by ${createdBy}`}
        </span>
      </th>
      <td data-label="May">{scopes.join(", ")}</td>
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
          submit="Revoke key"
          onConfirm={async () => {
            await send("DELETE", address("/api/auth/keys/:id", { id }));
            onGone();
          }}
        >
          What uses this key is refused from then on.
        </Confirm>
      </td>
    </tr>
  );
}

function AddKey({ onClose }: { readonly onClose: () => void }) {
  const { manages } = useSession();
  const [made, setMade] = useState<NewKey>();
  if (made !== undefined) {
    return (
      <Dialog title={`Key ${made.name}`} onClose={onClose}>
        <ShownOnce what="The key">
          <Copyable label="API key" text={made.token} />
        </ShownOnce>
        <Copyable
          label="Try it"
          text={`curl -H "Authorization: Bearer ${made.token}" ${location.origin}/api/servers`}
        />
        <div class="actions">
          <button type="button" class="primary" onClick={onClose}>
            Done
          </button>
        </div>
      </Dialog>
    );
  }
  const offered = manages ? managerScopes : viewerScopes;
  return (
    <Dialog title="New API key" onClose={onClose}>
      <Form
        submit="Create key"
        onSubmit={async ({ name, scopes = "", days = "" }) => {
          const chosen = scopes.split(" ").filter((one) => one !== "");
          if (chosen.length === 0) throw new Error("Choose what the key may do");
          const body = { name, scopes: chosen, expiresInDays: days === "" ? null : Number(days) };
          setMade(await send<NewKey>("POST", "/api/auth/keys", { body }));
        }}
        aside={
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        }
      >
        <Field label="Name" name="name" placeholder="backup script" required maxLength={100} autoFocus />
        <Boxes
          label="It may"
          name="scopes"
          options={offered.map((one) => [one, scopeTexts[one], one === "view:servers"] as const)}
        />
        <Choice
          label="Good for"
          name="days"
          chosen="90"
          options={[
            ["30", "30 days"],
            ["90", "90 days"],
            ["365", "a year"],
            ["", "until it is revoked"],
          ]}
        />
      </Form>
    </Dialog>
  );
}
