import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { AuditPage } from "#src/protocol/audit.ts";
import type { RegisteredServer } from "#src/protocol/api.ts";
import type { Job } from "#src/protocol/job.ts";
import type { SshDetails } from "#src/protocol/ssh.ts";
import { type TestHub, startHub } from "#test/hub/kit/hub.ts";
import { until } from "#test/kit/wait.ts";

let hub: TestHub;
beforeAll(async () => void (hub = await startHub()));
afterAll(async () => await hub[Symbol.asyncDispose]());

const json = async <T>(method: string, path: string, body?: unknown): Promise<T> =>
  (await (await hub.send(method, path, body)).json()) as T;
/** Nobody listens there. */
const nowhere = { host: "127.0.0.1", port: 1, user: "nobody" };
let made = 0;
const add = (ssh: object = nowhere) =>
  json<RegisteredServer>("POST", "/api/servers", { hostname: `host-${++made}`, ssh });
const over = (id: string) =>
  until(async () => {
    const job = await json<Job>("GET", `/api/jobs/${id}`);
    return job.finishedAt === null ? undefined : job;
  }, "the end of the job");

describe("SSH details over the API", () => {
  test("come with the server, and their secrets are in no answer and no trail", async () => {
    const auth = { kind: "password", password: "swordfish-4711" };
    const { id } = await add({ ...nowhere, auth, sudo: "with-password", sudoPassword: "hunter-4711" });
    const details = await json<SshDetails>("GET", `/api/servers/${id}/ssh`);
    expect(details).toMatchObject({ ...nowhere, auth: "password", sudo: "with-password", hostKey: null, jump: null });
    await json("PUT", `/api/servers/${id}/ssh`, { ...nowhere, sudo: "none" });
    const { entries } = await json<AuditPage>("GET", "/api/audit");
    expect(entries[0]).toMatchObject({ action: "server.ssh-changed", target: { id }, details: { host: "127.0.0.1" } });
    expect(JSON.stringify([details, entries])).not.toMatch(/swordfish|hunter/);
  });

  test("that can't be kept register nothing", async () => {
    const bad = { ...nowhere, auth: { kind: "key", privateKey: "nonsense" } };
    const response = await hub.send("POST", "/api/servers", { hostname: "never", ssh: bad });
    expect([response.status, await response.json()]).toEqual([
      400,
      expect.objectContaining({ detail: expect.stringContaining("the private key can't be read") }),
    ]);
    const all = await json<{ servers: { hostname: string }[] }>("GET", "/api/servers");
    expect(all.servers.map(({ hostname }) => hostname)).not.toContain("never");
    for (const wrong of [{ host: "a b" }, { port: 0 }, { user: "-x" }, { hostKey: "aa:bb" }, { auth: { kind: "x" } }]) {
      expect(
        (await hub.send("POST", "/api/servers", { hostname: "never", ssh: { ...nowhere, ...wrong } })).status,
      ).toBe(400);
    }
  });

  test("are tried out, and the answer says what is in the way", async () => {
    const { id } = await add();
    const answer = await json("POST", `/api/servers/${id}/ssh/check`);
    expect(answer).toEqual({
      status: "failed",
      hostKey: null,
      jumpHostKey: null,
      host: null,
      problem: {
        message: expect.stringMatching(/^can't connect to 127\.0\.0\.1:1: /),
        hint: "Nothing listens there: does sshd run, and on this port?",
      },
    });
  });

  test("that there are none of are asked for", async () => {
    const { id } = await json<RegisteredServer>("POST", "/api/servers", { hostname: `host-${++made}` });
    expect((await hub.send("GET", `/api/servers/${id}/ssh`)).status).toBe(404);
    expect((await hub.send("POST", `/api/servers/${id}/ssh/check`)).status).toBe(404);
    expect((await hub.send("DELETE", `/api/servers/${id}/ssh`)).status).toBe(404);
    expect((await hub.send("POST", `/api/servers/${id}/agent/deploy`)).status).toBe(409);
  });
});

describe("a server that is registered again with SSH details", () => {
  test("keeps its token when they can't be kept", async () => {
    // Before, the request failed after the old token was dead, and nobody had seen the new one.
    const hostname = `host-${++made}`;
    const ssh = { host: "127.0.0.1", port: 1, user: "root", auth: { kind: "password", password: "swordfish" } };
    const { id, token } = await json<RegisteredServer>("POST", "/api/servers", { hostname, ssh });
    const again = await hub.send("POST", "/api/servers", { hostname, ssh: { host: "127.0.0.2", user: "root" } });
    expect(again.status).toBe(400);
    const headers = { authorization: `Bearer ${token}`, "x-server-id": id, "content-type": "application/x-ndjson" };
    const logs = await fetch(`${hub.url}/api/v1/agent/logs`, { method: "POST", headers });
    expect(logs.status).not.toBe(401);
  });
});

describe("a job over the API", () => {
  test("is answered at once, shows each step, and says why it failed and what to do", async () => {
    const { id } = await add();
    const response = await hub.send("POST", `/api/servers/${id}/agent/deploy`, { method: "binary" });
    const started = (await response.json()) as Job;
    expect([response.status, response.headers.get("location"), started.request]).toEqual([
      202,
      `/api/jobs/${started.id}`,
      { method: "binary" },
    ]);
    const job = await over(started.id);
    expect(job).toMatchObject({
      state: "failed",
      problem: { hint: "Nothing listens there: does sshd run, and on this port?" },
    });
    expect(job.steps.map(({ name, state }) => [name, state])).toEqual([
      ["connect", "failed"],
      ["look at the host", "skipped"],
      ["send the agent", "skipped"],
      ["rotate the token", "skipped"],
      ["install", "skipped"],
      ["verify", "skipped"],
    ]);
    expect(await json("GET", `/api/servers/${id}/jobs`)).toEqual({ jobs: [job], cursor: null });
    expect((await hub.send("DELETE", `/api/jobs/${job.id}`)).status).toBe(409);
    expect((await hub.send("GET", "/api/jobs/none")).status).toBe(404);
    // the server's token is what it was
    const { entries } = await json<AuditPage>("GET", "/api/audit?action=server.deploy-started");
    expect(entries[0]?.target?.id).toBe(id);
  });

  test("is told live, to its end", async () => {
    const { id } = await add();
    const started = await json<Job>("POST", `/api/servers/${id}/agent/deploy`);
    const response = await hub.get(`/api/jobs/${started.id}`, { accept: "text/event-stream" });
    expect(response.headers.get("content-type")).toStartWith("text/event-stream");
    // Before, the stream went on for ever after the job's end.
    const text = await response.text();
    const jobs = [...text.matchAll(/^event: job\ndata: (.*)$/gm)].map(([, data = ""]) => JSON.parse(data) as Job);
    expect(jobs.at(-1)).toEqual(await over(started.id));
    const accept = "text/event-stream";
    const again = await hub.get(`/api/jobs/${started.id}`, { accept });
    expect((await again.text()).match(/^id: over\nevent: job$/gm)).toHaveLength(1);
    expect((await hub.get(`/api/jobs/${started.id}`, { accept, "last-event-id": "over" })).status).toBe(204);
  });

  test("refuses what is no way to deploy", async () => {
    const { id } = await add();
    for (const body of [
      { method: "magic" },
      { apiUrl: "ftp://x" },
      { image: "--privileged" },
      { image: "a; rm -rf /" },
    ]) {
      expect((await hub.send("POST", `/api/servers/${id}/agent/deploy`, body)).status).toBe(400);
    }
  });
});
