/** What the wizards' tests have in common: a hub with an owner, and somebody who approves in the browser's place. */
import { existsSync, readFileSync, readdirSync } from "node:fs";

import type { Project, Source } from "#src/protocol/project.ts";
import type { Server } from "#src/protocol/api.ts";
import type { TestHub } from "#test/hub/kit/hub.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";

import { keys, type Typist } from "../typist.ts";

/** A folder for `--dir`, and what is in it. */
export type TestHost = Folder & {
  config(): Record<string, unknown> | undefined;
  /** every file below it, without those of a login */
  files(): string[];
};

export function temporaryHost(): TestHost {
  const folder = temporaryFolder("orion-host-");
  return {
    ...folder,
    config() {
      const path = folder.at("etc/config.json");
      return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>) : undefined;
    },
    files: () =>
      readdirSync(folder.path, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => `${entry.parentPath.slice(folder.path.length + 1)}/${entry.name}`)
        .sort(),
  };
}

/** Waits for the code on the terminal, and answers it as the owner does in the browser. */
export async function answerInBrowser(person: Typist, hub: TestHub, verb: "approve" | "deny" = "approve") {
  const link = await person.sees("/device?code=");
  const userCode = /code=([\w-]+)/.exec(link)?.[1] ?? "";
  const owner = await hub.owner();
  const response = await owner.send("POST", `/api/auth/device/${verb}`, { userCode });
  if (!response.ok) throw new Error(`${verb}: ${response.status} ${await response.text()}`);
}

/** Types the hub's address and chooses the browser, which approves. */
export async function signInAtTerminal(person: Typist, hub: TestHub): Promise<void> {
  await person.sees("Address of the hub");
  person.types(`${hub.url}${keys.enter}`);
  await person.sees("How do you sign in");
  person.types(keys.enter);
  await answerInBrowser(person, hub);
}

/** What is on the hub: servers, projects, and sessions beside those of the test itself. */
export async function inventory(hub: TestHub) {
  const owner = await hub.owner();
  const { servers } = await owner.json<{ servers: Server[] }>("/api/servers");
  const { projects } = await owner.json<{ projects: Project[] }>("/api/projects");
  const { sessions } = await owner.json<{ sessions: { current: boolean }[] }>("/api/auth/sessions");
  const sources: Source[] = [];
  for (const { id } of projects) {
    sources.push(...(await owner.json<{ sources: Source[] }>(`/api/projects/${id}/sources`)).sources);
  }
  return {
    servers: servers.map(({ hostname }) => hostname),
    projects: projects.map(({ name }) => name),
    sources: sources.map(({ name }) => name),
    otherSessions: sessions.filter(({ current }) => !current).length,
  };
}

export const untouched = { servers: [], projects: ["default"], sources: [], otherSessions: 0 };
