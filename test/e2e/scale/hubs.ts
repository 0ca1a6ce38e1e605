/** Hubs of the compiled binary that share their databases, behind a balancer; each can be killed and started again. */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";

import { orionBinary } from "#test/kit/binary.ts";
import { type Folder, temporaryFolder } from "#test/kit/folder.ts";
import { type Program, startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

import { orion } from "../kit/orion.ts";
import { type Balancer, startBalancer } from "./balancer.ts";

export type Stores = { readonly databaseUrl: string; readonly clickhouseUrl: string };

export type Hubs = AsyncDisposable & {
  readonly names: readonly string[];
  readonly balancer: Balancer;
  readonly key: string;
  /** kill -9. */
  kill(name: string): Promise<void>;
  start(name: string): Promise<void>;
  pid(name: string): number;
  /** of one hub, not by way of the balancer */
  url(name: string): string;
  said(name: string): string;
  /** Asks one hub, or any by way of the balancer; throws when the answer is not 2xx. */
  ask<T>(path: string, init?: RequestInit, name?: string): Promise<T>;
};

/** Starts them, all at once, on databases that are empty: who comes first makes the tables. */
export async function startHubs(names: readonly string[], stores: Stores | null): Promise<Hubs> {
  const binary = await orionBinary();
  const folder: Folder = temporaryFolder("orion-hubs-");
  const balancer = await startBalancer();
  const secret = folder.at("secret");
  writeFileSync(secret, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 });
  const env = {
    HOME: folder.path,
    ORION_HUB_PUBLIC_URL: balancer.url,
    ...(stores === null
      ? {}
      : {
          ORION_HUB_DATABASE_URL: stores.databaseUrl,
          ORION_HUB_CLICKHOUSE_URL: stores.clickhouseUrl,
          ORION_HUB_SECRET_FILE: secret,
        }),
  };
  const programs = new Map<string, Program>();
  const urls = new Map<string, string>();
  const before = new Map<string, string>();
  const dirOf = (name: string) => folder.at(name);

  async function start(name: string): Promise<void> {
    const program = startProgram([binary, "hub", "--dir", dirOf(name), "--port", "0", "--json"], { env });
    programs.set(name, program);
    const line = await until(
      () => {
        if (/^orion: /m.test(program.output())) throw new Error(`hub ${name} did not start: ${program.output()}`);
        return /^\{.*\}$/m.exec(program.output())?.[0];
      },
      `the address of hub ${name}`,
      60_000,
    );
    const { url, port } = JSON.parse(line) as { url: string; port: number };
    urls.set(name, url);
    balancer.lead(name, port);
  }

  async function kill(name: string): Promise<void> {
    const program = programs.get(name);
    if (program === undefined) return;
    balancer.lead(name, undefined);
    program.kill("SIGKILL");
    await program.exited;
    before.set(name, (before.get(name) ?? "") + program.output());
    programs.delete(name);
  }

  async function found(): Promise<string> {
    const [first = ""] = names;
    const password = folder.at("password");
    writeFileSync(password, "correct horse battery\n", { mode: 0o600 });
    const steps = [
      ["hub", "admin", "create", "--email", "owner@example.com", "--password-file", password],
      ["hub", "token", "key", "--name", "tests"],
    ];
    let said = "";
    for (const step of steps) {
      const { code, stdout, stderr } = await orion(["--dir", dirOf(first), ...step], { env });
      if (code !== 0) throw new Error(stderr);
      said = stdout.trim();
    }
    return said;
  }

  await Promise.all(names.map(start));
  const key = await found();
  return {
    names,
    balancer,
    key,
    kill,
    start,
    pid(name) {
      const program = programs.get(name);
      if (program === undefined) throw new Error(`hub ${name} does not run`);
      return program.pid;
    },
    url: (name) => urls.get(name) ?? "",
    said: (name) => (before.get(name) ?? "") + (programs.get(name)?.output() ?? ""),
    async ask<T>(path: string, init: RequestInit = {}, name?: string): Promise<T> {
      const base = name === undefined ? balancer.url : (urls.get(name) ?? "");
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
      const response = await fetch(`${base}${path}`, { ...init, headers, signal: AbortSignal.timeout(30_000) });
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
      return (await response.json()) as T;
    },
    async [Symbol.asyncDispose]() {
      for (const name of names) await kill(name);
      await balancer[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
