/** `orion server ssh …`: how the hub reaches a server. */
import { type SshCheck, sshCheck, sshDetails, sshPublicKey, sshSudo } from "#src/protocol/ssh.ts";

import { painter, wantsColours } from "../../colour.ts";
import { command } from "../../command.ts";
import { type ExitCode, exitCodes, usageFault } from "../../exit.ts";
import { connectHub } from "../../hub/access.ts";
import type { HubClient } from "../../hub/client.ts";
import { findServer } from "../../hub/servers.ts";
import { renderCheck, renderDetails } from "../../hub/ssh-view.ts";
import { interruptible } from "../../interrupt.ts";
import { print, printJson } from "../../output.ts";
import type { Session } from "../../session.ts";
import { readHop, readSecret } from "./ssh-hop.ts";
import { serverWord } from "./show.ts";

export const key = command({
  args: {},
  about: "Put the line into ~/.ssh/authorized_keys of a user on the hosts that the hub is to reach.",
  async run({ session }) {
    const answer = await connectHub(session).ask({ path: "/api/ssh/public-key" }, sshPublicKey);
    if (session.json) await printJson(answer);
    else await print(`${answer.publicKey}\n`);
    return exitCodes.done;
  },
});

export const show = command({
  args: { id: serverWord },
  async run({ args, session }) {
    const hub = connectHub(session);
    const { id } = await findServer(hub, args.id);
    const details = await hub.ask({ path: `/api/servers/${id}/ssh` }, sshDetails);
    if (session.json) await printJson(details);
    else await print(renderDetails(details));
    return exitCodes.done;
  },
});

/** How a host is signed in to: what `ssh set` and `add` both take. */
export const sshFlags = {
  "hub-key": { type: "boolean", description: "the hub's own key, in place of what was kept" },
  key: {
    type: "string",
    valueHint: "file",
    description: "private key to sign in with; - reads stdin (default: the hub's own key)",
  },
  "passphrase-file": { type: "string", valueHint: "file", description: "holds the key's passphrase" },
  "password-file": { type: "string", valueHint: "file", description: "holds the password to sign in with" },
  "password-stdin": { type: "boolean", description: "reads that password from stdin" },
  sudo: {
    type: "string",
    valueHint: "none|without-password|with-password",
    description: "how the user becomes root (none)",
  },
  "sudo-password-file": {
    type: "string",
    valueHint: "file",
    description: "holds sudo's password, if it is another one",
  },
  jump: { type: "string", valueHint: "user@host[:port]", description: "the way goes through this host (none)" },
  "jump-key": { type: "string", valueHint: "file", description: "private key for that (default: the hub's own key)" },
  "jump-password-file": { type: "string", valueHint: "file", description: "holds the password for that" },
  "host-key": { type: "string", valueHint: "fingerprint", description: "approve this host key without asking" },
} as const;

type SshFlags = {
  readonly [Name in Exclude<keyof typeof sshFlags, "password-stdin" | "hub-key">]?: string | undefined;
} & { readonly [Name in "password-stdin" | "hub-key"]?: boolean | undefined };

/** The body of a request that says how `at` is reached. @throws {CliFault} a flag is wrong, or a file can't be read */
export async function readSshBody(at: string, args: SshFlags): Promise<object> {
  const { sudo } = args;
  if (sudo !== undefined && !sshSudo.options.some((one) => one === sudo))
    throw usageFault(`--sudo can't be "${sudo}"`, `Choose one of ${sshSudo.options.join(", ")}`);
  if (args["password-stdin"] === true && args["password-file"] !== undefined)
    throw usageFault("--password-stdin and --password-file can't go together", "Give one of them");
  const ownKey = args["hub-key"] === true;
  if (ownKey && (args.key ?? args["password-file"]) !== undefined)
    throw usageFault("--hub-key can't go together with another key or a password", "Give one of them");
  const host = await readHop("", at, {
    hubKey: ownKey,
    key: args.key,
    passphraseFile: args["passphrase-file"],
    passwordFile: args["password-stdin"] === true ? "-" : args["password-file"],
  });
  const jump =
    args.jump === undefined
      ? undefined
      : await readHop("jump-", args.jump, {
          hubKey: false,
          key: args["jump-key"],
          passphraseFile: undefined,
          passwordFile: args["jump-password-file"],
        });
  const sudoPassword = args["sudo-password-file"];
  return {
    ...host,
    ...(args["host-key"] === undefined ? {} : { hostKey: args["host-key"] }),
    ...(sudo === undefined ? {} : { sudo }),
    ...(sudoPassword === undefined ? {} : { sudoPassword: await readSecret("--sudo-password-file", sudoPassword) }),
    ...(jump === undefined ? {} : { jump }),
  };
}

export const set = command({
  args: {
    id: serverWord,
    at: { type: "positional", required: true, valueHint: "user@host[:port]", description: "where its sshd listens" },
    ...sshFlags,
  },
  about:
    "Keys and passwords are kept encrypted by the hub and never shown again; for the same user, host and port, reached by\nthe same jump host, those that are left out stay. Then the host's key is shown, to be compared and approved.",
  examples: [
    "orion server ssh set web-1 root@192.0.2.7",
    "orion server ssh set web-1 deploy@web-1.example.com --key ~/.ssh/id_ed25519 --sudo without-password",
  ],
  async run({ args, session }) {
    const body = await readSshBody(args.at, args);
    const hub = connectHub(session);
    const { id } = await findServer(hub, args.id);
    await hub.ask({ method: "PUT", path: `/api/servers/${id}/ssh`, body }, sshDetails);
    return await tryOut(session, hub, id, undefined);
  },
});

export const check = command({
  args: {
    id: serverWord,
    approve: { type: "string", valueHint: "fingerprint", description: "approve this host key, if the host shows it" },
  },
  about: "Connects: compares the host's key with the approved one, signs in and looks what is there.",
  async run({ args, session }) {
    const hub = connectHub(session);
    const { id } = await findServer(hub, args.id);
    return await tryOut(session, hub, id, args.approve);
  },
});

export const remove = command({
  args: { id: serverWord },
  about: "The hub can't reach the server over SSH any more; keys and passwords are deleted.",
  async run({ args, session }) {
    const hub = connectHub(session);
    const { id, hostname } = await findServer(hub, args.id);
    await hub.order({ method: "DELETE", path: `/api/servers/${id}/ssh` });
    if (session.json) await printJson({ id, hostname });
    else await print(`The hub has forgotten how to reach ${hostname}\n`);
    return exitCodes.done;
  },
});

/** Checks, and where a host key waits for approval, asks; the jump host's comes first. Shows what came of it. */
async function tryOut(session: Session, hub: HubClient, id: string, approve: string | undefined): Promise<ExitCode> {
  const seen = await approved(session, hub, id, approve);
  if (session.json) await printJson(seen);
  else await print(renderCheck(seen, painter(wantsColours(session))));
  return seen.status === "ok" ? exitCodes.done : exitCodes.failed;
}

/** What a check says once there is nothing to be asked any more. */
export async function approved(
  session: Session,
  hub: HubClient,
  id: string,
  approve: string | undefined,
): Promise<SshCheck> {
  const ask = async (body: object) =>
    await hub.ask({ method: "POST", path: `/api/servers/${id}/ssh/check`, body, withinMs: 120_000 }, sshCheck);
  // a fingerprint says by itself which of the hosts it is of
  let seen = await ask(approve === undefined ? {} : { approve: { hostKey: approve, jumpHostKey: approve } });
  const { hasPerson } = await import("../../setup/terminal.ts");
  for (let asked = 0; asked < 2 && !session.json && isUnapproved(seen) && hasPerson(); asked++) {
    const jump = seen.hostKey === null;
    const found = (jump ? seen.jumpHostKey : seen.hostKey)?.fingerprint;
    if (found === undefined || !(await agreed(seen, jump))) break;
    seen = await ask({ approve: jump ? { jumpHostKey: found } : { hostKey: found } });
  }
  return seen;
}

const isUnapproved = ({ status }: SshCheck): boolean => status === "unapproved";

async function agreed(seen: SshCheck, jump: boolean): Promise<boolean> {
  const shown = jump ? seen.jumpHostKey : seen.hostKey;
  const { openTerminal } = await import("../../setup/terminal.ts");
  return await interruptible(async (control) => {
    const terminal = await openTerminal(control);
    const whose = jump ? "The jump host" : "The host";
    return await terminal.confirm(
      `${whose} shows the ${shown?.type} key ${shown?.fingerprint}. Is that its own?`,
      false,
    );
  });
}
