/** Letting a command line in (RFC 8628): who asks, from where, for what, and the reader's answer. */
import { useState } from "preact/hooks";

import type { DeviceView } from "#src/protocol/account.ts";
import { address, send } from "../client.ts";
import { useLoad } from "../loading.ts";
import { useAction } from "../parts/action.ts";
import { Field, Form } from "../parts/form.tsx";
import { Notice } from "../parts/notice.tsx";
import { Page, Ready } from "../parts/page.tsx";
import { Time } from "../parts/time.tsx";
import { navigate } from "../router.ts";
import { useSession } from "../session.ts";
import { userCodeOf } from "./device-code.ts";

const purposes: Readonly<Record<DeviceView["purpose"], string>> = {
  login: "sign in on its command line (orion login)",
  "setup-server": "register itself as a server (orion setup --server)",
  "setup-source": "make a source for an application (orion setup --source)",
};

export function DevicePage({ code }: { readonly code: string }) {
  const userCode = userCodeOf(code);
  return (
    <Page title="Let a device in">{userCode === "" ? <Enter /> : <Asked key={userCode} userCode={userCode} />}</Page>
  );
}

function Enter() {
  return (
    <section class="card">
      <p>Enter the code that the command line shows.</p>
      <Form
        submit="Continue"
        onSubmit={({ code = "" }) => {
          navigate(address("/device", {}, { code: userCodeOf(code) }));
          return Promise.resolve();
        }}
      >
        <Field
          label="Code"
          name="code"
          class="code"
          placeholder="XXXX-XXXX"
          autoComplete="off"
          autoCapitalize="characters"
          spellcheck={false}
          maxLength={20}
          required
          autoFocus
        />
      </Form>
    </section>
  );
}

function Asked({ userCode }: { readonly userCode: string }) {
  const view = useLoad<DeviceView>(address("/api/auth/device", {}, { code: userCode }));
  if (view.missing) {
    return (
      <section class="card">
        <Notice tone="bad" alert>
          Nothing waits under the code {userCode}. It may be mistyped or have expired: start the command again for a new
          one.
        </Notice>
        <div class="actions">
          <a class="button" href="/device">
            Enter another code
          </a>
        </div>
      </section>
    );
  }
  return <Ready from={view}>{(device) => <Question device={device} />}</Ready>;
}

function Question({ device }: { readonly device: DeviceView }) {
  const { session } = useSession();
  const [status, setStatus] = useState(device.status);
  const { busy, problem, waitSeconds, run } = useAction();
  const answer = (verb: "approve" | "deny", result: "approved" | "denied") =>
    run(async () => {
      await send("POST", `/api/auth/device/${verb}`, { body: { userCode: device.userCode } });
      setStatus(result);
    });
  const host = device.hostname ?? "A device";
  if (status === "approved") {
    return (
      <section class="card">
        <Notice tone="good" alert>
          <b>{host}</b> is let in. Go on in its terminal: this page is done.
        </Notice>
      </section>
    );
  }
  if (status === "denied") {
    return (
      <section class="card">
        <Notice tone="warn" alert>
          <b>{host}</b> was turned away. Nothing was given to it.
        </Notice>
      </section>
    );
  }
  return (
    <section class="card">
      <p>
        <b>{host}</b> asks to {purposes[device.purpose]} as you.
      </p>
      <dl class="facts">
        <dt>Code</dt>
        <dd>
          <code class="big">{device.userCode}</code>
        </dd>
        <dt>Host name</dt>
        <dd>{device.hostname ?? "not told"}</dd>
        <dt>Address</dt>
        <dd>{device.address ?? "not known"}</dd>
        <dt>Asked</dt>
        <dd>
          <Time at={device.requestedAt} />
        </dd>
        <dt>It will act as</dt>
        <dd>
          {session.person.email}, {session.organization.role} of {session.organization.name}
        </dd>
      </dl>
      <Notice tone="warn">Approve only if you started this yourself, and the code is the one in your terminal.</Notice>
      {problem !== "" && (
        <Notice tone="bad" alert>
          {problem}
        </Notice>
      )}
      <div class="actions">
        <button
          type="button"
          class="primary"
          disabled={busy || waitSeconds > 0}
          onClick={() => answer("approve", "approved")}
        >
          Approve
        </button>
        <button type="button" disabled={busy || waitSeconds > 0} onClick={() => answer("deny", "denied")}>
          Deny
        </button>
      </div>
    </section>
  );
}
