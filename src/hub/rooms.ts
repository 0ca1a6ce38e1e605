/**
 * Everything behind the routes: state and accounts, and what is kept in memory over them. A hub that serves opens it, and
 * so does the command line for a hub that does not run.
 */
import { chmodSync } from "node:fs";

import { makeFolder } from "#src/lib/files.ts";
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import { z } from "#src/protocol/schema.ts";
import { createAudit } from "./api/audit.ts";
import { createAccounts } from "./auth/accounts.ts";
import { createToken, digestOf, matchesToken } from "./auth/token.ts";
import { createTokens } from "./auth/tokens.ts";
import { createVault } from "./auth/vault.ts";
import { createFleet } from "./fleet/fleet.ts";
import { silencesIn } from "./fleet/turns.ts";
import { createProjects } from "./projects/projects.ts";
import type { HubSettings } from "./settings.ts";
import { openStorage } from "./storage.ts";
import { storesOf } from "./whereabouts.ts";
import type { HubWorld } from "./world.ts";
import { lockFolder } from "./store/lock.ts";

export type Rooms = Awaited<ReturnType<typeof openRooms>>;

/** What agents report here reaches the other hubs within this time, in milliseconds. */
export const shareWithinMs = 500;

/** What a hub that shares its rooms' store with others adds, once it follows them. */
export type Sharers = { isCurrent(): boolean; again(): void };

/** Opens all of it. Rejects with a Fault that says why it can't; nothing is left open then. */
export async function openRooms(settings: HubSettings, { clock, log }: HubWorld) {
  const { dataDir } = settings;
  const ends: (() => void | Promise<void>)[] = [takeFolder(dataDir)];
  const warn = (message: string) => log.warn(message);

  async function close(): Promise<void> {
    for (let end = ends.pop(); end !== undefined; end = ends.pop()) await end();
  }

  try {
    storesOf(settings);
    let sharers: Sharers | undefined;
    const surprised = () => sharers?.again();
    const storage = await openStorage(settings, { clock, log }, ends, surprised);
    const { secret, state, auth, cluster, postgres } = storage;
    const shared = postgres === null ? {} : { shared: { shareWithinMs, hears: () => sharers?.isCurrent() ?? false } };
    const agentTokens = { create: () => createToken("agent"), matches: matchesToken };
    const sourceTokens = { create: () => createToken("source"), digestOf, matches: matchesToken };
    const silences = () => silencesIn(state);
    const servers = createFleet({ store: state, tokens: agentTokens, clock, warn, silences, ...shared });
    const projects = createProjects({ store: state, tokens: sourceTokens, clock, warn });
    const tokens = createTokens({ store: state, clock, warn });
    for (const room of [projects, servers, tokens]) {
      await room.open();
      ends.push(() => room.close());
    }
    const soleOrganization = () => accounts.soleOrganization();
    const audit = createAudit({ store: state, clock, warn, soleOrganization });
    const accounts = await createAccounts({
      database: auth,
      secret,
      secure: isSecure(settings),
      oidc: settings.oidc,
      devices: state,
      audit,
      onOrganization: (id) => projects.adopt(id),
      changed: storage.tellPeople,
      clock,
      log,
    });
    ends.push(() => accounts.close());
    // better-auth loads all of zod, which then has words of its own for every issue; ours are in protocol/issue.ts
    z.config({ localeError: undefined });
    const sshVault = await createVault(secret.derive("ssh"));
    return {
      state,
      servers,
      projects,
      tokens,
      accounts,
      audit,
      soleOrganization,
      sshVault,
      cluster,
      /** null: no other hub is on this state */
      postgres,
      /** From now on what other hubs have changed is read again. */
      share(by: Sharers) {
        sharers = by;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Whether people reach the hub by https only, so that cookies may demand it. */
export function isSecure({ tlsCert, publicUrl }: Pick<HubSettings, "tlsCert" | "publicUrl">): boolean {
  return publicUrl === null ? tlsCert !== null : publicUrl.startsWith("https:");
}

/** Makes the data folder ours. @returns gives it back */
function takeFolder(folder: string): () => void {
  try {
    makeFolder(folder, 0o700);
    // logs may hold secrets of applications
    chmodSync(folder, 0o700);
    return lockFolder(folder);
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault("failed", `can't use the data folder ${folder}: ${reasonOf(error)}`, {
      hint: "Choose one that this user may write with --data-dir",
      cause: error,
    });
  }
}
