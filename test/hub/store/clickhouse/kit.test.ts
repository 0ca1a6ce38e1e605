import { describe, expect, setDefaultTimeout, test } from "bun:test";

import { haveClickhouse, startClickhouse } from "#test/kit/clickhouse.ts";

// starting databases takes its time where many tests run at once
setDefaultTimeout(60_000);

async function post(url: string, body: string, parameters: Record<string, string> = {}): Promise<Response> {
  const { origin, pathname } = new URL(url);
  const query = new URLSearchParams({ database: pathname.slice(1), ...parameters });
  return await fetch(`${origin}/?${query}`, { method: "POST", body });
}

describe.skipIf(!haveClickhouse)("the test's ClickHouse (needs ClickHouse)", () => {
  test("takes data, settings and parameters, refuses as ClickHouse does, and keeps its data", async () => {
    await using clickhouse = await startClickhouse();
    const url = await clickhouse.freshDatabase();
    expect(await (await fetch(`${clickhouse.url}/ping`)).text()).toBe("Ok.\n");
    await post(url, "CREATE TABLE t (n UInt32, m String) ENGINE = MergeTree ORDER BY n");
    const insert = { query: "INSERT INTO t (n, m) FORMAT JSONEachRow" };
    const body = await Bun.zstdCompress(Buffer.from('{"n":1,"m":"one; /* two"}\n{"n":2,"m":"\'quoted"}\n'));
    const address = `${clickhouse.url}/?${new URLSearchParams({ ...insert, database: new URL(url).pathname.slice(1) })}`;
    const taken = await fetch(address, {
      method: "POST",
      body: new Uint8Array(body),
      headers: { "content-encoding": "zstd" },
    });
    expect([taken.status, await taken.text()]).toEqual([200, ""]);

    const found = await post(url, "SELECT n, {text:String} AS t FROM t WHERE m = {m:String}", {
      param_m: "\\'quoted",
      param_text: "a\\tb {n:UInt8} '",
      default_format: "JSONEachRow",
      max_threads: "1",
    });
    expect(await found.json()).toEqual({ n: 2, t: "a\tb {n:UInt8} '" });

    const wrong = await post(url, "SELECT n FROM nowhere");
    expect([wrong.status, wrong.headers.get("x-clickhouse-exception-code")]).toEqual([404, "60"]);
    expect(await wrong.text()).toMatch(/^Code: 60\. DB::Exception: .*\(UNKNOWN_TABLE\)/);
    expect((await post(url, "SELEKT 1")).status).toBe(400);

    await clickhouse.kill();
    await clickhouse.start();
    expect(await (await post(url, "SELECT count() FROM t")).text()).toBe("2\n");
  });

  test("streams answers, ends queries whose reader has left, and misbehaves as asked", async () => {
    await using clickhouse = await startClickhouse({ password: "se:cret" });
    expect((await fetch(`${new URL(clickhouse.url).origin}/?query=SELECT+1`)).status).toBe(403);
    const ask = async (sql: string, signal?: AbortSignal) => {
      const address = `${new URL(clickhouse.url).origin}/?default_format=Native&query_id=q1`;
      const headers = { authorization: `Basic ${btoa("default:se:cret")}` };
      return await fetch(address, { method: "POST", body: sql, headers, ...(signal === undefined ? {} : { signal }) });
    };
    const bytes = await (await ask("SELECT number FROM numbers(1000000)")).bytes();
    expect(bytes.length).toBeGreaterThan(8_000_000);

    const leave = new AbortController();
    const slow = await ask(
      "SELECT sleepEachRow(0.02) FROM numbers(100000) SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0",
      leave.signal,
    );
    await slow.body?.getReader().read();
    leave.abort();
    const running =
      "SELECT count() FROM system.processes WHERE query LIKE '%sleepEachRow%' AND query NOT LIKE '%count()%'";
    while ((await clickhouse.ask(running)) !== "0\n") await Bun.sleep(10);

    await clickhouse.misbehave("refuse", 1, "SELECT 1");
    expect((await ask("SELECT 1")).status).toBe(503);
    await clickhouse.misbehave("cut", 1, "CREATE");
    expect(
      await ask("CREATE TABLE t (n UInt8) ENGINE = Memory")
        .then((response) => response.text())
        .catch(() => "cut"),
    ).toBe("cut");
    expect((await ask("EXISTS t")).status).toBe(200);
    expect(await clickhouse.ask("EXISTS t")).toBe("1\n");
  });
});
