/** What the first page's list is made of. */
import { describe, expect, test } from "bun:test";

import { type ListWorld, listServers, readView, writeView } from "#src/hub/dashboard/overview/list.ts";
import { needsOf, sumNeeds } from "#src/hub/dashboard/overview/needs.ts";
import { pathOf } from "#src/hub/dashboard/parts/sparkline.tsx";
import type { Server } from "#src/protocol/api.ts";
import type { Heartbeat } from "#src/protocol/heartbeat.ts";
import { heartbeat } from "#test/hub/kit/hub.ts";

const at = "2026-05-01T10:00:00.000Z";

function serverOf(hostname: string, over: Partial<Server> = {}, beat: Partial<Heartbeat> = {}): Server {
  return {
    id: hostname,
    hostname,
    projectId: "p1",
    createdAt: at,
    agent: { status: "connected", version: "1.2.3", lastSeen: at, transport: "agent" },
    tokenLastUsedAt: null,
    notices: [],
    latest: { ...heartbeat(), scripts: [], ...beat },
    ...over,
  };
}

const cpu = (usage: number) => ({ system: { ...heartbeat().system, cpu: { usage, cores: 2 } } });
const script = (state: "running" | "crashed") => ({ ...heartbeat().scripts[0]!, name: "api", state });

function world(servers: readonly Server[], over: Partial<ListWorld> = {}): ListWorld {
  return {
    needs: new Map(servers.map((server) => [server.id, needsOf(server, 0)])),
    projects: new Map([
      ["p1", "shop"],
      ["p2", "edge"],
    ]),
    collapsed: new Set(),
    ...over,
  };
}

const view = (query = "") => readView(new URLSearchParams(query));
const names = (servers: readonly Server[], query = "", over: Partial<ListWorld> = {}) =>
  listServers(servers, view(query), world(servers, over)).map((item) =>
    item.kind === "project" ? `# ${item.name} ${item.servers}` : item.server.hostname,
  );

describe("what needs a person", () => {
  test("is nothing of a server that is well", () => {
    expect(needsOf(serverOf("web-1", {}, { scripts: [script("running")] }), 0)).toEqual([]);
  });

  test("comes worst first, each with the place where it is dealt with", () => {
    const disk = { ...heartbeat().system.disk, usage: 97.5 };
    const server = serverOf(
      "web-1",
      { agent: { status: "disconnected", version: null, lastSeen: at, transport: null } },
      { scripts: [script("crashed")], system: { ...heartbeat().system, disk } },
    );
    expect(needsOf(server, 2).map(({ kind, text, href }) => [kind, text, href])).toEqual([
      ["silent", "silent", "/servers/web-1"],
      ["crashed", "api crashed", "/servers/web-1#scripts"],
      ["disk", "disk 97 % full", "/servers/web-1"],
      ["errors", "2 new errors", "/errors?server=web-1"],
    ]);
  });

  test("is counted over all servers", () => {
    const crashed = needsOf(serverOf("a", {}, { scripts: [script("crashed")] }), 0);
    expect(sumNeeds([crashed, crashed, []])).toEqual([{ kind: "crashed", tone: "bad", text: "2 scripts crashed" }]);
  });
});

describe("the list", () => {
  const servers = [
    serverOf("db-1", { projectId: "p2" }, cpu(5)),
    serverOf("web-1", {}, cpu(50)),
    serverOf("web-2", {}, { ...cpu(90), scripts: [script("crashed")] }),
  ];

  test("puts servers under their projects, which fold", () => {
    expect(names(servers)).toEqual(["# edge 1", "db-1", "# shop 2", "web-1", "web-2"]);
    expect(names(servers, "", { collapsed: new Set(["p2"]) })).toEqual(["# edge 1", "# shop 2", "web-1", "web-2"]);
  });

  test("sorted by a figure is one list, the largest first, or the other way round", () => {
    expect(names(servers, "sort=cpu")).toEqual(["web-2", "web-1", "db-1"]);
    expect(names(servers, "sort=-cpu")).toEqual(["db-1", "web-1", "web-2"]);
    expect(names(servers, "sort=needs")[0]).toBe("web-2");
  });

  test("is narrowed by words in names of servers, projects and what runs there, by state and by need", () => {
    expect(names(servers, "q=EDGE")).toEqual(["# edge 1", "db-1"]);
    expect(names(servers, "q=web+shop&need=crashed")).toEqual(["# shop 1", "web-2"]);
    expect(names(servers, "state=disconnected")).toEqual([]);
    expect(names(servers, "project=p1")).toEqual(["web-1", "web-2"]);
  });

  test("is in the address, which holds only what is unusual", () => {
    for (const address of ["/", "/?q=web&state=ssh&need=disk&sort=-cpu", "/?sort=-name"]) {
      expect(writeView(view(address.split("?")[1] ?? ""))).toBe(address);
    }
    expect(writeView(view("state=nonsense&sort=nonsense"))).toBe("/");
  });
});

test("a line of figures breaks at gaps and stays within its frame", () => {
  expect(pathOf([0, 50, 100], 100)).toBe("M0.0 17.0L32.0 9.0L64.0 1.0");
  expect(pathOf([0, null, 200], 100)).toBe("M0.0 17.0h.1M64.0 1.0h.1");
  expect(pathOf([], 100)).toBe("");
});
