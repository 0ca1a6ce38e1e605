/** `orion setup --server`: this host becomes a server of a project, and its agent reports to the hub. */
import { Fault } from "#src/protocol/fault.ts";
import type { StatusAnswer } from "#src/protocol/ipc.ts";
import { type ServerNotice, hostname as hostnameSchema } from "#src/protocol/project.ts";
import { z } from "#src/protocol/schema.ts";
import { version } from "#src/protocol/version.ts";

import { connectDaemon } from "../daemon.ts";
import { CliFault, exitCodes, usageFault } from "../exit.ts";
import type { HubAddress } from "../hub/address.ts";
import { createHubClient } from "../hub/client.ts";
import type { Interruptible, Undo } from "../interrupt.ts";
import { note, print, printJson } from "../output.ts";
import type { Session } from "../session.ts";
import { hubOf, readAgentConfig, refuseWithoutRight, writeConnection } from "./agent-config.ts";
import { type HubFlags, findHub } from "./find-hub.ts";
import { readMachine } from "./machine.ts";
import { chooseProject, nameOfChoice, settleProject } from "./project.ts";
import type { Questions } from "./questions.ts";
import { type Registered, registerHost } from "./register.ts";
import { findService, startService } from "./service.ts";
import { signInForSetup } from "./sign-in.ts";

export type ServerFlags = HubFlags & {
  readonly token: string | undefined;
  readonly project: string | undefined;
  readonly hostname: string | undefined;
  readonly replace: boolean;
  readonly renamedFrom: string | undefined;
};

/** Milliseconds until an agent that has just been started, or looks at its file every few seconds, has reported. */
const connectedWithinMs = 20_000;

export async function setUpServer(
  session: Session,
  flags: ServerFlags,
  questions: Questions,
  control: Interruptible & Undo,
): Promise<void> {
  const { paths } = session;
  const command = "orion setup --server";
  refuseWithoutRight(paths.config, command);
  const before = readAgentConfig(paths.config);
  const address = await findHub(session, flags, hubOf(before), questions, control);
  const signIn = { address, token: flags.token, purpose: "setup-server", enrolment: true } as const;
  const signedIn = await signInForSetup(session, signIn, questions, control);
  if (signedIn.kind === "enrolment" && flags.project !== undefined)
    throw usageFault("an enrolment token belongs to one project", "Leave --project out");
  const choice =
    signedIn.kind === "enrolment" ? undefined : await chooseProject(signedIn.hub, flags.project, questions, control);
  const hostname = await askHostname(flags.hostname, questions);
  control.signal.throwIfAborted();

  const project = choice === undefined ? undefined : await settleProject(signedIn.hub, choice, control);
  const machine = readMachine();
  const registration = {
    hostname,
    ...(project === undefined ? {} : { project: project.id }),
    ...(machine === undefined ? {} : { machine }),
    ...(flags.replace ? { replace: true } : {}),
    ...(flags.renamedFrom === undefined ? {} : { renamedFrom: flags.renamedFrom }),
  };
  const registered = await registerHost(signedIn, registration, questions, control);
  const { id, token } = registered.server;
  await proveToken(address, id, token);
  const name = choice === undefined ? undefined : nameOfChoice(choice);
  writeConnection(paths.config, before, { address, token, serverId: id, project: name });
  control.keep();

  if (!session.json) await print(told(registered, paths.config, address));
  for (const notice of registered.notices) await note(`Note: ${noticeWords(notice, hostname)}`);
  const running = await runAgent(session, questions, control);
  const connected = running && (await untilConnected(paths.socket, address.url, control.signal));
  if (session.json) {
    const { notices, hostname: registeredName, projectId } = registered.server;
    const answer = { id, hostname: registeredName, projectId, project: name ?? null, url: address.url, notices };
    await printJson({ ...answer, config: paths.config, running, connected });
  } else if (connected) await print("The agent reports to the hub\n");
  else if (running) await note("The agent has not reported yet. If it stays like that: orion doctor");
}

async function askHostname(given: string | undefined, questions: Questions): Promise<string> {
  if (given === undefined && !questions.interactive) return await ownHostname();
  return await questions.text({
    flag: "--hostname",
    message: "Name of this server",
    given,
    offer: await ownHostname(),
    check: (text) =>
      z.core.safeParse(hostnameSchema, text).success ? undefined : "must be a host name without spaces, at most 253",
  });
}

/** As the agent reports it, or every heartbeat would seem to come from somebody else. */
async function ownHostname(): Promise<string> {
  const { readHostname } = await import("#src/agent/agent.ts");
  return readHostname("/proc");
}

/** Nothing is written before the hub has taken the new token. @throws {CliFault} */
async function proveToken(address: HubAddress, serverId: string, token: string): Promise<void> {
  const agent = createHubClient(address, { token, renew: "Run the setup again" });
  const headers = {
    "x-server-id": serverId,
    "content-type": "application/x-ndjson",
    "user-agent": `orion-agent/${version}`,
  };
  // no entries: nothing is stored, whatever the answer
  await agent.order({ method: "POST", path: "/api/v1/agent/logs", headers });
}

function told({ server }: Registered, config: string, { url }: HubAddress): string {
  return `${server.hostname} is registered at ${url} (${server.id}); ${config} is written\n`;
}

/** What a person should know of it, and can do about it here. */
function noticeWords({ code, message, serverId }: ServerNotice, hostname: string): string {
  if (code !== "machine-known" || serverId === undefined) return message;
  const again = `set it up again with --renamed-from ${serverId}`;
  return `${message}. If it was renamed: orion server remove ${hostname}, then ${again}`;
}

/** Sees to it that an agent runs. @returns whether one does; else it was said how to start it */
async function runAgent(session: Session, questions: Questions, { signal }: Interruptible): Promise<boolean> {
  if (await answers(session.paths.socket)) {
    if (!session.json) await print("The running agent takes it up by itself\n");
    const service = session.dir === undefined ? await findService(session.environment) : undefined;
    if (service !== undefined && !service.enabled)
      await note("It does not start with the system yet: sudo systemctl enable orion-agent");
    return true;
  }
  if (session.dir !== undefined) {
    await note(`Start the agent: orion --dir ${session.dir} agent`);
    return false;
  }
  const service = await findService(session.environment);
  if (service === undefined) {
    await note("Start the agent: orion agent (there is no systemd with its service here; docs/install.md says more)");
    return false;
  }
  signal.throwIfAborted();
  const start =
    service.active || (await questions.confirm({ message: "Start the agent, now and with the system?", offer: true }));
  if (!start) {
    await note("Start the agent: sudo systemctl enable --now orion-agent");
    return false;
  }
  await startService(session.environment);
  return true;
}

async function answers(socket: string): Promise<boolean> {
  try {
    const daemon = await connectDaemon(socket);
    daemon.close();
    return true;
  } catch (error) {
    if (error instanceof CliFault && error.exitCode === exitCodes.noDaemon) return false;
    throw error;
  }
}

/**
 * Whether the hub takes, in time, what the daemon sends: an entry that says what has just happened. What was acknowledged
 * before proves nothing: it went over the connection of before.
 */
async function untilConnected(socket: string, url: string, signal: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + connectedWithinMs;
  let saidAt: number | undefined;
  while (performance.now() < deadline && !signal.aborted) {
    try {
      const daemon = await connectDaemon(socket);
      try {
        if (saidAt === undefined) {
          const at = Date.now();
          await daemon.request({ cmd: "log", level: "info", source: "orion", message: `set up for ${url}` });
          saidAt = at;
        }
        const { delivery } = (await daemon.request({ cmd: "status" })) as StatusAnswer;
        const { endpoint, state, lastAck } = delivery;
        if (endpoint === url && state === "online" && lastAck !== null && Date.parse(lastAck) >= saidAt) return true;
      } finally {
        daemon.close();
      }
    } catch (error) {
      // it is being started: asked again until the time is up
      if (!(error instanceof Fault)) throw error;
    }
    await Bun.sleep(200);
  }
  return false;
}
