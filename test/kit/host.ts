/**
 * A whole Debian host for a test: systemd, sshd and curl in a container, with a network of its own, that can be
 * rebooted. Its image is made by scripts/test-host-image.sh, which test.sh runs before the tests.
 */
import { resolve } from "node:path";

export type HostOutcome = { readonly code: number; readonly stdout: string; readonly stderr: string };

export type Host = AsyncDisposable & {
  /** the container's name, for `docker …` */
  readonly name: string;
  /** where this machine reaches it */
  readonly address: string;
  /** where it reaches this machine: listen there, and only it and its like can connect */
  readonly gateway: string;
  /** Runs `sh -c command` as root; `input` goes to its standard input. */
  exec(command: string, input?: string): Promise<HostOutcome>;
  /** The same, giving what it printed, without the last newline. Throws with everything it said when it fails. */
  run(command: string, input?: string): Promise<string>;
  /** Runs `command` until it succeeds. Throws after `withinMs` with its last words and the newest log lines. */
  until(command: string, withinMs?: number): Promise<string>;
  /** Copies a file or folder of this machine to `to`. */
  copyIn(from: string, to: string): Promise<void>;
  /** Turns it off and on again, and waits until it is up. */
  reboot(): Promise<void>;
  /** The newest lines of its journal, for a failure's message. */
  journal(lines?: number): Promise<string>;
};

const hostname = "host-under-test";
const imageScript = resolve(import.meta.dir, "../../scripts/test-host-image.sh");

/** Why no host can be started here, or undefined when one can. With CI=true whatever is missing is brought or fails. */
export function hostMissing(): string | undefined {
  if (process.env["CI"] === "true") return undefined;
  if (Bun.which("docker") === null) return "needs Docker";
  if (Bun.spawnSync(["docker", "info"], { stdout: "ignore", stderr: "ignore" }).exitCode !== 0) {
    return "needs a running Docker engine";
  }
  const found = Bun.spawnSync(["bash", imageScript, "--if-there"], { stdout: "ignore", stderr: "ignore" });
  return found.exitCode === 0 ? undefined : "needs the image of scripts/test-host-image.sh";
}

let counter = 0;

/** Starts a host, up and running. Disposing it takes it away with everything in it. */
export async function startHost(): Promise<Host> {
  const image = await output(["bash", imageScript]);
  const name = `orion-test-${process.pid}-${Date.now().toString(36)}-${counter++}`;
  // systemd needs its own cgroups and a few mounts; see systemd's "container interface"
  const flags =
    "--cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined --cgroupns=host";
  const mounts = "--volume /sys/fs/cgroup:/sys/fs/cgroup:rw --tmpfs /run --tmpfs /run/lock --tmpfs /tmp:exec";
  const manners = `--env container=docker --stop-signal SIGRTMIN+3 --hostname ${hostname} --name ${name}`;
  await output(`docker run --detach ${flags} ${mounts} ${manners} ${image} /sbin/init`.split(" "));
  const host = createHost(name);
  try {
    await up(host);
    return { ...host, ...(await addressesOf(name)) };
  } catch (error) {
    await host[Symbol.asyncDispose]();
    throw error;
  }
}

function createHost(name: string): Host {
  const host: Host = {
    name,
    address: "",
    gateway: "",
    exec: (command, input) => spawn(["docker", "exec", "--interactive", name, "sh", "-c", command], input),
    async run(command, input) {
      const outcome = await host.exec(command, input);
      if (outcome.code === 0) return outcome.stdout.trimEnd();
      throw new Error(
        `\`${command}\` ended with ${outcome.code}:\n${outcome.stdout}${outcome.stderr}\n${await host.journal()}`,
      );
    },
    async until(command, withinMs = 30_000) {
      const deadline = Date.now() + withinMs;
      for (;;) {
        const outcome = await host.exec(command);
        if (outcome.code === 0) return outcome.stdout.trimEnd();
        if (Date.now() > deadline) {
          const words = `${outcome.stdout}${outcome.stderr}`;
          throw new Error(`\`${command}\` did not come true in ${withinMs} ms:\n${words}\n${await host.journal()}`);
        }
        await Bun.sleep(100);
      }
    },
    async copyIn(from, to) {
      await output(["docker", "cp", from, `${name}:${to}`]);
    },
    async reboot() {
      await output(["docker", "restart", "--time", "60", name]);
      await up(host);
    },
    async journal(lines = 60) {
      const outcome = await host.exec(`journalctl --no-pager --lines ${lines} 2>&1`);
      return outcome.stdout;
    },
    async [Symbol.asyncDispose]() {
      await spawn(["docker", "rm", "--force", "--volumes", name]);
    },
  };
  return host;
}

/** `running`, or `degraded` when a unit that no test needs has failed. */
async function up(host: Host): Promise<void> {
  await host.until("systemctl is-system-running --wait | grep -E '^(running|degraded)$'", 60_000);
}

async function addressesOf(name: string): Promise<{ address: string; gateway: string }> {
  const format = "{{.NetworkSettings.IPAddress}} {{.NetworkSettings.Gateway}}";
  const [address = "", gateway = ""] = (await output(["docker", "inspect", "--format", format, name])).split(" ");
  return { address, gateway };
}

async function output(command: readonly string[]): Promise<string> {
  const outcome = await spawn(command);
  if (outcome.code === 0) return outcome.stdout.trimEnd();
  throw new Error(`${command.join(" ")} ended with ${outcome.code}:\n${outcome.stderr}`);
}

async function spawn(command: readonly string[], input = ""): Promise<HostOutcome> {
  const child = Bun.spawn([...command], { stdin: new Blob([input]), stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}
