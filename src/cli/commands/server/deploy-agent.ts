/** `orion server deploy-agent` and `orion server uninstall-agent`. */
import { type Job, deployMethod, job as jobSchema } from "#src/protocol/job.ts";

import { harmless, painter, wantsColours } from "../../colour.ts";
import { command } from "../../command.ts";
import { type ExitCode, exitCodes, usageFault } from "../../exit.ts";
import { connectHub } from "../../hub/access.ts";
import type { HubClient } from "../../hub/client.ts";
import { followJob, renderEnd } from "../../hub/jobs.ts";
import { findServer } from "../../hub/servers.ts";
import { type Interruptible, interruptible } from "../../interrupt.ts";
import { note, print, printJson } from "../../output.ts";
import type { Session } from "../../session.ts";
import { serverWord } from "./show.ts";

const waitFlag = {
  type: "boolean",
  default: true,
  description: "print the job's id and do not wait for its end",
} as const;

/** How an agent is put on a host: what `deploy-agent` and `add` both take. */
export const deployFlags = {
  method: {
    type: "string",
    valueHint: "binary|docker",
    description: "left out: binary where systemd runs, else docker",
  },
  image: {
    type: "string",
    valueHint: "image",
    description: "docker: pulled by the host; left out: the hub sends its own",
  },
  "hub-url": { type: "string", valueHint: "url", description: "under which the host reaches the hub" },
  wait: waitFlag,
} as const;

type DeployFlags = { readonly [Name in "method" | "image" | "hub-url"]?: string | undefined } & {
  readonly wait?: boolean | undefined;
};

/** @throws {CliFault} a flag is wrong */
export function readDeployBody({ method, image, "hub-url": apiUrl }: DeployFlags): object {
  if (method !== undefined && !deployMethod.options.some((one) => one === method))
    throw usageFault(`--method can't be "${method}"`, `Choose one of ${deployMethod.options.join(", ")}`);
  return {
    ...(method === undefined ? {} : { method }),
    ...(image === undefined ? {} : { image }),
    ...(apiUrl === undefined ? {} : { apiUrl }),
  };
}

/** Starts the job, and shows it to its end unless that is not wanted. */
export async function startDeploy(session: Session, hub: HubClient, id: string, body: object, wait: boolean) {
  const started = await hub.ask({ method: "POST", path: `/api/servers/${id}/agent/deploy`, body }, jobSchema);
  return await follow(session, hub, started, wait);
}

export const deploy = command({
  args: { id: serverWord, ...deployFlags },
  about:
    "Puts the hub's own program on the server over SSH, or brings the agent there to this version. Config, scripts and\nbuffer stay. If anything fails the host is left as it was. Say how it is reached first: orion server ssh set",
  examples: ["orion server deploy-agent web-1", "orion server deploy-agent web-1 --method docker"],
  async run({ args, session }) {
    const body = readDeployBody(args);
    const hub = connectHub(session);
    const { id } = await findServer(hub, args.id);
    return await startDeploy(session, hub, id, body, args.wait);
  },
});

export const uninstall = command({
  args: {
    id: serverWord,
    yes: { type: "boolean", alias: "y", description: "do not ask" },
    wait: waitFlag,
  },
  about:
    "Takes the agent off the server over SSH: its scripts are stopped, its token is dead. Config and data stay there.",
  async run({ args, session }) {
    const hub = connectHub(session);
    const { id, hostname } = await findServer(hub, args.id);
    if (args.yes !== true && !(await agreed(hostname))) return exitCodes.failed;
    const started = await hub.ask({ method: "POST", path: `/api/servers/${id}/agent/uninstall` }, jobSchema);
    return await follow(session, hub, started, args.wait);
  },
});

async function agreed(hostname: string): Promise<boolean> {
  const { hasPerson, openTerminal } = await import("../../setup/terminal.ts");
  if (!hasPerson()) throw usageFault("there is no terminal to ask on whether that is meant", "Say so with --yes");
  return await interruptible(async (control) => {
    const terminal = await openTerminal(control);
    return await terminal.confirm(`Take the agent off ${hostname}, and stop the scripts that it runs?`, false);
  });
}

async function follow(session: Session, hub: HubClient, started: Job, wait: boolean): Promise<ExitCode> {
  if (!wait) {
    if (session.json) await printJson(started);
    else await print(`${started.id}\n`);
    return exitCodes.done;
  }
  const paint = painter(wantsColours(session));
  const reader = session.json
    ? { step: async () => undefined, output: async () => undefined }
    : {
        step: async (name: string) => await print(`${paint("bold", name)}\n`),
        output: async (text: string) => await print(text.replace(/[^\n]+/g, (line) => `  ${harmless(line, false)}`)),
      };
  const ended = await interruptible(async (control) => await toTheEnd(hub, started, control, reader));
  if (session.json) await printJson(ended);
  else await print(`${renderEnd(ended, paint)}\n`);
  return ended.state === "done" ? exitCodes.done : exitCodes.failed;
}

/** Whoever gives the waiting up does not give the job up. */
async function toTheEnd(
  hub: HubClient,
  started: Job,
  { signal }: Interruptible,
  reader: Parameters<typeof followJob>[3],
): Promise<Job> {
  try {
    return await followJob(hub, started, signal, reader);
  } catch (error) {
    await note(`The job ${started.id} goes on at the hub`);
    throw error;
  }
}
