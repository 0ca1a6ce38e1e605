/** The container engine, which a host need not have: is it there, may it be used, does it answer, is it new enough? */
import { constants, accessSync, existsSync, statSync } from "node:fs";

import { errnoOf, reasonOf } from "#src/protocol/fault.ts";
import type { StatusAnswer } from "#src/protocol/ipc.ts";
import { z } from "#src/protocol/schema.ts";

import { type Finding, type Patient, ok, warn } from "./finding.ts";
import type { Known } from "./settings.ts";

const answerWithinMs = 3000;
/** API of Docker 1.12 (2016), the oldest that the agent speaks. */
const oldestApi = [1, 24] as const;

/** What the doctor may look at of a host. */
export type Engines = {
  /** sockets of engines that are not where one is looked for by default */
  readonly elsewhere: readonly string[];
  /** the agent and this command are in a container */
  readonly inContainer: boolean;
};

/** Where engines listen: the host's Docker and Podman, and those that a user runs without root. */
export function findEngines({ uid, variables }: Pick<Patient, "uid" | "variables">): Engines {
  const own = variables["XDG_RUNTIME_DIR"] ?? `/run/user/${uid}`;
  const named = /^unix:\/\/(\/.+)$/.exec(variables["DOCKER_HOST"] ?? "")?.[1];
  const places = [
    named,
    "/var/run/docker.sock",
    "/run/podman/podman.sock",
    `${own}/docker.sock`,
    `${own}/podman/podman.sock`,
  ];
  return {
    elsewhere: places.filter((place): place is string => place !== undefined && isSocket(place)),
    inContainer: existsSync("/.dockerenv") || existsSync("/run/.containerenv"),
  };
}

/** @param status of the daemon, when it runs: its own word counts, whoever asks */
export async function checkDocker(
  { dockerSocket: socket }: Pick<Known, "dockerSocket">,
  status: Pick<StatusAnswer, "docker" | "containers"> | undefined,
  uid: number,
  engines: Engines,
): Promise<readonly Finding[]> {
  if (status?.docker.available === true) {
    const running = status.containers.filter(({ state }) => state === "running").length;
    return [ok("docker", `the agent watches ${running} running containers of the engine at ${socket}`)];
  }
  try {
    const stat = statSync(socket, { throwIfNoEntry: false });
    if (stat === undefined) return [absent(socket, engines)];
    if (!stat.isSocket()) return [warn("docker", `${socket} is no socket`, howToPoint)];
    if (!mayUse(socket)) return [denied(socket, stat.gid, uid, engines)];
    return [await ask(socket)];
  } catch (error) {
    if (errnoOf(error) === "EACCES") return [denied(socket, undefined, uid, engines)];
    return [warn("docker", `the engine at ${socket} does not answer: ${wordsOf(error)}`, howToStart(socket))];
  }
}

const howToPoint = "Set dockerSocket in the config file (ORION_DOCKER_SOCKET) to the engine's socket";

function absent(socket: string, { elsewhere, inContainer }: Engines): Finding {
  const other = elsewhere.find((place) => place !== socket);
  if (other !== undefined) {
    return warn(
      "docker",
      `no ${socket}, but an engine listens at ${other}`,
      `To watch its containers set dockerSocket in the config file (ORION_DOCKER_SOCKET) to ${other}`,
    );
  }
  const mount = inContainer ? `; to watch the host's: -v ${socket}:${socket}:ro` : "";
  return ok("docker", `no ${socket}: no containers are watched here${mount}`);
}

/** @param gid the group of the socket; undefined: that is hidden from this user too */
export function denied(socket: string, gid: number | undefined, uid: number, { inContainer }: Engines): Finding {
  const what = `user ${uid} may not use the engine at ${socket}`;
  if (inContainer) {
    const group = gid === undefined ? `"$(stat -c %g ${socket})"` : String(gid);
    return warn("docker", what, `Let the container into the socket's group: docker run --group-add ${group}`);
  }
  // a socket of the group root, as Podman's, is for root alone
  if (gid === undefined || gid === 0) return warn("docker", what, "Run the agent as root, or as the engine's own user");
  return warn(
    "docker",
    what,
    "Join its group and sign in again: sudo usermod -aG docker $USER (an agent run by root may)",
  );
}

async function ask(socket: string): Promise<Finding> {
  const answer = await fetch("http://docker/version", { unix: socket, signal: AbortSignal.timeout(answerWithinMs) });
  const log = `Look at its log: ${journalOf(socket)}`;
  if (!answer.ok) return warn("docker", `the engine at ${socket} answers ${answer.status}`, log);
  const { success, data } = z.safeParse(version, await answer.json().catch(() => undefined));
  if (!success) return warn("docker", `what answers at ${socket} is no container engine`, howToPoint);
  const { ApiVersion: api, Version } = data;
  const [major = 0, minor = 0] = api.split(".").map(Number);
  if (major < oldestApi[0] || (major === oldestApi[0] && minor < oldestApi[1])) {
    const what = `the engine at ${socket} is too old: its API is ${api}, the agent needs ${oldestApi.join(".")}`;
    return warn("docker", what, "Upgrade it to Docker 1.12 or newer");
  }
  return ok("docker", `the engine at ${socket} answers: version ${Version}, API ${api}`);
}

const version = z.object({
  ApiVersion: z.string().check(z.regex(/^\d+\.\d+$/)),
  Version: z._default(z.string(), "unknown"),
});
const isPodman = (socket: string): boolean => socket.includes("podman");
const journalOf = (socket: string): string => `journalctl -u ${isPodman(socket) ? "podman" : "docker"}`;
const howToStart = (socket: string): string =>
  isPodman(socket)
    ? "Is it running? systemctl status podman.socket (of a user: systemctl --user status podman.socket)"
    : "Is it running? systemctl status docker";

function wordsOf(error: unknown): string {
  if (error instanceof Error && error.name === "TimeoutError") return `not within ${answerWithinMs / 1000} s`;
  // what Bun says of a socket that nobody listens on
  const code = errnoOf(error);
  return code === "ECONNREFUSED" || code === "FailedToOpenSocket" ? "nobody listens on it" : reasonOf(error);
}

function isSocket(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isSocket() === true;
  } catch {
    // a folder on the way is closed to this user, and so is the socket
    return false;
  }
}

function mayUse(socket: string): boolean {
  try {
    accessSync(socket, constants.R_OK | constants.W_OK);
    return true;
  } catch (error) {
    return errnoOf(error) !== "EACCES";
  }
}
