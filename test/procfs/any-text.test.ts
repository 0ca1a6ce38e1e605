/** Any bytes into any parser: nothing is thrown, and no number is negative or none. */
import { describe, expect, test } from "bun:test";
import { readFileSync, readdirSync, statSync } from "node:fs";
import * as fc from "fast-check";
import { parseAuxv } from "#src/procfs/auxv.ts";
import { parseBootId } from "#src/procfs/boot-id.ts";
import { parseLoadavg } from "#src/procfs/loadavg.ts";
import { parseMeminfo } from "#src/procfs/meminfo.ts";
import { filesystemTypeAt } from "#src/procfs/mountinfo.ts";
import { parseNetDev } from "#src/procfs/net-dev.ts";
import { parseBondMembers, parseVlanParents } from "#src/procfs/net-stacks.ts";
import { parseProcessStat } from "#src/procfs/process.ts";
import { parseStat } from "#src/procfs/stat.ts";
import { parseUptime } from "#src/procfs/uptime.ts";

const root = `${import.meta.dir}/../fixtures/proc`;
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).map((path) => `${root}/${path}`);

/** The files of all odd machines whose path ends so; not the one with the long line of interrupts, which only takes time. */
const like = (end: string) =>
  files
    .filter((path) => path.endsWith(end) && !path.includes("many-cpus"))
    .filter((path) => statSync(path).isFile())
    .map((path) => readFileSync(path, "utf8"));

/** Each parser with texts that are near to what it expects. */
const parsers: Record<string, { parse: (text: string) => unknown; texts: string[] }> = {
  stat: { parse: parseStat, texts: like("/stat") },
  meminfo: { parse: parseMeminfo, texts: like("/meminfo") },
  loadavg: { parse: parseLoadavg, texts: like("/loadavg") },
  uptime: { parse: parseUptime, texts: like("/uptime") },
  bootId: { parse: parseBootId, texts: ["d9f3a5c8-1b2c-4d3e-8f90-0123456789ab\n"] },
  netDev: { parse: parseNetDev, texts: like("/net/dev") },
  bonding: { parse: parseBondMembers, texts: like("/bonding/uplink") },
  vlan: { parse: parseVlanParents, texts: like("/vlan/config") },
  mountinfo: {
    parse: (text) => filesystemTypeAt(text, "/some/path"),
    texts: [readFileSync("/proc/self/mountinfo", "utf8").slice(0, 5000)],
  },
  process: { parse: parseProcessStat, texts: [readFileSync("/proc/self/stat", "utf8")] },
  auxv: {
    parse: (text) => parseAuxv(Buffer.from(text, "latin1")),
    texts: [readFileSync("/proc/self/auxv").toString("latin1")],
  },
};

/** One of the texts with one piece of it replaced by something else. */
const mutated = (texts: string[]) =>
  fc
    .tuple(
      fc.constantFrom(...texts),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.nat(40),
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.constantFrom("", "-1", "1e999", "NaN", "99999999999999999999999", "\0", "\n", ":", "|", ") "),
      ),
    )
    .map(([text, where, length, piece]) => {
      const at = Math.floor(where * text.length);
      return text.slice(0, at) + piece + text.slice(at + length);
    });

function expectSoundNumbers(value: unknown): void {
  if (typeof value === "number") expect(Number.isFinite(value) && value >= 0).toBe(true);
  else if (value instanceof Map) for (const inner of value.values()) expectSoundNumbers(inner);
  else if (typeof value === "object" && value !== null)
    for (const inner of Object.values(value)) expectSoundNumbers(inner);
}

describe("any text", () => {
  for (const [name, { parse, texts }] of Object.entries(parsers)) {
    test(`is survived by the parser of ${name}`, () => {
      fc.assert(
        fc.property(fc.oneof(fc.string({ unit: "binary", maxLength: 2000 }), mutated(texts)), (text) => {
          expectSoundNumbers(parse(text));
        }),
        { numRuns: 1000 },
      );
    });
  }
});
