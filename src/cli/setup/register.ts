/** Making this host a server of a project, and clearing up who it is when the hub has its doubts. */
import { type RegisteredServer, type Server, registeredServer, server as serverSchema } from "#src/protocol/api.ts";
import type { Registration, ServerNotice } from "#src/protocol/project.ts";

import { CliFault } from "../exit.ts";
import { HubRefusal } from "../hub/refusal.ts";
import { listServers } from "../hub/servers.ts";
import type { Interruptible, Undo } from "../interrupt.ts";
import type { Questions } from "./questions.ts";
import type { SignedIn } from "./sign-in.ts";

export type Registered = {
  readonly server: RegisteredServer;
  /** what a person should still know */
  readonly notices: readonly ServerNotice[];
};

/**
 * Registers, asking where it is not clear: another machine reports under the name; this machine was another server.
 * @throws {CliFault} the hub refuses; or somebody would have to be asked and nobody is there: the flag is named
 */
export async function registerHost(
  signedIn: SignedIn,
  registration: Registration,
  questions: Questions,
  control: Interruptible & Undo,
): Promise<Registered> {
  const before = await findBefore(signedIn, registration);
  const server = await replacing(signedIn, registration, questions);
  undoRegistration(signedIn, server, before, control);
  // the token before is dead by now: a host that was registered goes on to the end, or its agent would be cut off
  if (before === undefined) control.signal.throwIfAborted();

  const renamed = server.notices.find(({ code, serverId }) => code === "machine-known" && serverId !== undefined);
  const old = renamed?.serverId;
  const asked = questions.interactive && !questions.yes && signedIn.kind === "member";
  if (old === undefined || registration.renamedFrom !== undefined || before !== undefined || !asked)
    return { server, notices: server.notices };
  const { hub } = signedIn;
  const twin = await hub.ask({ path: `/api/servers/${old}`, signal: control.signal }, serverSchema);
  const goesOn = await questions.choose({
    flag: "--renamed-from",
    message: `This machine is registered as ${twin.hostname} already. Which is it?`,
    options: [
      { value: false, label: "They are two machines", hint: "this one was cloned from the other, say" },
      { value: true, label: "It is the same one under a new name", hint: "its id and history go on" },
    ],
    offer: 0,
  });
  if (!goesOn) return { server, notices: server.notices };
  await hub.order({ method: "DELETE", path: `/api/servers/${server.id}` });
  control.keep();
  const adopted = await ask(signedIn, { ...registration, renamedFrom: old });
  return { server: adopted, notices: adopted.notices };
}

/** The server of this name as it is now. An enrolment token may not look. */
async function findBefore({ hub, kind }: SignedIn, { hostname, project }: Registration): Promise<Server | undefined> {
  if (kind === "enrolment") return undefined;
  return (await listServers(hub, project)).find((server) => server.hostname === hostname);
}

async function replacing(
  signedIn: SignedIn,
  registration: Registration,
  questions: Questions,
): Promise<RegisteredServer> {
  try {
    return await ask(signedIn, registration);
  } catch (error) {
    if (!(error instanceof HubRefusal) || error.status !== 409 || registration.replace === true) throw error;
    if (registration.renamedFrom !== undefined) throw error;
    if (await questions.insist(`${sentence(error.message)} Take its place?`))
      return await ask(signedIn, { ...registration, replace: true });
    const hint = "To take its place: --replace; to register under another name: --hostname NAME";
    throw new CliFault(error.exitCode, error.code, error.message, hint, error);
  }
}

const sentence = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;

function ask({ hub, kind }: SignedIn, { project, ...host }: Registration): Promise<RegisteredServer> {
  // the token says which project
  if (kind === "enrolment") return hub.ask({ method: "POST", path: "/api/enrol", body: host }, registeredServer);
  const body = project === undefined ? host : { ...host, project };
  return hub.ask({ method: "POST", path: "/api/servers", body }, registeredServer);
}

/** A server that was not there is taken back; one that was keeps its history, but nobody knows its new token. */
function undoRegistration({ hub, kind }: SignedIn, server: Server, before: Server | undefined, control: Undo): void {
  if (kind === "enrolment") return;
  const path = `/api/servers/${server.id}${before === undefined ? "" : "/agent-token"}`;
  control.undo(`the new token of ${server.hostname}`, () => hub.order({ method: "DELETE", path, withinMs: 10_000 }));
}
