/** An invitation's link: new people choose a password, known ones join with the account they have. */
import type { InvitationView } from "#src/protocol/account.ts";
import { address, send } from "../client.ts";
import { useLoad } from "../loading.ts";
import { Field, Form } from "../parts/form.tsx";
import { NewPassword } from "../parts/new-password.tsx";
import { Card, Ready } from "../parts/page.tsx";
import { enter, useMaybeSession } from "../session.ts";

export function InvitePage({ token }: { readonly token: string }) {
  const path = address("/api/invitations/:token", { token });
  const view = useLoad<InvitationView>(path);
  if (view.missing) {
    return (
      <Card title="This invitation is no longer good">
        <p>It was used, taken back, or has expired. Ask who invited you for a new one.</p>
      </Card>
    );
  }
  if (view.data === undefined)
    return (
      <Card title="Invitation">
        <Ready from={view}>{() => null}</Ready>
      </Card>
    );
  return <Shown view={view.data} path={path} />;
}

function Shown({ view, path }: { readonly view: InvitationView; readonly path: string }) {
  const door = useMaybeSession();
  const join = async (body: Readonly<Record<string, string>>) => {
    await send("POST", path, { body, anonymous: true });
    await enter("/");
  };
  const about = (
    <p>
      You are invited to <b>{view.organization}</b> as {view.role === "viewer" ? "a" : "an"} {view.role}, with the
      address <b>{view.email}</b>.
    </p>
  );
  const title = `Join ${view.organization}`;
  if (!view.known) {
    return (
      <Card title={title}>
        {about}
        <Form
          submit="Join"
          onSubmit={({ name = "", password = "" }) => join({ password, ...(name === "" ? {} : { name }) })}
        >
          {/* for password managers: which account this password is of */}
          <Field label="E-mail" name="email" type="email" autoComplete="username" value={view.email} readOnly />
          <Field label="Your name" name="name" autoComplete="name" maxLength={100} hint="Optional" autoFocus />
          <NewPassword />
        </Form>
      </Card>
    );
  }
  if (door === null) {
    return (
      <Card title={title}>
        {about}
        <p>You have an account here already.</p>
        <div class="actions">
          <a class="button primary" href={address("/login", {}, { next: location.pathname })}>
            Sign in to join
          </a>
        </div>
      </Card>
    );
  }
  if (door.session.person.email.toLowerCase() !== view.email.toLowerCase()) {
    return (
      <Card title={title}>
        {about}
        <p>
          You are signed in as <b>{door.session.person.email}</b>, which is another account.
        </p>
        <Form submit="Sign out" onSubmit={() => door.signOut()} />
      </Card>
    );
  }
  return (
    <Card title={title}>
      {about}
      <Form submit="Join" onSubmit={() => join({})} />
    </Card>
  );
}
