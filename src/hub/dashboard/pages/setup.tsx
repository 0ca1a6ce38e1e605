/** The first owner: reached by the link that the hub prints while nobody has an account. */
import { useState } from "preact/hooks";

import type { SignInMethods } from "#src/protocol/account.ts";
import { send } from "../client.ts";
import { useLoad } from "../loading.ts";
import { Field, Form } from "../parts/form.tsx";
import { NewPassword } from "../parts/new-password.tsx";
import { Card } from "../parts/page.tsx";
import { enter } from "../session.ts";

export function SetupPage({ token: given }: { readonly token: string }) {
  const methods = useLoad<SignInMethods>("/api/auth/methods");
  // what comes after the `#` is never sent by the browser itself, so that the token is in no proxy's log
  const [token] = useState(given);
  if (methods.data === undefined && methods.problem === "") return null;
  if (methods.data?.setup === false) {
    return (
      <Card title="This hub is set up">
        <p>It has an owner already, so its setup link is dead.</p>
        <div class="actions">
          <a class="button primary" href="/login">
            Sign in
          </a>
        </div>
      </Card>
    );
  }
  if (token === "") {
    return (
      <Card title="The setup link is not whole">
        <p>
          Its last part, after the <code>#</code>, is missing. Copy the whole link from the hub's log.
        </p>
      </Card>
    );
  }
  return (
    <Card title="Set up this hub">
      <p>You become its owner. Everybody else is invited by you.</p>
      <Form
        submit="Create the owner"
        onSubmit={async ({ email, password, name, organization }) => {
          await send("POST", "/api/auth/setup", {
            anonymous: true,
            body: {
              token,
              email,
              password,
              ...(name === "" ? {} : { name }),
              ...(organization === "" ? {} : { organization }),
            },
          });
          await enter("/");
        }}
      >
        <Field label="E-mail" name="email" type="email" autoComplete="username" required autoFocus />
        <Field label="Your name" name="name" autoComplete="name" maxLength={100} hint="Optional" />
        <NewPassword />
        <Field
          label="Organization"
          name="organization"
          autoComplete="organization"
          maxLength={100}
          placeholder="Default"
          hint="Optional: who the servers belong to"
        />
      </Form>
    </Card>
  );
}
