import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, chownSync, copyFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sql } from "kysely";

import { systemClock } from "#src/lib/clock.ts";
import { Fault } from "#src/protocol/fault.ts";
import { faultOf, openPostgres } from "#src/hub/store/postgres/connection.ts";
import { type Certificate, createAuthority } from "#test/agent/delivery/authority.ts";
import { failureOf } from "#test/kit/failure.ts";
import { type TestDatabase, type TestPostgres, havePostgres, startPostgres } from "#test/kit/postgres.ts";
import { until } from "#test/kit/wait.ts";

const log = { info: () => undefined, warn: () => undefined };
const world = { clock: systemClock, log };

/** New connections meet `certificate` from now on; null: the server speaks no TLS. */
async function present(server: TestPostgres, certificate: Certificate | null): Promise<void> {
  if (certificate === null) {
    await server.query("ALTER SYSTEM SET ssl = off");
  } else {
    const { uid, gid } = statSync(server.socket);
    const own = (file: string) => {
      const copy = join(server.socket, file.replaceAll("/", "-"));
      copyFileSync(file, copy);
      chownSync(copy, uid, gid);
      // it refuses a key that others may read
      chmodSync(copy, 0o600);
      return copy;
    };
    await server.query(`ALTER SYSTEM SET ssl_cert_file = '${own(certificate.cert)}'`);
    await server.query(`ALTER SYSTEM SET ssl_key_file = '${own(certificate.key)}'`);
    await server.query("ALTER SYSTEM SET ssl = on");
  }
  await server.query("SELECT pg_reload_conf()");
  const wanted = certificate === null ? "off" : certificate.cert.replaceAll("/", "-");
  await until(async () => {
    const [now] = await server.query("SELECT current_setting('ssl') AS ssl, current_setting('ssl_cert_file') AS cert");
    return certificate === null ? now?.["ssl"] === wanted : String(now?.["cert"]).endsWith(wanted);
  }, "the server's certificate");
}

/** How many of a hub's sessions are encrypted, and how many are not, one of each pool and the one that listens. */
async function sessionsOf(database: TestDatabase, options: string): Promise<Record<string, unknown>[]> {
  const postgres = await openPostgres(database.url + options, world);
  try {
    let heard = 0;
    postgres.listen("news", () => void heard++);
    const pools = [postgres.queries(), postgres.searches(), postgres.control(), postgres.patient()];
    await Promise.all(pools.map((pool) => sql`SELECT 1`.execute(pool)));
    await until(() => heard > 0, "listening");
    return await database.query(
      `SELECT ssl AS encrypted, bool_or(query LIKE 'LISTEN%') AS listens FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
       WHERE application_name = 'orion-hub' AND datname = current_database() GROUP BY ssl`,
    );
  } finally {
    await postgres.close();
  }
}

/** Why a hub does not start with it. */
async function refusal(database: TestDatabase, options: string): Promise<string> {
  const fault = await failureOf(openPostgres(database.url + options, { ...world, times: { start: 0 } }));
  if (!(fault instanceof Fault)) throw fault;
  expect(fault.oneLine).not.toContain("of:orion");
  return `${fault.code}: ${fault.oneLine}`;
}

// a loaded machine takes its time
setDefaultTimeout(60_000);

describe.skipIf(!havePostgres)("an encrypted connection to the database (needs PostgreSQL)", () => {
  test("is as safe as sslmode says, whatever it is for", async () => {
    await using server = await startPostgres();
    await using database = await server.freshDatabase();
    await using authority = createAuthority();
    const ca = `&sslrootcert=${encodeURIComponent(authority.caFile)}`;
    const open = [{ encrypted: false, listens: true }];
    expect(await sessionsOf(database, "?sslmode=prefer")).toEqual(open);
    for (const mode of ["require", "verify-ca", "verify-full"]) {
      expect(await refusal(database, `?sslmode=${mode}`)).toBe(
        `failed: can't use the database at 127.0.0.1:${server.port}: Server does not support SSL. Check sslmode and sslrootcert in databaseUrl`,
      );
    }

    await present(server, authority.sign("IP:127.0.0.1"));
    const encrypted = [{ encrypted: true, listens: true }];
    for (const options of ["", "?sslmode=disable"]) expect(await sessionsOf(database, options)).toEqual(open);
    for (const options of ["prefer", "require", `verify-ca${ca}`, `verify-full${ca}`]) {
      expect(await sessionsOf(database, `?sslmode=${options}`)).toEqual(encrypted);
    }

    const rules = join(server.socket, "data", "pg_hba.conf");
    writeFileSync(rules, readFileSync(rules, "utf8").replaceAll(/^host /gm, "hostssl "));
    await server.query("SELECT pg_reload_conf()");
    await until(async () => {
      const [{ count } = { count: 0 }] = await server.query(
        "SELECT CAST(count(*) AS int) AS count FROM pg_hba_file_rules WHERE type = 'host'",
      );
      return count === 0;
    }, "the rules");
    expect(await refusal(database, "")).toEndWith(
      "It may take encrypted connections only: add ?sslmode=verify-full to databaseUrl",
    );
    expect(await sessionsOf(database, `?sslmode=verify-full${ca}`)).toEqual(encrypted);
  });

  test("is refused with what is wrong with the certificate, and what to do", async () => {
    await using server = await startPostgres();
    await using database = await server.freshDatabase();
    await using authority = createAuthority();
    await using stranger = createAuthority();
    const by = (file: string) => `&sslrootcert=${encodeURIComponent(file)}`;
    const place = `can't use the database at 127.0.0.1:${server.port}`;

    await present(server, authority.sign("IP:127.0.0.1"));
    const unknown = `failed: ${place}: its certificate is from an authority that is not trusted here: `;
    for (const options of ["verify-ca", "verify-full", `verify-full${by(stranger.caFile)}`]) {
      const told = await refusal(database, `?sslmode=${options}`);
      expect(told).toStartWith(unknown);
      expect(told).toEndWith("in databaseUrl: sslrootcert=/etc/orion/postgres-ca.pem");
    }
    expect(await refusal(database, `?sslmode=verify-full${by("/nowhere/ca.pem")}`)).toMatch(
      /^invalid: can't read sslrootcert of databaseUrl: .*\/nowhere\/ca\.pem.* Give it the path of a PEM file/,
    );
    expect(await refusal(database, `?sslmode=verify-full${by("/etc/passwd")}`)).toStartWith(
      "invalid: sslrootcert of databaseUrl holds no certificate: /etc/passwd. ",
    );
    expect(await refusal(database, "?sslmode=sometimes")).toStartWith("invalid: databaseUrl can't be used. ");

    await present(server, authority.sign("DNS:elsewhere.example"));
    expect(await refusal(database, `?sslmode=verify-full${by(authority.caFile)}`)).toStartWith(
      `failed: ${place}: its certificate is not for 127.0.0.1: `,
    );
    expect(await sessionsOf(database, `?sslmode=verify-ca${by(authority.caFile)}`)).toEqual([
      { encrypted: true, listens: true },
    ]);

    await present(server, authority.sign("IP:127.0.0.1", "20200101000000Z", "20200102000000Z"));
    expect(await refusal(database, `?sslmode=verify-full${by(authority.caFile)}`)).toStartWith(
      `failed: ${place}: its certificate is not good: certificate has expired. Renew it `,
    );
  });

  test("that meets another certificate later is away until that is mended", async () => {
    await using server = await startPostgres();
    await using database = await server.freshDatabase();
    await using authority = createAuthority();
    await using stranger = createAuthority();
    const good = authority.sign("IP:127.0.0.1");
    await present(server, good);
    const url = `${database.url}?sslmode=verify-full&sslrootcert=${encodeURIComponent(authority.caFile)}`;
    const postgres = await openPostgres(url, { ...world, times: { connection: 1500, control: 1500 } });
    try {
      const one = async () => await sql`SELECT 1 AS one`.execute(postgres.queries());
      await one();
      await present(server, stranger.sign("IP:127.0.0.1"));
      await server.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'orion-hub'");
      await until(async () => {
        const fault = await one().then(() => undefined, faultOf);
        expect(fault?.code ?? "unavailable").toBe("unavailable");
        return /certificate/.test(fault?.message ?? "");
      }, "the refusal");
      await present(server, good);
      await until(
        async () =>
          await one().then(
            () => true,
            () => false,
          ),
        "the database",
      );
    } finally {
      await postgres.close();
    }
  });
});
