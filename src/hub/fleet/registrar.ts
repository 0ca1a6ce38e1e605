/** How a host comes to be a server: by its name within a project, with an eye on the machine that it is. */
import { Fault } from "#src/protocol/fault.ts";
import type { Clock } from "#src/lib/clock.ts";
import type { Rereading } from "#src/lib/rereading.ts";
import { type Changes, Overtaken } from "./changes.ts";
import type { Entry, Fleet, ServerRecord, ServerRegistration, ServerWithToken, Tokens } from "./port.ts";
import type { Roster } from "./roster.ts";

export type RegistrarWorld = {
  readonly roster: Roster;
  readonly tokens: Tokens;
  readonly changes: Changes;
  readonly isConnected: (server: ServerRecord) => boolean;
  readonly clock: Pick<Clock, "now" | "after">;
  readonly refresh: Rereading["refresh"];
};

/** How often something is begun anew with which another hub was quicker; each time, one of them gets through. */
const maxTries = 20;
/** Until it is begun anew, at most, so that hubs that reach for the same server come apart. */
const pauseMs = 20;

export type Registrar = Pick<Fleet, "register" | "rotate"> & {
  /** No token is good any more. False: there is no such server. */
  readonly revoke: (id: string) => Promise<boolean>;
  /** This token takes the place of the old one. */
  readonly settle: (id: string, digest: Uint8Array) => Promise<void>;
};

export function createRegistrar({ roster, tokens, changes, isConnected, clock, refresh }: RegistrarWorld): Registrar {
  // what is begun anew goes one after the other, or those of one hub would get into each other's way, too
  let lane: Promise<unknown> = Promise.resolve();

  /** Does `work`; when another hub was quicker, again with what that has made of it, as if it had been known. */
  async function anew<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Overtaken)) throw error;
      const again = lane.then(() => repeat(work, error));
      lane = again.catch(() => undefined);
      return await again;
    }
  }

  async function repeat<T>(work: () => Promise<T>, { ids }: Overtaken): Promise<T> {
    await refresh(ids);
    for (let tries = 2; ; tries++) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof Overtaken)) throw error;
        if (tries >= maxTries) throw error.cause ?? overtaken();
        await new Promise<void>((resolve) => void clock.after(Math.random() * pauseMs, resolve));
        await refresh(error.ids);
      }
    }
  }

  /** Whether the machine that registers is another one than the server has been on so far. */
  function isOtherMachine(server: ServerRecord, { machine }: ServerRegistration): boolean {
    return machine !== undefined && server.machine !== null && server.machine !== machine;
  }

  /** @throws {Fault} `conflict` when that would push out a machine that is there and well */
  function refuseUsurper(server: ServerRecord, registration: ServerRegistration): void {
    if (!isOtherMachine(server, registration) || registration.replace === true || !isConnected(server)) return;
    throw new Fault("conflict", `another machine reports as ${server.hostname} right now`, {
      hint: "Register under another host name, or with `replace` to take its place",
    });
  }

  /** A server gets a new token, and the name and machine of `registration`. */
  async function renew(entry: Entry, registration: ServerRegistration): Promise<ServerWithToken> {
    const { token, digest } = tokens.create();
    const { hostname, machine = entry.machine } = registration;
    const cleared = registration.machine === undefined ? entry.replacedAtMs : null;
    const replacedAtMs = isOtherMachine(entry, registration) ? clock.now() : cleared;
    await changes.make(entry, { hostname, machine, digest, replacedAtMs });
    return { server: entry, token, created: false };
  }

  async function create({ projectId, hostname, machine }: ServerRegistration): Promise<ServerWithToken> {
    const { token, digest } = tokens.create();
    const entry: Entry = {
      id: crypto.randomUUID(),
      projectId,
      hostname,
      createdAtMs: clock.now(),
      machine: machine ?? null,
      replacedAtMs: null,
      digest,
      tokenUsedAtMs: null,
      version: null,
      lastSeenMs: null,
      heartbeat: null,
    };
    await changes.add(entry);
    return { server: entry, token, created: true };
  }

  /** The server goes on under the new name. */
  async function rename(from: string, registration: ServerRegistration): Promise<ServerWithToken> {
    const entry = roster.get(from);
    if (entry === undefined || entry.projectId !== registration.projectId) {
      throw new Fault("not-found", "renamedFrom names no server of this project");
    }
    refuseUsurper(entry, registration);
    const holder = roster.named(registration.projectId, registration.hostname);
    if (holder === undefined || holder === entry) return await renew(entry, registration);
    if (!isBlank(holder, registration)) {
      throw new Fault("conflict", `the project has a server ${holder.hostname} already`, {
        hint: "Remove that one first, or register this host under another name",
      });
    }
    // both in one breath, and so in one transaction: the name is free and taken again
    const [removed, renewed] = await Promise.allSettled([changes.remove(holder), renew(entry, registration)]);
    if (removed.status === "rejected") throw removed.reason;
    if (renewed.status === "rejected") throw renewed.reason;
    return renewed.value;
  }

  async function register(registration: ServerRegistration): Promise<ServerWithToken> {
    const { projectId, hostname, renamedFrom } = registration;
    if (renamedFrom !== undefined) return await rename(renamedFrom, registration);
    const known = roster.named(projectId, hostname);
    if (known === undefined) return await create(registration);
    refuseUsurper(known, registration);
    return await renew(known, registration);
  }

  return {
    register: (registration) => anew(() => register(registration)),
    rotate(id) {
      if (roster.get(id) === undefined) return undefined;
      const { token, digest } = tokens.create();
      return anew(async () => {
        const entry = roster.get(id);
        if (entry === undefined) throw new Fault("not-found", "there is no such server any more");
        await changes.make(entry, { digest });
        return { server: entry, token, created: false };
      });
    },
    revoke: (id) =>
      anew(async () => {
        const entry = roster.get(id);
        if (entry === undefined) return false;
        await changes.make(entry, { digest: null, version: null, lastSeenMs: null, tokenUsedAtMs: null });
        return true;
      }),
    settle: (id, digest) =>
      anew(async () => {
        const entry = roster.get(id);
        if (entry !== undefined) await changes.make(entry, { digest });
      }),
  };
}

const overtaken = () =>
  new Fault("conflict", "the server is being changed by others at the same time", { hint: "Try again" });

/**
 * Whether nothing is lost with a server: this very machine registered it and never reported as it. So it is when a
 * person answers "renamed" after the new name has been registered.
 */
function isBlank(server: ServerRecord, { machine }: ServerRegistration): boolean {
  return (
    server.machine !== null && server.machine === machine && server.tokenUsedAtMs === null && server.heartbeat === null
  );
}
