import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { chownSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { sql } from "kysely";

import { systemClock } from "#src/lib/clock.ts";
import { openPostgres } from "#src/hub/store/postgres/connection.ts";
import { failureOf } from "#test/kit/failure.ts";
import { type TestDatabase, type TestPostgres, havePostgres, startPostgres } from "#test/kit/postgres.ts";
import { until } from "#test/kit/wait.ts";

const log = { info: () => undefined, warn: () => undefined };
const world = { clock: systemClock, log };
const canRun = havePostgres && Bun.which("pgbouncer") !== null;

function knowsStatements(): boolean {
  const said = Bun.spawnSync(["pgbouncer", "--version"]).stdout.toString();
  const [, major = "0", minor = "0"] = /(\d+)\.(\d+)/.exec(said) ?? [];
  return Number(major) > 1 || Number(minor) >= 21;
}

/** A PgBouncer before the server. `settings`: lines of pgbouncer.ini. */
async function startPooler(server: TestPostgres, database: TestDatabase, settings: readonly string[]) {
  const folder = join(server.socket, "pgbouncer");
  const { uid, gid } = statSync(server.socket);
  mkdirSync(folder);
  chownSync(folder, uid, gid);
  const at = new URL(database.url);
  writeFileSync(join(folder, "users"), `"${at.username}" "${decodeURIComponent(at.password)}"\n`);
  const port = await freePort();
  const lines = [
    "[databases]",
    `* = host=127.0.0.1 port=${server.port}`,
    "[pgbouncer]",
    "listen_addr = 127.0.0.1",
    `listen_port = ${port}`,
    "unix_socket_dir =",
    "auth_type = plain",
    `auth_file = ${join(folder, "users")}`,
    `logfile = ${join(folder, "log")}`,
    // newer ones can tell apart which connection has prepared what
    ...(knowsStatements() ? ["max_prepared_statements = 0"] : []),
    ...settings,
  ];
  writeFileSync(join(folder, "ini"), `${lines.join("\n")}\n`);
  // it refuses to run as root
  const become =
    process.getuid?.() === 0 ? ["setpriv", "--reuid", `${uid}`, "--regid", `${gid}`, "--clear-groups"] : [];
  const command = [...become, "pgbouncer", join(folder, "ini")];
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
  at.port = String(port);
  return {
    url: at.href,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise<unknown>((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port is free");
  return address.port;
}

/** Works on several connections at once; resolves with whether what is notified is heard. */
async function work(url: string): Promise<boolean> {
  const postgres = await openPostgres(url, world);
  try {
    const heard: (string | null)[] = [];
    postgres.listen("news", (payload) => void heard.push(payload));
    const many = Array.from({ length: 40 }, (_, n) => n);
    const answers = await Promise.all(
      many.map((n) =>
        (n % 2 === 0 ? postgres.queries() : postgres.control()).transaction().execute(async (within) => {
          await sql`SELECT pg_sleep(${0.001 * (n % 3)})`.execute(within);
          return (await sql<{ n: number }>`SELECT CAST(${n} AS int) AS n`.execute(within)).rows[0]?.n;
        }),
      ),
    );
    expect(answers).toEqual(many);
    const done = await postgres.exclusively("a thing", async (db) => (await sql`SELECT 1 AS one`.execute(db)).rows);
    expect(done).toEqual([{ one: 1 }]);
    await until(() => heard.length > 0, "listening");
    await sql`SELECT pg_notify('news', 'hello')`.execute(postgres.queries());
    return await until(() => heard.includes("hello"), "the notice", 1500).then(
      () => true,
      () => false,
    );
  } finally {
    await postgres.close();
  }
}

const ignoring = "ignore_startup_parameters = statement_timeout, idle_in_transaction_session_timeout";

// a loaded machine takes its time
setDefaultTimeout(60_000);

describe.skipIf(!canRun)("a database behind a pooler (needs PostgreSQL and PgBouncer)", () => {
  test("is as good as one without, when it keeps sessions together", async () => {
    await using server = await startPostgres();
    await using database = await server.freshDatabase();
    await using pooler = await startPooler(server, database, ["pool_mode = session", ignoring]);
    expect(await work(pooler.url)).toBe(true);
    const wrong = new URL(pooler.url);
    wrong.password = "swordfish";
    expect(await failureOf(openPostgres(wrong.href, world))).toMatchObject({
      code: "failed",
      message: expect.stringContaining("authentication failed"),
      hint: expect.stringContaining("Check user and password in databaseUrl"),
    });
  });

  test("is refused, without a wait, when it does not take a session's settings", async () => {
    await using server = await startPostgres();
    await using database = await server.freshDatabase();
    await using pooler = await startPooler(server, database, ["pool_mode = session"]);
    expect(await failureOf(openPostgres(pooler.url, world))).toMatchObject({
      code: "failed",
      message: expect.stringContaining("a pooler does not take what a session is to be set to: unsupported startup"),
      hint: expect.stringContaining(ignoring),
    });
  });

  test("is refused when it lets no transactions through", async () => {
    await using server = await startPostgres();
    await using database = await server.freshDatabase();
    await using pooler = await startPooler(server, database, ["pool_mode = statement", ignoring]);
    expect(await failureOf(openPostgres(`${pooler.url}?prepare=false`, world))).toMatchObject({
      code: "failed",
      message: expect.stringContaining("a pooler lets no transactions through: "),
      hint: "Set pool_mode = session in pgbouncer.ini",
    });
  });

  test("is refused when it mixes sessions up, and works without prepared statements", async () => {
    await using server = await startPostgres();
    await using database = await server.freshDatabase();
    await using pooler = await startPooler(server, database, ["pool_mode = transaction", ignoring]);
    expect(await failureOf(openPostgres(pooler.url, world))).toMatchObject({
      code: "failed",
      message: expect.stringContaining(
        "a pooler gives its sessions to several connections at once: prepared statement",
      ),
      hint: "Set pool_mode = session in pgbouncer.ini, or add prepare=false behind the question mark of databaseUrl",
    });
    // what is notified is lost there: hubs look each half a second anyway
    await work(`${pooler.url}?prepare=false`);
  });
});
