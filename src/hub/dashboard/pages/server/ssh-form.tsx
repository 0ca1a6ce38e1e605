/** How a server is reached over SSH: asked for. Secrets go to the hub and never come back. */
import { useState } from "preact/hooks";

import type { SshAuth, SshDetails, SshHopRequest, SshSudo } from "#src/protocol/ssh.ts";
import { address, send } from "../../client.ts";
import { useLoad } from "../../loading.ts";
import { Area, Choice, Field, Form, type Values } from "../../parts/form.tsx";
import { Copyable } from "../../parts/secret.tsx";

type Known = Pick<SshDetails, "host" | "port" | "user" | "auth">;
type AuthKind = SshAuth["kind"] | "keep";

const sudoChoices = [
  ["none", "Not needed: the user is root"],
  ["without-password", "sudo, without a password"],
  ["with-password", "sudo, with a password"],
] as const satisfies readonly (readonly [SshSudo, string])[];

const authWords = { "hub-key": "the hub's key", key: "the key given before", password: "the password given before" };

/** `known`: what it is now; undefined: nothing yet. */
export function SshForm({
  serverId,
  hostname,
  known,
  onSaved,
}: {
  readonly serverId: string;
  readonly hostname: string;
  readonly known: SshDetails | undefined;
  readonly onSaved: () => void;
}) {
  const [sudo, setSudo] = useState<SshSudo>(known?.sudo ?? "none");
  const [jumps, setJumps] = useState((known?.jump ?? null) !== null);
  return (
    <Form
      submit="Save and check"
      onSubmit={async (values) => {
        const { sudoPassword = "" } = values;
        const body = {
          ...hopOf(values, ""),
          sudo,
          ...(sudo === "with-password" && sudoPassword !== "" ? { sudoPassword } : {}),
          jump: jumps ? hopOf(values, "jump-") : null,
        };
        await send("PUT", address("/api/servers/:id/ssh", { id: serverId }), { body });
        onSaved();
      }}
    >
      <Hop prefix="" known={known} host={known?.host ?? hostname} />
      <Choice
        label="Rights"
        name="sudo"
        options={sudoChoices}
        chosen={sudo}
        onChange={({ currentTarget: { value } }) => setSudo(sudoChoices.find(([one]) => one === value)?.[0] ?? "none")}
      />
      {sudo === "with-password" && (
        <Field
          label="Password for sudo"
          name="sudoPassword"
          type="password"
          autoComplete="off"
          maxLength={1024}
          hint="Left empty: as before, or the password that it signs in with"
        />
      )}
      <label class="tick">
        <input type="checkbox" checked={jumps} onChange={({ currentTarget }) => setJumps(currentTarget.checked)} />
        <span>By way of a jump host</span>
      </label>
      {jumps && (
        <div class="group" role="group" aria-label="Jump host">
          <Hop prefix="jump-" known={known?.jump ?? undefined} host={known?.jump?.host ?? ""} />
        </div>
      )}
    </Form>
  );
}

/** One host to sign in to. */
function Hop({
  prefix,
  known,
  host,
}: {
  readonly prefix: string;
  readonly known: Known | undefined;
  readonly host: string;
}) {
  const [kind, setKind] = useState<AuthKind>(known === undefined ? "hub-key" : "keep");
  const label = (text: string) => (prefix === "" ? text : `Jump host: ${text.toLowerCase()}`);
  const options = [
    ...(known === undefined ? [] : [["keep", `As now: ${authWords[known.auth]}`] as const]),
    ["hub-key", "The hub's key"] as const,
    ["key", "A private key"] as const,
    ["password", "A password"] as const,
  ];
  return (
    <>
      <div class="host-port">
        <Field
          label={prefix === "" ? "Host" : "Jump host"}
          name={`${prefix}host`}
          defaultValue={host}
          required
          autoFocus={prefix === ""}
          maxLength={253}
          autoComplete="off"
          autoCapitalize="none"
          spellcheck={false}
          pattern="[^\s\/@]+"
          title="a host name or an IP address"
        />
        <Field
          label={label("Port")}
          name={`${prefix}port`}
          type="number"
          min={1}
          max={65_535}
          defaultValue={String(known?.port ?? 22)}
          required
        />
      </div>
      <Field
        label={label("User")}
        name={`${prefix}user`}
        defaultValue={known?.user ?? "root"}
        required
        maxLength={64}
        autoComplete="off"
        autoCapitalize="none"
        spellcheck={false}
      />
      <Choice
        label={label("Sign in with")}
        name={`${prefix}auth`}
        options={options}
        chosen={kind}
        onChange={({ currentTarget: { value } }) => setKind(options.find(([one]) => one === value)?.[0] ?? "hub-key")}
        {...(kind === "keep" ? { hint: "For another host, port or user it must be given again" } : {})}
      />
      {kind === "hub-key" && <HubKey />}
      {kind === "key" && (
        <>
          <Area
            label={label("Private key")}
            name={`${prefix}privateKey`}
            required
            rows={5}
            maxLength={20_000}
            placeholder="-----BEGIN OPENSSH PRIVATE KEY-----"
          />
          <Field
            label={label("Passphrase")}
            name={`${prefix}passphrase`}
            type="password"
            autoComplete="off"
            maxLength={1024}
            hint="If the key has one"
          />
        </>
      )}
      {kind === "password" && (
        <Field
          label={label("Password")}
          name={`${prefix}password`}
          type="password"
          autoComplete="off"
          required
          maxLength={1024}
        />
      )}
    </>
  );
}

/** The line that the host must know. */
function HubKey() {
  const { data, problem } = useLoad<{ readonly publicKey: string }>("/api/ssh/public-key");
  if (problem !== "") return <p class="bad">{problem}</p>;
  return <Copyable label="Put this into ~/.ssh/authorized_keys on the host" text={data?.publicKey ?? "…"} />;
}

function hopOf(values: Values, prefix: string): SshHopRequest {
  const value = (name: string) => values[`${prefix}${name}`] ?? "";
  const auth = authOf(value);
  return {
    host: value("host").trim(),
    port: Number(value("port")),
    user: value("user").trim(),
    ...(auth === undefined ? {} : { auth }),
  };
}

/** undefined: as before. */
function authOf(value: (name: string) => string): SshAuth | undefined {
  switch (value("auth")) {
    case "hub-key":
      return { kind: "hub-key" };
    case "key": {
      // a form's text has the line breaks of a mail; and a key ends with one
      const privateKey = `${value("privateKey").replaceAll("\r\n", "\n").trim()}\n`;
      const passphrase = value("passphrase");
      return { kind: "key", privateKey, ...(passphrase === "" ? {} : { passphrase }) };
    }
    case "password":
      return { kind: "password", password: value("password") };
    default:
      return undefined;
  }
}
