/** Putting an agent on a host: the steps of the job. The host's half is in transaction.ts. */

import { Fault } from "#src/protocol/fault.ts";
import type { DeployMethod, Job } from "#src/protocol/job.ts";
import type { JobPlan, JobView } from "../jobs.ts";
import type { OpenSession, SshSession, SshTargets } from "../port.ts";
import { type HubAddress, addressFor } from "./address.ts";
import { authorityOf } from "./authority.ts";
import { refuseUnknown, sendAuthority } from "./authority-sending.ts";
import { guardScript, guardSeconds } from "./guard.ts";
import { type Host, lookAtHost, programPath } from "./facts.ts";
import { type AgentConfig, readAgentConfig, readContainerSettings, tokensOnHost } from "./host-agent.ts";
import { makeImage } from "./image.ts";
import { chooseMethod, describeHost, refuseFullDisk } from "./method.ts";
import type { Programs } from "./program.ts";
import { endEarlier, must, occupied, pullImage, sendFile, sendImage, sendProgram } from "./sending.ts";
import { unheard, withdrawn } from "./unheard.ts";
import { confirmGuard, folderName, makeFolder, startGuard } from "./transaction.ts";
import { agentUnit } from "./unit.ts";

/** What the deployment needs of the fleet. */
export type AgentTokens = {
  offerToken(serverId: string): Promise<string | undefined>;
  /** undefined: none is offered */
  offeredToken(serverId: string): unknown;
  tokenKind(serverId: string, token: string): "current" | "offered" | null;
  settleToken(serverId: string, keep: "new" | "old"): Promise<void>;
  /** When an agent last reported, as a mark to compare with; null: never. */
  lastReport(serverId: string): number | null;
  /**
   * Resolves when an agent of this version has reported with the offered token, and since `after`; gives what was heard
   * instead when it did not in time. Rejects with a Fault `conflict` when the token is offered no more.
   */
  reported(
    serverId: string,
    want: {
      readonly version: string;
      readonly after: number | null;
      readonly withinMs: number;
      readonly signal: AbortSignal;
    },
  ): Promise<{ readonly version: string | null } | "in time">;
};

export type DeployWorld = {
  readonly targets: Pick<SshTargets, "targetOf">;
  readonly openSession: OpenSession;
  readonly tokens: AgentTokens;
  readonly programs: Programs;
  readonly hub: () => HubAddress;
  /** the hub's certificate with its chain, PEM, as it is now; null: it speaks no TLS itself */
  readonly certificate: () => string | null;
  readonly version: string;
};

export const deploySteps = ["connect", "look at the host", "send the agent", "rotate the token", "install", "verify"];

const connectWithinMs = 30_000;
const smallWithinMs = 60_000;
/** systemd gives a service 90 s to start; the guard goes back by itself then. */
const applyWithinMs = 180_000;
const verifyWithinMs = 60_000;

type Prepared = { readonly folder: string; readonly method: DeployMethod; readonly unit: string };

export function createDeployPlan(world: DeployWorld, { id, serverId, request, startedAt }: Job): JobPlan {
  const { targets, openSession, tokens, programs, version } = world;
  const begunBefore = startedAt !== null;
  let session: SshSession | undefined;
  let host: Host | undefined;
  let prepared: Prepared | undefined;
  let config: AgentConfig = {};
  let imageTag = "";
  let reportBefore: number | null = null;
  let hubUrl = "";

  function connected(): SshSession {
    if (session === undefined) throw new Fault("failed", "there is no connection to the host");
    return session;
  }
  function looked(): Host {
    if (host === undefined) throw new Fault("failed", "nobody has looked at the host");
    return host;
  }
  function ready(): Prepared {
    if (prepared === undefined) throw new Fault("failed", "nothing was sent to the host");
    return prepared;
  }

  async function open(signal: AbortSignal): Promise<SshSession> {
    session?.close();
    session = undefined;
    const target = await targets.targetOf(serverId);
    if (target === null) {
      throw new Fault("conflict", "the server has no SSH details", { hint: "Give them with PUT /api/servers/:id/ssh" });
    }
    session = await openSession(target, { timeoutMs: connectWithinMs, signal });
    return session;
  }

  /**
   * What an earlier attempt has left on the host comes to its end, and the token that the host has is the one.
   * @returns false: somebody else's deployment goes on there
   */
  async function clear(view: Pick<JobView, "say" | "signal">): Promise<boolean> {
    const at = connected();
    const free = await endEarlier({ session: at, view }, serverId, applyWithinMs);
    if (tokens.offeredToken(serverId) === undefined) return free;
    const found = await tokensOnHost(at);
    const offered = found.some((token) => tokens.tokenKind(serverId, token) === "offered");
    await tokens.settleToken(serverId, offered ? "new" : "old");
    return free;
  }

  const steps: Readonly<Record<string, (view: JobView) => Promise<void>>> = {
    async connect(view) {
      const { hostKey } = await open(view.signal);
      view.say(`signed in; host key ${hostKey}\n`);
      if (!(await clear(view))) throw occupied();
    },

    async "look at the host"(view) {
      host = await lookAtHost(connected(), view.signal);
      view.say(`${describeHost(host)}\n`);
      const method = chooseMethod(request, host);
      if (method === "binary") refuseFullDisk(host, await programs.for(host));
      const parent = method === "binary" ? "/usr/local/bin" : host.root ? "/var/lib" : host.home;
      prepared = { method, folder: `${parent}/${folderName}.${id}`, unit: `orion-deploy-${id}` };
      view.say(`method: ${method}\n`);
    },

    async "send the agent"(view) {
      const { folder, method, unit } = ready();
      const way = { session: connected(), view };
      await must(way, makeFolder(folder, method, unit, serverId), `${folder} on the host can't be made`);
      await sendFile(way, folder, "guard.sh", guardScript);
      if (method === "binary") {
        await sendProgram(way, folder, await programs.for(looked()), version);
        await sendFile(way, folder, "new/unit", agentUnit(programPath));
      } else if (request.image === undefined) {
        const image = await makeImage(await programs.ownFor(looked()), version, process.arch);
        await sendImage(way, image);
        imageTag = image.tag;
      } else {
        await pullImage(way, request.image);
        imageTag = request.image;
      }
    },

    async "rotate the token"(view) {
      const { folder, method } = ready();
      const way = { session: connected(), view };
      config = await readAgentConfig(connected(), view.signal);
      const reportedAs = config["serverId"];
      if (typeof reportedAs === "string" && reportedAs !== serverId) {
        view.say(`until now its agent reported as another server (${reportedAs})\n`);
      }
      const inContainer = await readContainerSettings(connected(), view.signal);
      const address = addressFor(request.apiUrl, world.hub(), config, inContainer);
      hubUrl = address.url;
      view.say(`the agent is to report to ${hubUrl}\n`);
      const token = await tokens.offerToken(serverId);
      if (token === undefined) throw new Fault("not-found", "there is no such server any more");
      if (method === "binary") {
        const { insecureHttp: _, caFile, ...rest } = config;
        const plain = address.insecureHttp ? { insecureHttp: true } : {};
        const trusted = await sendAuthority(way, folder, caFile, authorityOf(world.certificate(), hubUrl));
        const next = { ...rest, apiUrl: address.url, token, serverId, ...plain, ...trusted };
        await sendFile(way, folder, "new/config.json", `${JSON.stringify(next, null, 2)}\n`);
      } else {
        // one that is there may have been told already, in its volume
        if (inContainer.size === 0) refuseUnknown(authorityOf(world.certificate(), hubUrl));
        const kept = [...inContainer].filter(([name]) => !ownVariables.has(name));
        const variables = [
          ["ENDPOINT", address.url],
          ["AGENT_TOKEN", token],
          ["SERVER_ID", serverId],
          ["PROC_PATH", "/host/proc"],
          ...(address.insecureHttp ? [["INSECURE_HTTP", "true"]] : []),
          ...kept,
        ];
        await sendFile(way, folder, "new/env", variables.map(([name, value]) => `OCORE_${name}=${value}\n`).join(""));
        await sendFile(way, folder, "new/image", imageTag);
      }
      view.say("a new token is on the host; the old one is good until the new agent has reported\n");
    },

    async install(view) {
      const { folder, method, unit } = ready();
      reportBefore = tokens.lastReport(serverId);
      const script = startGuard(folder, method, unit);
      const outcome = await connected().run(script, {
        asRoot: true,
        timeoutMs: applyWithinMs,
        signal: view.signal,
        onOutput: view.say,
      });
      if (outcome.code !== 0) {
        throw new Fault("failed", "the agent could not be installed; the host was brought back", {
          hint: "See the output of this step",
        });
      }
    },

    async verify(view) {
      const { signal } = view;
      const want = { version, after: reportBefore, withinMs: verifyWithinMs, signal };
      view.say(`waiting until the agent ${version} reports\n`);
      const heard = await tokens.reported(serverId, want);
      if (heard !== "in time") throw unheard(heard.version, { version, url: hubUrl, withinMs: verifyWithinMs });
      await confirm(view);
      view.say("the agent reports; the old token is dead\n");
    },
  };

  /** The host is told that it may keep the agent, then the hub keeps the token. */
  async function confirm(view: JobView): Promise<void> {
    const { folder } = ready();
    try {
      const { code } = await connected().run(confirmGuard(folder), { asRoot: true, timeoutMs: smallWithinMs });
      if (code !== 0) throw new Fault("conflict", "the host went back before it could be told that all is well");
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== "unavailable") throw error;
      // whether the word arrived is not known: it is given again, as long as the guard waits for it
      view.say(`${error.oneLine}; trying again\n`);
      await confirmAgain(view);
      return;
    }
    // rotated or revoked in this very moment
    if (tokens.offeredToken(serverId) === undefined) throw withdrawn();
    await tokens.settleToken(serverId, "new");
  }

  async function confirmAgain(view: JobView): Promise<void> {
    const deadline = performance.now() + guardSeconds * 1000;
    for (;;) {
      try {
        const again = await open(view.signal);
        await again.run(confirmGuard(ready().folder), { asRoot: true, timeoutMs: smallWithinMs });
        await clear(view);
        break;
      } catch (error) {
        if (view.signal.aborted || !(error instanceof Fault) || error.code !== "unavailable") throw error;
        if (performance.now() > deadline) throw error;
        await Bun.sleep(1000);
      }
    }
    const found = await tokensOnHost(connected());
    // `clear` has settled on what the host has; an offer that is gone was kept or dropped by that
    if (!found.some((token) => tokens.tokenKind(serverId, token) === "current")) {
      throw new Fault("conflict", "the host went back before it could be told that all is well");
    }
  }

  return {
    steps: deploySteps.map((name) => ({ name, run: steps[name] ?? unknownStep(name) })),
    async undo(view) {
      // nothing was changed on the host before something was sent there, by this attempt or one before it
      if (prepared === undefined && !begunBefore) return;
      try {
        await open(view.signal);
        await clear(view);
      } catch (error) {
        throw new Fault(
          "unavailable",
          "the host can't be reached to bring it back; it does that by itself within two minutes",
          { hint: "Start the deployment again when the host can be reached: that clears up first", cause: error },
        );
      }
    },
    close: () => session?.close(),
  };
}

/** Variables that a deployment sets; a container's others are kept. */
const ownVariables = new Set(["ENDPOINT", "AGENT_TOKEN", "SERVER_ID", "PROC_PATH", "INSECURE_HTTP", "DIR"]);

function unknownStep(name: string): () => Promise<void> {
  return () => Promise.reject(new Fault("failed", `there is no step "${name}"`));
}
