/** Signing in: password, then the second factor if there is one; or another provider. */
import { useEffect, useState } from "preact/hooks";

import type { OidcError, SignInAnswer, SignInMethods } from "#src/protocol/account.ts";
import { address, send } from "../client.ts";
import { useLoad } from "../loading.ts";
import { Field, Form } from "../parts/form.tsx";
import { Notice } from "../parts/notice.tsx";
import { Card } from "../parts/page.tsx";
import { navigate, ownAddress } from "../router.ts";
import { enter, useMaybeSession } from "../session.ts";

/** Why the organization's provider did not sign somebody in, by the hub's words for it. */
const refusals: Readonly<Record<OidcError, string>> = {
  "not-invited": "Nobody has invited you here yet. Ask an owner of this hub for an invitation.",
  "email-unverified": "The provider does not vouch for your e-mail address, so it is not known who you are.",
  refused: "The provider did not sign you in.",
  failed: "Signing in with the provider failed. Try again; the hub's log says more.",
};

const isRefusal = (word: string): word is OidcError => Object.hasOwn(refusals, word);

export function LoginPage({ next }: { readonly next: string | null }) {
  const methods = useLoad<SignInMethods>("/api/auth/methods");
  const signedIn = useMaybeSession();
  const [step, setStep] = useState<"password" | "code" | "backup">("password");
  const to = ownAddress(next, location.origin);
  const refused = new URLSearchParams(location.search).get("error");
  useEffect(() => {
    if (signedIn !== null) navigate(to, { replace: true });
  }, [signedIn !== null]);
  if (signedIn !== null) return null;

  if (methods.data?.setup === true) return <NoOwner />;
  if (step !== "password") return <SecondFactor backup={step === "backup"} onSwitch={setStep} to={to} />;
  return (
    <Card title="Sign in">
      {refused !== null && (
        <Notice tone="bad" alert>
          {isRefusal(refused) ? refusals[refused] : refusals.failed}
        </Notice>
      )}
      <Form
        submit="Sign in"
        onSubmit={async ({ email, password }) => {
          const body = { email, password };
          const answer = await send<SignInAnswer>("POST", "/api/auth/sign-in", { body, anonymous: true });
          if (answer.twoFactor) setStep("code");
          else await enter(to);
        }}
      >
        <Field label="E-mail" name="email" type="email" autoComplete="username" required autoFocus />
        <Field label="Password" name="password" type="password" autoComplete="current-password" required />
      </Form>
      {methods.data?.oidc != null && (
        <p class="other">
          <a class="button" href={address("/api/auth/oidc", {}, { next: to })}>
            Sign in with {methods.data.oidc.name}
          </a>
        </p>
      )}
    </Card>
  );
}

function SecondFactor({
  backup,
  onSwitch,
  to,
}: {
  readonly backup: boolean;
  readonly onSwitch: (step: "password" | "code" | "backup") => void;
  readonly to: string;
}) {
  return (
    <Card title="One more step">
      <p>{backup ? "Enter one of the backup codes that you kept." : "Enter the code that your authenticator shows."}</p>
      <Form
        // the field of the other kind starts empty
        key={String(backup)}
        submit="Sign in"
        onSubmit={async ({ code = "" }) => {
          await send("POST", "/api/auth/second-factor", { body: { code: code.replaceAll(" ", "") }, anonymous: true });
          await enter(to);
        }}
        aside={
          <button type="button" onClick={() => onSwitch(backup ? "code" : "backup")}>
            {backup ? "Use the authenticator" : "Use a backup code"}
          </button>
        }
      >
        {backup ? (
          <Field label="Backup code" name="code" autoComplete="off" required autoFocus />
        ) : (
          <Field
            label="Code"
            name="code"
            class="code"
            inputMode="numeric"
            autoComplete="one-time-code"
            pattern="[0-9 ]{6,7}"
            title="six digits"
            required
            autoFocus
          />
        )}
      </Form>
    </Card>
  );
}

function NoOwner() {
  return (
    <Card title="This hub has no owner yet">
      <p>
        Open the setup link that it printed when it started. It is in its log: <code>journalctl -u orion-hub</code>
      </p>
      <p>
        Or make the owner on its machine: <code>orion hub admin create --email you@example.com</code>
      </p>
    </Card>
  );
}
