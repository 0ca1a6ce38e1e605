/**
 * The import table of the house. A room imports what it is allowed to and nothing else; siblings never see one another;
 * heavy modules have one door. Types count: whoever needs another room's type is coupled to it.
 */
import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";

import { describe, expect, test } from "bun:test";

import manifest from "../package.json" with { type: "json" };
import { type Import, readSource } from "./kit/source.ts";

const top = join(import.meta.dir, "..");

type Row = {
  /** a folder, or one file; the longest row that fits a file is its own */
  readonly room: string;
  readonly mayImport: readonly string[];
  /** what it may reach by `import()` alone, so that it costs nothing until it is needed */
  readonly mayLoad?: readonly string[];
  readonly why: string;
};

const facts = ["src/lib", "src/procfs", "src/protocol"];
const sibling = "rooms side by side stay ignorant of each other: the hallway plugs one into the other";

const table: readonly Row[] = [
  { room: "src/main.ts", mayImport: ["src/cli"], why: "argv in, exit code out; it decides nothing" },
  { room: "src/lib", mayImport: [], why: "facts of computing know no word of our domain" },
  { room: "src/procfs", mayImport: ["src/lib"], why: "pure parsers: the agent and the hub's poller both use them" },
  { room: "src/protocol", mayImport: ["src/lib"], why: "the contract must not know who keeps it" },
  {
    room: "src/protocol/columns",
    mayImport: ["src/lib", "src/protocol"],
    why: "entries on the wire as columns: what takes them in and what keeps them read them the same way",
  },

  {
    room: "src/agent",
    mayImport: ["src/agent", ...facts],
    why: "the hallway sees its rooms, and never the hub: an agent must not load a hub's code",
  },
  { room: "src/agent/containers", mayImport: facts, why: sibling },
  { room: "src/agent/daemon", mayImport: facts, why: sibling },
  { room: "src/agent/delivery", mayImport: facts, why: sibling },
  { room: "src/agent/ipc", mayImport: facts, why: sibling },
  { room: "src/agent/metrics", mayImport: facts, why: sibling },
  { room: "src/agent/succession", mayImport: facts, why: sibling },
  { room: "src/agent/supervisor", mayImport: facts, why: sibling },

  {
    room: "src/hub",
    mayImport: ["src/hub", ...facts],
    why: "the hallway sees its rooms, and never the agent: they only share the contract",
  },
  { room: "src/hub/api", mayImport: facts, why: sibling },
  { room: "src/hub/auth", mayImport: facts, why: sibling },
  {
    room: "src/hub/dashboard",
    mayImport: ["src/protocol"],
    why: "pages run in a browser: of the server they know the contract's types only",
  },
  { room: "src/hub/errors", mayImport: facts, why: sibling },
  { room: "src/hub/fleet", mayImport: facts, why: sibling },
  { room: "src/hub/metrics", mayImport: facts, why: sibling },
  { room: "src/hub/projects", mayImport: facts, why: sibling },
  { room: "src/hub/redaction", mayImport: facts, why: sibling },
  { room: "src/hub/ssh", mayImport: facts, why: sibling },
  { room: "src/hub/store", mayImport: facts, why: sibling },

  {
    room: "src/cli",
    mayImport: ["src/lib", "src/protocol"],
    mayLoad: ["src/agent", "src/hub"],
    why: "`orion log` must not pay for the agent or the hub, so their hallways are loaded when a command needs them",
  },
];

/** Of a house, only these files may be seen from outside. */
const hallways: readonly { readonly house: string; readonly files: readonly string[]; readonly why: string }[] = [
  {
    house: "src/agent",
    files: ["src/agent/agent.ts", "src/agent/foreground.ts"],
    why: "the agent, and the agent as a process of its own",
  },
  {
    house: "src/hub",
    files: ["src/hub/hub.ts", "src/hub/settings.ts"],
    why: "one door a house, and what it is told to do",
  },
];

type Door = { readonly module: string; readonly only: readonly string[]; readonly why: string };

const doors: readonly Door[] = [
  { module: "bun:ffi", only: ["src/lib/libc.ts"], why: "a wrong signature is a crash: all of them are read together" },
  {
    module: "bun:sqlite",
    only: ["src/hub/store"],
    why: "the store is behind a port: another database is another implementation",
  },
  { module: "kysely", only: ["src/hub/store"], why: "queries are the store's business" },
  { module: "kysely-postgres-js", only: ["src/hub/store/postgres"], why: "one way to reach Postgres" },
  { module: "@clickhouse/client-web", only: ["src/hub/store/clickhouse"], why: "one way to reach ClickHouse" },
  {
    module: "zod",
    only: ["src/protocol"],
    why: "one definition of everything that crosses a wire, and one place that chooses the light variant",
  },
  { module: "citty", only: ["src/cli"], why: "only the command line has a command line" },
  { module: "consola", only: ["src/cli"], why: "only the command line asks questions" },
  { module: "hono", only: ["src/hub/api"], why: "how a request finds its route is one room's business" },
  {
    module: "better-auth",
    only: ["src/hub/auth"],
    why: "sign-in is behind a port: nothing of its wide surface is reachable that the route table doesn't name",
  },
  { module: "preact", only: ["src/hub/dashboard"], why: "pages are made in one room" },
  { module: "@preact/signals", only: ["src/hub/dashboard"], why: "what is live is a page's business" },
  { module: "uqr", only: ["src/hub/dashboard"], why: "only a page shows a code to scan" },
  { module: "child_process", only: [], why: "processes are started by Bun.spawn, in the supervisor" },
  {
    module: "dockerode",
    only: [],
    why: "it brings gRPC and SSH along, 36 MiB of an idle agent's memory: src/agent/containers asks the engine itself",
  },
  { module: "ssh2", only: ["src/hub/ssh"], why: "the hub alone speaks SSH, and one room of it" },
  { module: "uplot", only: ["src/hub/dashboard"], why: "only a page draws charts" },
  { module: "@tanstack/virtual-core", only: ["src/hub/dashboard"], why: "only a page scrolls" },
];

type Word = { readonly name: string; readonly pattern: RegExp; readonly only: readonly string[]; readonly why: string };

const words: readonly Word[] = [
  {
    name: "Bun.spawn",
    pattern: /\bBun\s*\.\s*(?:spawn|spawnSync|\$)/,
    only: ["src/agent/supervisor", "src/lib/program.ts"],
    why: "whoever starts a process must be able to stop its whole tree",
  },
  {
    name: "process.env",
    pattern: /\bprocess\s*\.\s*env\b|\bBun\s*\.\s*env\b|\bimport\s*\.\s*meta\s*\.\s*env\b/,
    only: ["src/cli/environment.ts", "src/hub/settings.ts"],
    why: "the environment is read in one file a house and handed on as an argument; the agent gets it from the command line",
  },
  {
    name: "process.exit",
    pattern: /\bprocess\s*\.\s*exit\s*\(/,
    only: ["src/main.ts"],
    why: "whoever ends the process takes every other room's clean-up away",
  },
];

type SourceFile = { readonly path: string; readonly imports: readonly Import[]; readonly code: string };

const files: readonly SourceFile[] = [...new Bun.Glob("src/**/*.{ts,tsx}").scanSync(top)].sort().map((path) => ({
  path,
  ...readSource(readFileSync(join(top, path), "utf8")),
}));

/** Where an import of one of our own files leads; undefined for a package. */
function target(file: string, specifier: string): string | undefined {
  if (specifier.startsWith("#src/")) return `src/${specifier.slice("#src/".length)}`;
  if (specifier.startsWith("#")) return specifier;
  if (!specifier.startsWith(".")) return undefined;
  return relative(top, join(top, file, "..", specifier));
}

const within = (path: string, room: string): boolean => path === room || path.startsWith(`${room}/`);

function rowOf(path: string): Row | undefined {
  return table.filter(({ room }) => within(path, room)).sort((a, b) => b.room.length - a.room.length)[0];
}

/** What is wrong with one import, or undefined. */
function verdict(file: string, { specifier, dynamic, typeOnly }: Import): string | undefined {
  const to = target(file, specifier);
  if (to === undefined || to === "package.json") return undefined;
  const row = rowOf(file);
  if (row === undefined) return `${file} is in no room of the table`;
  if (within(to, row.room)) return undefined;
  const lazily = dynamic && !typeOnly && (row.mayLoad ?? []).some((room) => within(to, room));
  if (!lazily && !row.mayImport.some((room) => within(to, room))) return `${file} imports ${to}: ${row.why}`;
  const hallway = hallways.find(({ house }) => within(to, house) && !within(file, house));
  if (hallway !== undefined && !hallway.files.includes(to))
    return `${file} reaches past the hallway to ${to}: ${hallway.why}`;
  return undefined;
}

const isOf = (specifier: string, module: string): boolean => {
  const name = specifier.replace(/^node:/, "");
  return name === module || name.startsWith(`${module}/`);
};

describe("the import table", () => {
  test("is kept by every file", () => {
    const broken = files.flatMap(({ path, imports }) => imports.map((entry) => verdict(path, entry) ?? []).flat());
    expect(broken).toEqual([]);
  });

  test("has a row for every room", () => {
    const rooms = new Set(
      files
        .map(({ path }) => path.split("/").slice(0, -1))
        .filter((parts) => parts.length <= 3)
        .map((parts) => parts.join("/")),
    );
    rooms.delete("src");
    // the command line's folders are one room
    const missing = [...rooms].filter((room) => !within(room, "src/cli") && !table.some((row) => row.room === room));
    expect(missing).toEqual([]);
  });

  test("has no stale row", () => {
    const named = [
      ...table.flatMap(({ room, mayImport, mayLoad = [] }) => [room, ...mayImport, ...mayLoad]),
      ...hallways.flatMap(({ house, files }) => [house, ...files]),
      ...doors.flatMap(({ only }) => only),
      ...words.flatMap(({ only }) => only),
    ];
    expect(named.filter((path) => !existsSync(join(top, path)))).toEqual([]);
  });

  test("would catch what it forbids", () => {
    const forbidden: readonly (readonly [string, string])[] = [
      ["src/agent/metrics/cpu.ts", 'import type { Script } from "../supervisor/ports.ts";'],
      ["src/agent/ipc/server.ts", 'import { createHub } from "#src/hub/hub.ts";'],
      ["src/agent/agent.ts", 'const hub = await import("#src/hub/hub.ts");'],
      ["src/lib/clock.ts", 'import { z } from "../protocol/schema.ts";'],
      ["src/cli/cli.ts", 'import { createAgent } from "#src/agent/agent.ts";'],
      ["src/cli/cli.ts", 'const lock = await import("#src/agent/daemon/lock.ts");'],
      ["src/hub/dashboard/app.tsx", 'export { open } from "../store/port.ts";'],
    ];
    for (const [file, text] of forbidden) {
      expect(readSource(text).imports.map((entry) => verdict(file, entry))).toEqual([expect.any(String)]);
    }
    const allowed = readSource('const { runAgent } = await import("#src/agent/foreground.ts");');
    expect(allowed.imports.map((entry) => verdict("src/cli/commands/agent.ts", entry))).toEqual([undefined]);
  });
});

describe("heavy modules have one door", () => {
  for (const { module, only, why } of doors) {
    test(`${module} is imported ${only.length === 0 ? "nowhere" : `in ${only.join(", ")} only`}`, () => {
      const users = files.filter(({ imports }) => imports.some(({ specifier }) => isOf(specifier, module)));
      const outside = users.map(({ path }) => path).filter((path) => !only.some((room) => within(path, room)));
      expect(outside.map((path) => `${path}: ${why}`)).toEqual([]);
    });
  }

  test("every package that the binary holds has one", () => {
    const names = Object.keys(manifest.dependencies);
    expect(names.filter((name) => !doors.some(({ module }) => module === name))).toEqual([]);
  });

  test("no package is imported that package.json doesn't name", () => {
    const known = [...Object.keys(manifest.dependencies), "bun"];
    const packages = files.flatMap(({ path, imports }) =>
      imports
        .filter(({ specifier }) => !/^(?:node:|bun:|\.|#)/.test(specifier))
        .filter(({ specifier }) => !known.some((name) => isOf(specifier, name)))
        .map(({ specifier }) => `${path} imports ${specifier}`),
    );
    expect(packages).toEqual([]);
  });
});

describe("words with one place", () => {
  for (const { name, pattern, only, why } of words) {
    test(`${name} stands in ${only.join(", ")} only`, () => {
      const users = files.filter(({ code }) => pattern.test(code)).map(({ path }) => path);
      expect(users.filter((path) => !only.some((room) => within(path, room))).map((path) => `${path}: ${why}`)).toEqual(
        [],
      );
    });
  }
});

describe("imports", () => {
  test("lead to files that exist", () => {
    const lost = files.flatMap(({ path, imports }) =>
      imports.flatMap(({ specifier }) => {
        const to = target(path, specifier);
        return to === undefined || existsSync(join(top, to)) ? [] : [`${path} imports ${to}`];
      }),
    );
    expect(lost).toEqual([]);
  });

  test("make no circle, types included", () => {
    const edges = new Map(
      files.map(({ path, imports }) => [
        path,
        // what is loaded later is no circle: both files are complete by then
        imports.filter(({ dynamic }) => !dynamic).map(({ specifier }) => target(path, specifier) ?? ""),
      ]),
    );
    const done = new Set<string>();
    const circles: string[] = [];
    const walk = (path: string, trail: readonly string[]): void => {
      const start = trail.indexOf(path);
      if (start !== -1) {
        circles.push([...trail.slice(start), path].join(" -> "));
        return;
      }
      if (done.has(path)) return;
      for (const next of edges.get(path) ?? []) walk(next, [...trail, path]);
      done.add(path);
    };
    for (const path of edges.keys()) walk(path, []);
    expect(circles).toEqual([]);
  });
});

describe("the scanner", () => {
  const rows: readonly (readonly [name: string, text: string, imports: readonly string[]])[] = [
    ["a plain import", 'import { a } from "x";', ["x"]],
    ["a type import", 'import type { A } from "x";', ["x type"]],
    ["types inside the braces", 'import { type A, type B } from "x";', ["x type"]],
    ["a type among values", 'import { type A, b } from "x";', ["x"]],
    ["a default and a namespace", 'import a, * as b from "x"; import c from "y";', ["x", "y"]],
    ["a side effect", "import 'x'", ["x"]],
    ["attributes", 'import a from "./a.json" with { type: "json" };', ["./a.json"]],
    ["several lines", 'import {\n  a,\n  type B,\n} from "x";\nimport { c } from "y";', ["x", "y"]],
    [
      "an export of another file",
      'export * from "x"; export { a } from "y"; export type { A } from "z";',
      ["x", "y", "z type"],
    ],
    ["a dynamic import", 'const a = await import("x");', ["x dynamic"]],
    ["a type by import()", 'type A = typeof import("x"); let b: import("y").B;', ["x type dynamic", "y dynamic"]],
    ["nothing in a comment", '// import "x"\n/* import "y" */ import "z";', ["z"]],
    ["nothing in a string", 'const a = "import \\"x\\""; const b = `import "y" ${c} import "z"`;', []],
    [
      "an import inside a template's expression",
      'const a = `x ${await import("y")} z`; import "w";',
      ["w", "y dynamic"],
    ],
    ["nothing in a regular expression", "const a = /import \"x\"/; const b = 1 / 2; import 'y';", ["y"]],
    ["past an apostrophe in a page's text", "const a = <p>don't</p>;\nimport 'x';", ["x"]],
    ["past an export without a source", 'export const a = 1;\nexport { b };\nimport { c } from "x";', ["x"]],
  ];
  for (const [name, text, imports] of rows) {
    test(`sees ${name}`, () => {
      const seen = readSource(text).imports.map(
        ({ specifier, typeOnly, dynamic }) => `${specifier}${typeOnly ? " type" : ""}${dynamic ? " dynamic" : ""}`,
      );
      expect(seen.sort()).toEqual([...imports].sort());
    });
  }

  test("leaves comments and strings out of the code", () => {
    const { code } = readSource('// process.env\nconst a = "process.env" + `process.env ${process.title}`;');
    expect(code).not.toContain("env");
    expect(code).toContain("process.title");
  });
});
