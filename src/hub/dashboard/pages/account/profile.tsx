/** Who one is to others. */
import { useState } from "preact/hooks";

import { send } from "../../client.ts";
import { Field, Form } from "../../parts/form.tsx";
import { Notice } from "../../parts/notice.tsx";
import { Section } from "../../parts/page.tsx";
import { useSession } from "../../session.ts";

export function Profile() {
  const { session, reload } = useSession();
  const { person } = session;
  const [saved, setSaved] = useState(false);
  return (
    <Section title="Profile" about={person.email}>
      <Form
        inline
        submit="Save"
        onSubmit={async ({ name }) => {
          setSaved(false);
          await send("PATCH", "/api/auth/person", { body: { name } });
          await reload();
          setSaved(true);
        }}
      >
        <Field label="Name" name="name" autoComplete="name" defaultValue={person.name} required maxLength={100} />
      </Form>
      {saved && (
        <Notice tone="good" alert>
          Saved.
        </Notice>
      )}
    </Section>
  );
}
