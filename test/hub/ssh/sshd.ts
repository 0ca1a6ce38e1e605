/** A real sshd of a test's own, on a free port of this machine, that lets the user of the test in by key. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";

import type { SshTarget } from "#src/hub/ssh/port.ts";
import { temporaryFolder } from "#test/kit/folder.ts";
import { startProgram } from "#test/kit/program.ts";
import { until } from "#test/kit/wait.ts";

export type Sshd = AsyncDisposable & {
  readonly port: number;
  readonly user: string;
  /** as `ssh-keygen -l` prints it */
  readonly hostKey: string;
  /** the path of something in its folder */
  at(...parts: string[]): string;
  /** A target that is let in, with what a test wants otherwise. */
  target(change?: Partial<SshTarget>): SshTarget;
  /** Lets another key in. */
  authorize(publicKey: string): void;
  output(): string;
};

const program = "/usr/sbin/sshd";

/** Why there can be no sshd here, or undefined. With CI=true whatever is missing is a failure. */
export function sshdMissing(): string | undefined {
  if (process.env["CI"] === "true") return undefined;
  if (Bun.which(program) === null) return "needs sshd (openssh-server)";
  return Bun.which("ssh-keygen") === null ? "needs ssh-keygen (openssh-client)" : undefined;
}

/** Makes a key pair at `path`. */
export function makeKey(path: string, ...words: readonly string[]): void {
  const made = Bun.spawnSync(["ssh-keygen", "-q", "-f", path, ...words], { stdin: "ignore", stderr: "pipe" });
  if (made.exitCode !== 0) throw new Error(`ssh-keygen: ${made.stderr.toString()}`);
}

/** Starts it with `extra` lines of sshd_config(5). */
export async function startSshd(extra: readonly string[] = []): Promise<Sshd> {
  const folder = temporaryFolder("orion-sshd-");
  // userInfo() of Bun asks the environment, which may not say
  const user = Bun.spawnSync(["id", "-un"]).stdout.toString().trim();
  makeKey(folder.at("host"), "-t", "ed25519", "-N", "");
  makeKey(folder.at("user"), "-t", "ed25519", "-N", "");
  const authorized = folder.at("authorized_keys");
  writeFileSync(authorized, readFileSync(folder.at("user.pub")), { mode: 0o600 });
  // its privilege separation wants this folder, which a machine without sshd as a service does not have
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  for (let tries = 0; ; tries++) {
    const port = await freePort();
    const lines = [
      // the first of two equal words counts
      ...extra,
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${folder.at("host")}`,
      `PidFile ${folder.at("pid")}`,
      `AuthorizedKeysFile ${authorized}`,
      "StrictModes no",
      "UsePAM no",
      "PasswordAuthentication no",
      "PermitRootLogin yes",
      "LogLevel VERBOSE",
    ];
    writeFileSync(folder.at("config"), `${lines.join("\n")}\n`);
    const running = startProgram([program, "-D", "-e", "-f", folder.at("config")]);
    let ended = false;
    void running.exited.then(() => (ended = true));
    const up = () => running.output().includes("Server listening");
    await until(() => up() || ended, "sshd");
    if (!up()) {
      await running[Symbol.asyncDispose]();
      if (tries < 3 && running.output().includes("already in use")) continue;
      throw new Error(`sshd did not start: ${running.output()}`);
    }
    const hostKey = fingerprint(folder.at("host.pub"));
    const privateKey = readFileSync(folder.at("user"), "utf8");
    return {
      port,
      user,
      hostKey,
      at: (...parts) => folder.at(...parts),
      output: () => running.output(),
      authorize: (publicKey) => writeFileSync(authorized, `${publicKey.trim()}\n`, { flag: "a" }),
      target: (change = {}) => ({
        host: "127.0.0.1",
        port,
        user,
        credentials: { kind: "key", privateKey, passphrase: null },
        hostKey,
        sudo: "none",
        sudoPassword: null,
        jump: null,
        ...change,
      }),
      async [Symbol.asyncDispose]() {
        await running[Symbol.asyncDispose]();
        await folder[Symbol.asyncDispose]();
      },
    };
  }
}

/** The fingerprint of a public key file, as OpenSSH tells it. */
export function fingerprint(path: string): string {
  return Bun.spawnSync(["ssh-keygen", "-l", "-f", path]).stdout.toString().split(" ")[1] ?? "";
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === "string") throw new Error("no port is free");
  return address.port;
}
