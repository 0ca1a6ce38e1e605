/** The second factor (RFC 6238): switching it on takes a code, so that nobody locks themselves out. */
import { useState } from "preact/hooks";

import type { TwoFactorSecret } from "#src/protocol/account.ts";
import { send } from "../../client.ts";
import { Dialog } from "../../parts/dialog.tsx";
import { Field, Form } from "../../parts/form.tsx";
import { Notice } from "../../parts/notice.tsx";
import { Section } from "../../parts/page.tsx";
import { QrCode } from "../../parts/qr.tsx";
import { Copyable, ShownOnce } from "../../parts/secret.tsx";
import { useSession } from "../../session.ts";

type Step =
  | { readonly kind: "none" }
  | { readonly kind: "enabling" | "disabling" | "renewing" }
  | { readonly kind: "confirming"; readonly secret: TwoFactorSecret }
  | { readonly kind: "codes"; readonly codes: readonly string[]; readonly fresh: boolean };

const none: Step = { kind: "none" };

export function TwoFactor() {
  const { session, reload } = useSession();
  const on = session.person.twoFactor;
  const [step, setStep] = useState<Step>(none);
  const close = () => setStep(none);
  return (
    <Section
      title="Second factor"
      about={
        on
          ? "On: signing in takes a code of your authenticator, too."
          : "Off. With it, a stolen password alone lets nobody in."
      }
      tools={
        on ? (
          <>
            <button type="button" onClick={() => setStep({ kind: "renewing" })}>
              New backup codes
            </button>
            <button type="button" class="danger-text" onClick={() => setStep({ kind: "disabling" })}>
              Switch off
            </button>
          </>
        ) : (
          <button type="button" class="primary" onClick={() => setStep({ kind: "enabling" })}>
            Switch on
          </button>
        )
      }
    >
      {step.kind === "enabling" && (
        <PasswordDialog
          title="Switch on the second factor"
          submit="Continue"
          onClose={close}
          onPassword={async (password) =>
            setStep({
              kind: "confirming",
              secret: await send<TwoFactorSecret>("POST", "/api/auth/two-factor", {
                body: { password },
                anonymous: true,
              }),
            })
          }
        />
      )}
      {step.kind === "confirming" && (
        <Dialog title="Scan this with your authenticator" onClose={close}>
          <Secret
            uri={step.secret.uri}
            onConfirmed={async () => {
              await reload();
              setStep({ kind: "codes", codes: step.secret.backupCodes, fresh: true });
            }}
          />
        </Dialog>
      )}
      {step.kind === "codes" && (
        <Dialog title="Backup codes" onClose={close}>
          {step.fresh && (
            <Notice tone="good" alert>
              The second factor is on.
            </Notice>
          )}
          <p>Each of them signs you in once, on the day that your authenticator is lost.</p>
          <ShownOnce what="This list">
            <Copyable label="Backup codes" text={step.codes.join("\n")} />
          </ShownOnce>
          <div class="actions">
            <button type="button" class="primary" onClick={close}>
              I have kept them
            </button>
          </div>
        </Dialog>
      )}
      {step.kind === "renewing" && (
        <PasswordDialog
          title="New backup codes"
          submit="Create new codes"
          about="The ones that you have are dead from then on."
          onClose={close}
          onPassword={async (password) => {
            const { backupCodes } = await send<{ readonly backupCodes: string[] }>(
              "POST",
              "/api/auth/two-factor/backup-codes",
              { body: { password }, anonymous: true },
            );
            setStep({ kind: "codes", codes: backupCodes, fresh: false });
          }}
        />
      )}
      {step.kind === "disabling" && (
        <PasswordDialog
          title="Switch off the second factor"
          submit="Switch off"
          danger
          about="From then on your password alone signs you in."
          onClose={close}
          onPassword={async (password) => {
            await send("POST", "/api/auth/two-factor/disable", { body: { password }, anonymous: true });
            await reload();
            close();
          }}
        />
      )}
    </Section>
  );
}

function PasswordDialog({
  title,
  submit,
  about,
  danger = false,
  onPassword,
  onClose,
}: {
  readonly title: string;
  readonly submit: string;
  readonly about?: string;
  readonly danger?: boolean;
  readonly onPassword: (password: string) => Promise<void>;
  readonly onClose: () => void;
}) {
  return (
    <Dialog title={title} onClose={onClose}>
      {about !== undefined && <p>{about}</p>}
      <Form
        submit={submit}
        danger={danger}
        onSubmit={({ password = "" }) => onPassword(password)}
        aside={
          <button type="button" onClick={onClose}>
            Cancel
          </button>
        }
      >
        <Field
          label="Your password"
          name="password"
          type="password"
          autoComplete="current-password"
          required
          autoFocus
        />
      </Form>
    </Dialog>
  );
}

function Secret({ uri, onConfirmed }: { readonly uri: string; readonly onConfirmed: () => Promise<void> }) {
  const secret = new URL(uri).searchParams.get("secret") ?? "";
  return (
    <>
      <QrCode text={uri} label="QR code for an authenticator; the secret stands below as text" />
      <Copyable label="Or type this secret" text={secret} />
      <Form
        submit="Confirm"
        onSubmit={async ({ code = "" }) => {
          await send("POST", "/api/auth/two-factor/confirm", {
            body: { code: code.replaceAll(" ", "") },
            anonymous: true,
          });
          await onConfirmed();
        }}
      >
        <Field
          label="Code that it shows now"
          name="code"
          class="code"
          inputMode="numeric"
          autoComplete="one-time-code"
          pattern="[0-9 ]{6,7}"
          title="six digits"
          required
          autoFocus
        />
      </Form>
    </>
  );
}
