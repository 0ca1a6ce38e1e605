import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { noFigures, readFigures } from "#src/agent/containers/stats.ts";

import v1 from "./answers/cgroup-v1.json" with { type: "json" };
import v2 from "./answers/cgroup-v2.json" with { type: "json" };

type Answer = {
  readonly precpu_stats: { readonly cpu_usage: { readonly total_usage: number }; readonly system_cpu_usage: number };
};

const before = ({ precpu_stats: { cpu_usage, system_cpu_usage } }: Answer) => ({
  total: cpu_usage.total_usage,
  system: system_cpu_usage,
});

describe("the figures of an engine's answer", () => {
  test("are those of `docker stats` with cgroup v1", () => {
    expect(readFigures(v1, before(v1)).figures).toEqual({
      // 10,579,075 ns of 1,950,000,000 on 2 processors
      cpu: 1.09,
      memory: { usage: 4861952 - 16384, limit: 25276510208 },
      network: { rxBytes: 516, txBytes: 0 },
      blockIo: { readBytes: null, writtenBytes: null },
    });
  });

  test("are those of `docker stats` with cgroup v2", () => {
    expect(readFigures(v2, before(v2)).figures).toEqual({
      // 100,000,000 ns of 4,000,000,000 on 4 processors
      cpu: 10,
      memory: { usage: 73400320 - 21032960, limit: 536870912 },
      network: { rxBytes: 1648, txBytes: 100 },
      blockIo: { readBytes: 13631488, writtenBytes: 12288 },
    });
  });

  test("know the CPU's share only from the second answer on, and not across a restart", () => {
    const first = readFigures(v2, undefined);
    expect(first.figures.cpu).toBeNull();
    expect(readFigures(v2, first.sample).figures.cpu).toBeNull();
    expect(readFigures(v2, { total: 9_999_999_999_999, system: 1 }).figures.cpu).toBeNull();
  });

  test("count the processors of an engine that only lists them", () => {
    const { online_cpus: _, ...cpu_stats } = v1.cpu_stats;
    expect(readFigures({ ...v1, cpu_stats }, before(v1)).figures.cpu).toBe(1.09);
  });

  test("do not take off a cache that is larger than what is used, as the command does not", () => {
    const memory_stats = { usage: 10, limit: 20, stats: { total_inactive_file: 30, inactive_file: 4 } };
    expect(readFigures({ memory_stats }, undefined).figures.memory).toEqual({ usage: 6, limit: 20 });
    expect(readFigures({ memory_stats: { usage: 10 } }, undefined).figures.memory).toEqual({ usage: 10, limit: null });
  });

  test("are all unknown for a container that has ended", () => {
    expect(readFigures({ cpu_stats: { cpu_usage: {} }, memory_stats: {} }, undefined).figures).toEqual(noFigures);
  });

  test("are never negative, infinite or no number, whatever the engine says", () => {
    const value = fc.oneof(fc.double(), fc.constantFrom(-1, 0, 1e308, Number.NaN, "7", null, [], {}), fc.anything());
    const odd = fc.record(
      {
        cpu_stats: fc.record(
          {
            cpu_usage: fc.record({ total_usage: value, percpu_usage: value }),
            system_cpu_usage: value,
            online_cpus: value,
          },
          { requiredKeys: [] },
        ),
        memory_stats: fc.record(
          { usage: value, limit: value, stats: fc.record({ inactive_file: value }) },
          { requiredKeys: [] },
        ),
        networks: fc.oneof(value, fc.dictionary(fc.string(), fc.record({ rx_bytes: value, tx_bytes: value }))),
        blkio_stats: fc.record({
          io_service_bytes_recursive: fc.oneof(value, fc.array(fc.record({ op: value, value }))),
        }),
      },
      { requiredKeys: [] },
    );
    const sample = fc.option(fc.record({ total: fc.nat(), system: fc.nat() }), { nil: undefined });
    fc.assert(
      fc.property(fc.oneof(odd, fc.anything()), sample, (answer, earlier) => {
        const { cpu, memory, network, blockIo } = readFigures(answer, earlier).figures;
        for (const figure of [cpu, ...Object.values(memory), ...Object.values(network), ...Object.values(blockIo)]) {
          if (figure !== null) expect(Number.isNaN(figure) || figure < 0).toBe(false);
        }
        expect(cpu === null || Number.isFinite(cpu)).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });
});
