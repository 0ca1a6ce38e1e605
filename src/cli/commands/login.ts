/** `orion login`: signs the command line in to a hub, by a browser anywhere or with an API key. */
import { session as personSession } from "#src/protocol/account.ts";
import { projectsPage } from "#src/protocol/project.ts";
import type { Login } from "#src/protocol/login.ts";

import { command } from "../command.ts";
import { CliFault, exitCodes, usageFault } from "../exit.ts";
import { kindOfToken } from "../hub/access.ts";
import type { HubAddress } from "../hub/address.ts";
import { createHubClient } from "../hub/client.ts";
import { signInByDevice } from "../hub/device.ts";
import { addressOf, loginPath, readLogin, writeLogin } from "../hub/login-file.ts";
import { signOut } from "../hub/session.ts";
import { type Interruptible, type Undo, interruptible } from "../interrupt.ts";
import { note, print, printJson } from "../output.ts";
import type { Session } from "../session.ts";
import { readToken } from "../token-input.ts";

export const login = command({
  args: {
    "api-url": { type: "string", valueHint: "url", description: "the hub's address; asked for if left out" },
    token: {
      type: "string",
      valueHint: "key",
      description: "an API key instead of the browser; - reads it from stdin",
    },
    "ca-file": { type: "string", valueHint: "file", description: "PEM file of a certificate authority of your own" },
    "insecure-http": { type: "boolean", description: "send the token even if the hub is reached without TLS" },
  },
  about: [
    "Prints a link and a code; approve it in a browser on any machine. The login is kept in ~/.config/orion/login.json.",
    "ORION_API_URL and ORION_API_TOKEN go before it, for programs.",
  ].join("\n"),
  examples: ["orion login --api-url https://hub.example.com", "orion login --token - < key-file"],
  async run({ args, session }) {
    const token = args.token === undefined ? undefined : await readToken(args.token);
    if (token !== undefined) refuseKind(token);
    const before = readLogin(loginPath(session));
    const login = await interruptible(async (control) => {
      const address = await whereTo(session, before, args, control);
      const made =
        token === undefined
          ? await byDevice(session, address, control)
          : await withKey(session, address, token, control);
      await leaveBefore(before);
      return made;
    });
    if (session.json) await printJson(publicly(login));
    else await print(`Signed in to ${login.url} ${asWhom(login)}\n`);
    return exitCodes.done;
  },
});

/** All of a login but its token. */
export const publicly = ({ token: _, ...rest }: Login): Omit<Login, "token"> => rest;

/** How a login acts, for people. */
export function asWhom({ kind, email, organization }: Login): string {
  if (kind === "key") return "with an API key";
  return `as ${email ?? "a person"}${organization === undefined ? "" : `, ${organization}`}`;
}

/** The login that was replaced: its session is of no use to anybody any more. */
async function leaveBefore(before: Login | undefined): Promise<void> {
  if (before?.kind !== "person") return;
  try {
    await signOut(createHubClient(addressOf(before), { token: before.token }));
  } catch (error) {
    if (!(error instanceof CliFault)) throw error;
    await note(`The session before, at ${before.url}, could not be ended: ${error.message}`);
  }
}

function refuseKind(token: string): void {
  const kind = kindOfToken(token);
  if (kind === "key") return;
  const what = {
    agent: "an agent token",
    source: "a source token",
    enrolment: "an enrolment token",
    session: "no key",
  };
  throw usageFault(`that token is ${what[kind]}`, "Give an API key: it begins with oak_");
}

async function whereTo(
  session: Session,
  before: Login | undefined,
  args: {
    readonly "api-url"?: string | undefined;
    readonly "ca-file"?: string | undefined;
    readonly "insecure-http"?: boolean | undefined;
  },
  control: Interruptible,
): Promise<HubAddress> {
  const [{ findHub }, { createQuestions }, { hasPerson, openTerminal }] = await Promise.all([
    import("../setup/find-hub.ts"),
    import("../setup/questions.ts"),
    import("../setup/terminal.ts"),
  ]);
  const terminal = hasPerson() && !session.json ? await openTerminal(control) : undefined;
  const questions = createQuestions(terminal, false);
  const flags = { apiUrl: args["api-url"], caFile: args["ca-file"], insecureHttp: args["insecure-http"] === true };
  return await findHub(session, flags, before && addressOf(before), questions, control);
}

async function byDevice(session: Session, address: HubAddress, control: Interruptible & Undo): Promise<Login> {
  const { environment } = session;
  const { signal } = control;
  const show = async (lines: readonly string[]) => {
    for (const line of lines) await note(line);
  };
  const token = await signInByDevice(createHubClient(address), { purpose: "login", environment, signal, show });
  const hub = createHubClient(address, { token });
  control.undo("the session that was just made", () => signOut(hub));
  signal.throwIfAborted();
  const { person, organization } = await hub.ask({ path: "/api/auth/session", signal }, personSession);
  const login: Login = { ...address, token, kind: "person", email: person.email, organization: organization.name };
  writeLogin(loginPath(session), login);
  return login;
}

async function withKey(
  session: Session,
  address: HubAddress,
  token: string,
  { signal }: Interruptible,
): Promise<Login> {
  const hub = createHubClient(address, { token, renew: "Give a valid API key with --token" });
  // what every key may ask that may ask anything; one that may only write logs signs nobody in
  await hub.ask({ path: "/api/projects", query: { limit: "1" }, signal }, projectsPage);
  const login: Login = { ...address, token, kind: "key" };
  writeLogin(loginPath(session), login);
  return login;
}
