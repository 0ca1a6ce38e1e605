/** Changing the password, which ends all other sessions. */
import { useState } from "preact/hooks";

import { send } from "../../client.ts";
import { Field, Form } from "../../parts/form.tsx";
import { NewPassword } from "../../parts/new-password.tsx";
import { Notice } from "../../parts/notice.tsx";
import { Section } from "../../parts/page.tsx";
import { useSession } from "../../session.ts";

export function Password() {
  const { session } = useSession();
  // a new number empties the form
  const [changes, setChanges] = useState(0);
  return (
    <Section title="Password" about="Changing it signs you out everywhere else.">
      {changes > 0 && (
        <Notice tone="good" alert>
          The password is changed. All your other sessions have ended.
        </Notice>
      )}
      <Form
        key={changes}
        submit="Change password"
        onSubmit={async (values) => {
          await send("POST", "/api/auth/password", {
            body: { current: values["current"], new: values["new"] },
            // a wrong password does not end the session
            anonymous: true,
          });
          setChanges(changes + 1);
        }}
      >
        <input type="hidden" autoComplete="username" value={session.person.email} />
        <Field label="Current password" name="current" type="password" autoComplete="current-password" required />
        <NewPassword label="New password" name="new" />
      </Form>
    </Section>
  );
}
