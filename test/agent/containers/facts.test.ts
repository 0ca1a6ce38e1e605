import { describe, expect, test } from "bun:test";

import { createChoice, ownContainer } from "#src/agent/containers/choose.ts";
import { asksToEnd, causeOfDeath, noOmens } from "#src/agent/containers/deaths.ts";
import { createLineCutter, readHappening } from "#src/agent/containers/happening.ts";
import { readContainer, sourceOf } from "#src/protocol/container-inspect.ts";
import { parseHead } from "#src/agent/containers/head.ts";

const id = "0123456789abcdef".repeat(4);

describe("a container's source", () => {
  const rows: readonly (readonly [name: string, labels: Record<string, string>, source: string])[] = [
    ["odoo", {}, "odoo"],
    ["shop-odoo-1", { "com.docker.compose.project": "shop", "com.docker.compose.service": "odoo" }, "shop/odoo"],
    ["shop-odoo-1", { "com.docker.compose.project": "shop" }, "shop-odoo-1"],
    ["x", { "com.docker.compose.project": "a", "com.docker.compose.service": "b", "orion.name": "odoo" }, "odoo"],
    ["x", { "orion.name": " two words\n" }, "two-words"],
    ["x", { "orion.name": "" }, "x"],
    ["x", { "orion.name": "y".repeat(300) }, "y".repeat(128)],
  ];
  for (const [name, labels, source] of rows) {
    test(`of ${name} with ${JSON.stringify(labels).slice(0, 60)} is ${source.slice(0, 20)}`, () => {
      expect(sourceOf(name, labels)).toBe(source);
    });
  }
});

describe("whose lines are read", () => {
  const container = { id, name: "web-1", source: "shop/web", image: "nginx:1", labels: {} };
  const rows: readonly (readonly [
    what: string,
    include: string[],
    exclude: string[],
    labels: Record<string, string>,
    own: string | undefined,
    read: boolean,
  ])[] = [
    ["everyone's without rules", [], [], {}, undefined, true],
    ["not an excluded one's", [], ["web-*"], {}, undefined, false],
    ["not an excluded image's", [], ["nginx:*"], {}, undefined, false],
    ["an included source's", ["shop/*"], [], {}, undefined, true],
    ["not another's, with an include", ["other"], [], {}, undefined, false],
    ["not one that is both", ["web-1"], ["*"], {}, undefined, false],
    ["patterns are whole: a part is no match", ["web"], [], {}, undefined, false],
    ["a dot is a dot", ["web.1"], [], {}, undefined, false],
    ["the label says no", [], [], { "orion.logs": "false" }, undefined, false],
    ["the label says yes, whatever the rules", ["other"], ["*"], { "orion.logs": "TRUE" }, undefined, true],
    ["never the agent's own, whatever the label", [], [], { "orion.logs": "true" }, id, false],
  ];
  for (const [what, include, exclude, labels, own, read] of rows) {
    test(what, () => expect(createChoice({ include, exclude }, own)({ ...container, labels })).toBe(read));
  }
});

describe("the container around the agent", () => {
  const line = (path: string): string => `705 690 0:45 ${path} /etc/hostname rw - ext4 /dev/root rw\n`;
  const rows: readonly (readonly [what: string, mountinfo: string, cgroup: string, found: string | undefined])[] = [
    ["by Docker's mounts", line(`/var/lib/docker/containers/${id}/hostname`), "0::/\n", id],
    ["by Podman's mounts", line(`/containers/storage/overlay-containers/${id}/userdata/hostname`), "0::/\n", id],
    ["by its cgroup of v1", "", `12:pids:/docker/${id}\n11:memory:/docker/${id}\n`, id],
    ["by its cgroup of v2", "", `0::/system.slice/docker-${id}.scope\n`, id],
    ["on a host there is none", line("/etc/hostname"), "0::/system.slice/orion-agent.service\n", undefined],
    [
      "the mounts of the host's other containers are not its own",
      `33 1 0:1 / /var/lib/docker/containers/${id}/mounts/shm rw - tmpfs shm rw\n`,
      "0::/init.scope\n",
      undefined,
    ],
  ];
  for (const [what, mountinfo, cgroup, found] of rows) {
    test(what, () => expect(ownContainer(mountinfo, cgroup)).toBe(found));
  }
});

describe("a death", () => {
  const asked = { ...noOmens, askedAt: 1000 };
  const oom = { ...noOmens, oom: true };
  const rows = [
    ["by itself", 0, noOmens, false, "exited", null],
    ["with a code of its own", 3, noOmens, false, "failed", null],
    ["with a code that no signal has", 255, noOmens, false, "failed", null],
    ["by a signal that nobody asked for", 137, noOmens, false, "killed", "SIGKILL"],
    ["by a fault of its own", 139, noOmens, false, "failed", "SIGSEGV"],
    ["for its memory limit, as the engine says", 137, noOmens, true, "oom", "SIGKILL"],
    ["for its memory limit, as an event said before", 137, oom, false, "oom", "SIGKILL"],
    ["with a code of its own after a child was killed for memory", 1, oom, false, "failed", null],
    ["asked for", 143, asked, false, "stopped", "SIGTERM"],
    ["asked for, and orderly", 0, asked, false, "stopped", null],
    ["long after a signal that it survived", 1, { ...noOmens, askedAt: -9e6 }, false, "failed", null],
    ["unseen", null, noOmens, false, "failed", null],
  ] as const;
  for (const [what, code, omens, oomKilled, cause, signal] of rows) {
    test(`${what} is told apart`, () => {
      expect(causeOfDeath(code, omens, oomKilled, 2000)).toEqual({ cause, signal });
    });
  }

  test("is asked for by the signals that end a program, or its own", () => {
    expect(["15", "9", "2", "SIGTERM", "kill"].map((signal) => asksToEnd(signal, undefined))).toEqual(
      Array.from({ length: 5 }, () => true),
    );
    expect(["1", "10", "28", ""].map((signal) => asksToEnd(signal, undefined))).toEqual([false, false, false, false]);
    expect(asksToEnd("28", "SIGWINCH")).toBe(true);
    expect(asksToEnd("SIGRTMIN+3", "SIGRTMIN+3")).toBe(true);
  });
});

describe("what an engine says", () => {
  test("is understood in the words of Docker and of Podman", () => {
    expect(readHappening(`{"Action":"die","Actor":{"ID":"${id}","Attributes":{"exitCode":"3"}}}`)).toEqual({
      id,
      what: "die",
      detail: "",
      attributes: { exitCode: "3" },
    });
    expect(readHappening(`{"status":"health_status: unhealthy","id":"${id}"}`)).toMatchObject({
      what: "health_status",
      detail: "unhealthy",
    });
    for (const line of ["", "no JSON", "[]", "{}", '{"Action":""}', '{"Action":5,"id":"x"}', "null"]) {
      expect(readHappening(line)).toBeUndefined();
    }
  });

  test("is cut into lines wherever it is split", () => {
    const text = '{"a":1}\n\n{"b":"ü"}\n';
    for (let at = 0; at <= Buffer.byteLength(text); at++) {
      const lines: string[] = [];
      const cut = createLineCutter();
      const bytes = Buffer.from(text);
      for (const chunk of [bytes.subarray(0, at), bytes.subarray(at)]) cut(chunk, (line) => lines.push(line));
      expect(lines).toEqual(['{"a":1}', '{"b":"ü"}']);
    }
  });

  test("begins with a head, which is waited for, or it is none", () => {
    const head = "HTTP/1.0 404 Not Found\r\nContent-Length: 5\r\n\r\n";
    expect(parseHead(Buffer.from(head.slice(0, -1)))).toBeUndefined();
    expect(parseHead(Buffer.from(`${head}hello`))).toEqual({ status: 404, length: 5, size: head.length });
    expect(parseHead(Buffer.from("SSH-2.0-OpenSSH\r\n\r\n"))).toBeNull();
    expect(parseHead(Buffer.alloc(70_000, 65))).toBeNull();
  });

  test("of a container needs little to be understood", () => {
    expect(readContainer({ Id: id, Config: {}, State: { Running: true, Status: "running" } })).toMatchObject({
      id,
      name: id.slice(0, 12),
      state: "running",
      health: null,
      startedAt: null,
      restartCount: 0,
    });
    expect(() => readContainer({ message: "no" })).toThrow("the engine's answer is not valid");
  });
});
