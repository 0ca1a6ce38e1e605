import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { openClickhouse } from "#src/hub/store/clickhouse/client.ts";
import { systemClock } from "#src/lib/clock.ts";
import { Fault } from "#src/protocol/fault.ts";
import { haveClickhouse, sharedClickhouse, startClickhouse } from "#test/kit/clickhouse.ts";
import { failureOf } from "#test/kit/failure.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

const log = { info: () => undefined };
const world = { clock: systemClock, log, cluster: null, startMs: 0 };

/** A server that answers everything with one thing. */
function serve(answer: () => Response) {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer });
  return {
    url: `http://someone:s3cr3t@127.0.0.1:${server.port}`,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

function textOf(error: unknown): string {
  if (!(error instanceof Fault)) throw error;
  return `${error.code}: ${error.oneLine}`;
}

describe("an address of ClickHouse", () => {
  for (const [name, url] of [
    ["without a scheme", "s3cr3t@host"],
    ["with another scheme", "clickhouse://someone:s3cr3t@host"],
    ["with a password that is not encoded", "http://someone:s3cr3t%@host"],
    ["with a path that is no name", "http://someone:s3cr3t@host/a/b"],
  ] as const) {
    test(`${name} is refused, and its password not told`, async () => {
      const text = textOf(await failureOf(openClickhouse(url, world)));
      expect(text).toStartWith("invalid: ");
      expect(text).not.toContain("s3cr3t");
    });
  }

  test("where nobody answers says where it looked", async () => {
    await using server = serve(() => new Response());
    const { port } = new URL(server.url);
    await server[Symbol.asyncDispose]();
    const text = textOf(await failureOf(openClickhouse(`http://someone:s3cr3t@127.0.0.1:${port}`, world)));
    expect(text).toStartWith(`unavailable: can't reach ClickHouse at 127.0.0.1:${port}`);
    expect(text).not.toContain("s3cr3t");
  });

  test("of a server that is too old says how old", async () => {
    await using server = serve(() => new Response('{"version":"22.3.20.29"}\n'));
    expect(textOf(await failureOf(openClickhouse(server.url, world)))).toMatch(
      /^failed: ClickHouse at 127\.0\.0\.1:\d+ is too old: 22\.3\.20\.29\. The hub needs ClickHouse 23\.8 or newer$/,
    );
  });

  test("of something that is no ClickHouse is refused", async () => {
    await using server = serve(() => new Response("<html>s3cr3t?</html>"));
    expect(await failureOf(openClickhouse(server.url, world))).toBeInstanceOf(Fault);
  });
});

describe.skipIf(!haveClickhouse)("a connection to ClickHouse (needs ClickHouse)", () => {
  test("makes its database, binds parameters and says what is wrong with a query", async () => {
    await using clickhouse = await startClickhouse({ password: "s3:cr/et@" });
    const url = new URL("/some_logs", clickhouse.url);
    const client = await openClickhouse(url.href, world);
    const parameters = { text: "it's \\ a\ttext\n{x:String}" };
    expect(await client.rows("SELECT {text: String} AS text, currentDatabase() AS own", { parameters })).toEqual([
      { ...parameters, own: "some_logs" },
    ]);
    const wrong = textOf(await failureOf(client.rows("SELECT * FROM nowhere")));
    expect(wrong).toMatch(/^failed: ClickHouse at 127\.0\.0\.1:\d+ says: .*nowhere.*\(UNKNOWN_TABLE\)\. See/);
    await client.close();
    url.password = "wrong";
    const refused = textOf(await failureOf(openClickhouse(url.href, world)));
    expect(refused).toStartWith("denied: ");
    expect(refused).not.toMatch(/wrong@|s3:cr/);
  });

  test("waits for a server that is starting, and gives a slow one up", async () => {
    await using clickhouse = await startClickhouse();
    await clickhouse.stop();
    const opening = openClickhouse(clickhouse.url, { ...world, startMs: 30_000 });
    await clickhouse.start();
    const client = await opening;
    expect(textOf(await failureOf(client.rows("SELECT sleep(3)", { timeoutMs: 100 })))).toMatch(
      /^unavailable: .*no answer within 100 ms/,
    );
    await client.close();
  });

  test("ends a query whose reader has had enough", async () => {
    const clickhouse = await sharedClickhouse();
    const client = await openClickhouse(await clickhouse.freshDatabase(), world);
    for await (const block of client.blocks(
      "SELECT sleepEachRow(0.01) AS s, 'until enough' AS t FROM numbers(100000)",
      {
        settings: { max_block_size: "1", function_sleep_max_microseconds_per_block: "0" },
      },
    )) {
      expect(block.rows).toBe(1);
      break;
    }
    const running =
      "SELECT count() AS n FROM system.processes WHERE query LIKE '%until enough%' AND query NOT LIKE '%count%'";
    while ((await client.rows<{ n: number }>(running))[0]?.n !== 0) await Bun.sleep(10);
    await client.close();
  });
});
