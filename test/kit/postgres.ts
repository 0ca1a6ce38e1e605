/**
 * A real PostgreSQL for tests: one for each test process, on a free TCP port and a Unix socket, with a database for each
 * test. It goes away with the process, however that ends.
 */
import { existsSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { SQL } from "bun";

import { alive, until } from "./wait.ts";

/** Where Debian keeps what is not in PATH, one folder a version. */
const debian = "/usr/lib/postgresql";
/** The role that hubs sign in as: owner of its databases and nothing more. Its password must be encoded in a URL. */
const role = "orion";
const password = "pass word/of:orion@";

const root = process.getuid?.() === 0;

/** Where the server's programs are: the one in PATH, else the newest of Debian's. */
function findBinaries(): string | undefined {
  const inPath = Bun.which("initdb");
  if (inPath !== null) return dirname(realpathSync(inPath));
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => join(debian, version, "bin")).find((bin) => existsSync(join(bin, "initdb")));
}

/** What a killed server has written the kernel keeps: only a loss of power would need the disk. */
const speed = [
  "fsync=off",
  "full_page_writes=off",
  "max_connections=300",
  "shared_buffers=32MB",
  "log_checkpoints=off",
];

const binaries = findBinaries();

/** Whether tests that need PostgreSQL can run: `describe.skipIf(!havePostgres)("... (needs PostgreSQL)", ...)`. */
export const havePostgres: boolean =
  binaries !== undefined && ["setsid", "setpriv"].every((program) => Bun.which(program) !== null);
if (!havePostgres && process.env["CI"] === "true") {
  throw new Error("PostgreSQL is missing: apt-get install postgresql");
}

export type TestDatabase = AsyncDisposable & {
  /** with the hubs' role and its password, over TCP */
  readonly url: string;
  readonly name: string;
  /** Runs SQL in it as superuser. */
  query(sql: string): Promise<Record<string, unknown>[]>;
};

export type TestPostgres = AsyncDisposable & {
  readonly port: number;
  /** of the postmaster, whose children are the sessions; 0: it does not run */
  pid(): number;
  /** the folder of the Unix socket; there, `postgres` needs no password */
  readonly socket: string;
  /** An empty database that goes away with the test: `await using database = await postgres.freshDatabase()`. */
  freshDatabase(): Promise<TestDatabase>;
  /** Runs SQL as superuser. */
  query(sql: string, database?: string): Promise<Record<string, unknown>[]>;
  /** Ends it and all connections, as for an update of the server. */
  stop(): Promise<void>;
  /** Ends it at once, without a checkpoint: it recovers at its next start, as after a loss of power. */
  kill(): Promise<void>;
  /** Starts it again on the same port with the same data; resolves once it takes connections. */
  start(): Promise<void>;
  /** Stops the server where it is, as a machine that hangs, until `resume`. */
  pause(): void;
  resume(): void;
};

let shared: Promise<TestPostgres> | undefined;

/** The process's own PostgreSQL. Whoever stops it starts it again before the test ends. */
export async function sharedPostgres(): Promise<TestPostgres> {
  shared ??= startPostgres();
  try {
    return await shared;
  } catch (error) {
    // a test that runs out of time takes its children with it; the next one tries again
    shared = undefined;
    throw error;
  }
}

/** An empty database of the process's own PostgreSQL. */
export async function freshDatabase(): Promise<TestDatabase> {
  return await (await sharedPostgres()).freshDatabase();
}

/**
 * Runs the server until that ends, or until this process has ended, which it needs no word of: it may have been killed.
 * It is nobody's child, because Bun's test runner kills the children of tests that take too long.
 */
const keeper = `
folder=$1; parent=$2; shift 2
"$@" >>"$folder/log" 2>&1 </dev/null &
pid=$!
echo "$pid" >"$folder/new-pid"; mv "$folder/new-pid" "$folder/pid"
while [ -e "/proc/$pid/exe" ] && [ -e "/proc/$parent/exe" ]; do sleep 0.3; done
if [ ! -e "/proc/$parent/exe" ]; then
  kill -CONT "$pid" $(cat "/proc/$pid/task/$pid/children")
  kill -QUIT "$pid"
  wait "$pid"
  rm -rf "$folder"
fi
`;

/** Starts a PostgreSQL of its own. */
export async function startPostgres(): Promise<TestPostgres> {
  if (binaries === undefined) throw new Error("PostgreSQL is missing: apt-get install postgresql");
  const folder = mkdtempSync(join(tmpdir(), "orion-pg-"));
  const data = join(folder, "data");
  // it refuses to run as root
  const user = root ? nobody() : "";
  const become = root ? ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--"] : [];
  if (root) await run(["chown", `${user}:${user}`, folder]);
  const rules = ["--auth-local=trust", "--auth-host=scram-sha-256"];
  const initdb = [join(binaries, "initdb"), "-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"];
  await run([...become, ...initdb, ...rules]);

  let port = 0;
  let serverPid = 0;
  let databases = 0;

  async function launch(): Promise<void> {
    const places = [`unix_socket_directories=${folder}`, "listen_addresses=127.0.0.1", `port=${port}`];
    const settings = [...speed, ...places].flatMap((setting) => ["-c", setting]);
    const command = ["setsid", "--fork", "sh", "-c", keeper, "sh", folder, String(process.pid), ...become];
    const postgres = [join(binaries ?? "", "postgres"), "-D", data, ...settings];
    const pidFile = join(folder, "pid");
    rmSync(pidFile, { force: true });
    await run([...command, ...postgres], "ignore");
    const pid = await until(() => existsSync(pidFile) && Number(readFileSync(pidFile, "utf8")), "PostgreSQL's pid");
    await until(async () => !(await alive(pid)) || (await answers()), "PostgreSQL's start", 60_000);
    if (!(await alive(pid))) {
      throw new Error(`PostgreSQL did not start: ${readFileSync(join(folder, "log"), "utf8").slice(-2000)}`);
    }
    serverPid = pid;
  }

  async function answers(): Promise<boolean> {
    // exit code 0: it takes connections
    const ask = [join(binaries ?? "", "pg_isready"), "-q", "-h", folder, "-p", String(port)];
    return (await Bun.spawn(ask, { stdout: "ignore", stderr: "ignore" }).exited) === 0;
  }

  async function end(signal: "SIGINT" | "SIGQUIT"): Promise<void> {
    const pid = serverPid;
    if (pid === 0) return;
    process.kill(pid, signal);
    await until(async () => !(await alive(pid)), "PostgreSQL's end");
    serverPid = 0;
  }

  async function query(sql: string, database = "postgres"): Promise<Record<string, unknown>[]> {
    await using client = new SQL({ adapter: "postgres", path: folder, port, username: "postgres", database, max: 1 });
    const rows: Record<string, unknown>[] = await client.unsafe(sql);
    return [...rows];
  }

  function signalAll(signal: "SIGSTOP" | "SIGCONT"): void {
    const pid = serverPid;
    if (pid === 0) return;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean);
    for (const each of [pid, ...children.map(Number)]) process.kill(each, signal);
  }

  for (let tries = 1; serverPid === 0; tries++) {
    port = await freePort();
    try {
      await launch();
    } catch (error) {
      // somebody else may have taken the port in between
      if (tries === 3) throw error;
    }
  }
  await query(`CREATE ROLE ${role} LOGIN PASSWORD '${password}'`);

  return {
    port,
    pid: () => serverPid,
    socket: folder,
    query,
    async freshDatabase() {
      const name = `orion_${process.pid}_${++databases}`;
      await query(`CREATE DATABASE ${name} OWNER ${role}`);
      return {
        name,
        url: `postgres://${role}:${encodeURIComponent(password)}@127.0.0.1:${port}/${name}`,
        query: (sql) => query(sql, name),
        async [Symbol.asyncDispose]() {
          if (serverPid !== 0) await query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
        },
      };
    },
    stop: () => end("SIGINT"),
    kill: () => end("SIGQUIT"),
    start: launch,
    pause: () => signalAll("SIGSTOP"),
    resume: () => signalAll("SIGCONT"),
    async [Symbol.asyncDispose]() {
      signalAll("SIGCONT");
      await end("SIGQUIT");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Debian's own user for it, else nobody. */
function nobody(): string {
  return Bun.spawnSync(["id", "postgres"], { stdout: "ignore", stderr: "ignore" }).success ? "postgres" : "nobody";
}

async function run(command: readonly string[], stderr: "inherit" | "ignore" = "inherit"): Promise<void> {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "ignore", stderr, cwd: "/" });
  const code = await child.exited;
  if (code !== 0) throw new Error(`${command.join(" ")}: exit code ${code}`);
}

/** A port that nobody listens on at this moment. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise<unknown>((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port is free");
  return address.port;
}
