import { describe, expect, test } from "bun:test";

import { parseMappings, releaseOwnCode } from "#src/lib/own-memory.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";

const smaps = `00200000-01a39000 r--p 00000000 fe:00 8126584                            /usr/local/bin/orion
Size:              24804 kB
Rss:                5284 kB
Pss:                5284 kB
Anonymous:             0 kB
VmFlags: rd mr mw me sd 
7f0f87600000-7f0f87700000 rw-p 00000000 00:00 0 
Size:               1024 kB
Rss:                 396 kB
Anonymous:           396 kB
VmFlags: rd wr mr mw me ac sd 
`;

describe("mappings", () => {
  test("are read with their place, mode, file and sizes", () => {
    expect(parseMappings(smaps)).toEqual([
      {
        start: 0x200000n,
        end: 0x1a39000n,
        mode: "r--p",
        path: "/usr/local/bin/orion",
        residentBytes: 5284 * 1024,
        anonymousBytes: 0,
      },
      {
        start: 0x7f0f87600000n,
        end: 0x7f0f87700000n,
        mode: "rw-p",
        path: "",
        residentBytes: 396 * 1024,
        anonymousBytes: 396 * 1024,
      },
    ]);
  });

  test("of nonsense are none", () => {
    for (const text of ["", "\n\n", "nonsense", "00-zz r--p", smaps.slice(0, 90)])
      expect(parseMappings(text)).toEqual([]);
  });
});

describe("code that is given back", () => {
  test("comes again when it is needed: a program does its work as before, and holds less meanwhile", async () => {
    const code = `
      import { releaseOwnCode } from "${import.meta.resolve("#src/lib/own-memory.ts").replace("file://", "")}";
      const work = () => { let sum = 0; for (let i = 0; i < 300000; i++) sum += JSON.stringify({ i, s: String(i) }).length; return sum; };
      const rss = async () => Number(/VmRSS:\\s+(\\d+)/.exec(await Bun.file("/proc/self/status").text())[1]);
      const first = work(); const before = await rss();
      const released = releaseOwnCode(); const after = await rss();
      const again = []; for (let round = 0; round < 20; round++) { releaseOwnCode(); again.push(work() === first); }
      console.log(JSON.stringify({ released: released > 1e6, less: after < before, again: again.every(Boolean) }));
    `;
    await using program = startProgram([process.execPath, "-e", code]);
    expect(await program.exited).toBe(0);
    expect(JSON.parse(program.output())).toEqual({ released: true, less: true, again: true });
  });

  test("is only this program's own, read-only and never written", async () => {
    await using folder = temporaryFolder();
    await Bun.write(folder.at("smaps"), smaps.replace("Anonymous:             0 kB", "Anonymous:             4 kB"));
    expect(releaseOwnCode(folder.at("smaps"), "/usr/local/bin/orion")).toBe(0);
    await Bun.write(folder.at("smaps"), smaps.replace("r--p", "rw-p"));
    expect(releaseOwnCode(folder.at("smaps"), "/usr/local/bin/orion")).toBe(0);
    await Bun.write(folder.at("smaps"), smaps);
    expect(releaseOwnCode(folder.at("smaps"), "/usr/local/bin/other")).toBe(0);
  });
});
