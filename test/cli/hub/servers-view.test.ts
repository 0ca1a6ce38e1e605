import { expect, test } from "bun:test";

import { overSsh, renderServer, renderServers } from "#src/cli/hub/servers-view.ts";
import type { Server } from "#src/protocol/api.ts";
import { heartbeat } from "#test/hub/kit/hub.ts";

const plain = (_: unknown, text: string) => text;
const now = Date.parse("2026-01-01T00:10:00.000Z");
const { system, docker } = heartbeat();
const ssh = { lastPolled: "2026-01-01T00:09:30.000Z", nextPoll: "2026-01-01T00:10:30.000Z", problem: null };
const server: Server = {
  id: "0123456789ab",
  hostname: "web-1",
  projectId: "p",
  createdAt: "2026-01-01T00:00:00.000Z",
  agent: { status: "disconnected", version: "1.2.3", lastSeen: "2026-01-01T00:05:00.000Z", transport: "ssh", ssh },
  tokenLastUsedAt: null,
  notices: [],
  latest: heartbeat(),
  polled: {
    at: ssh.lastPolled,
    hostname: "web-1",
    system: { ...system, cpu: { usage: 77, cores: 8 } },
    docker,
    containers: [],
  },
};

test("a server that is watched over SSH is shown with the figures from there, and says so", () => {
  const [, row = ""] = renderServers([server], [], plain, now);
  expect(row).toContain("disconnected, watched over SSH");
  expect(row).toMatch(/\b77(\.0)? ?%/);
  const text = renderServer(server, "default", plain, now);
  expect(text).toMatch(/over SSH +read 30 ?s ago/);
  expect(text).toMatch(/cpu +77(\.0)? ?% of 8 cores/);
});

test("a server that can't be watched shows no figures of before, and why", () => {
  const problem = "can't connect to web-1: refused";
  const { polled: _, ...rest } = server;
  const failed: Server = { ...rest, agent: { ...server.agent, transport: null, ssh: { ...ssh, problem } } };
  const [, row = ""] = renderServers([failed], [], plain, now);
  expect(row).not.toContain("SSH");
  expect(row).not.toContain("%");
  expect(renderServer(failed, "default", plain, now)).toContain(problem);
  expect(overSsh({ lastPolled: null, nextPoll: null, problem }, now)).toBe(`not read yet: ${problem}`);
});
