/** Real processes in tests: started, spoken to, and gone when the test is. */

export type Program = AsyncDisposable & {
  readonly pid: number;
  /** All it has printed so far, stdout and stderr together. */
  output(): string;
  kill(signal: NodeJS.Signals): void;
  /** Its exit code, or 128 + the signal. */
  readonly exited: Promise<number>;
};

/** Starts `command`; at the end of the test it is killed if it still runs. */
export function startProgram(
  command: readonly string[],
  options: { readonly env?: Record<string, string>; readonly cwd?: string } = {},
): Program {
  const child = Bun.spawn([...command], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    // what runs in this machine's containers is no business of a test that doesn't ask for it
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", ORION_DOCKER_SOCKET: "/proc/no-docker.sock", ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  let output = "";
  const collect = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) output += decoder.decode(chunk, { stream: true });
  };
  const collected = Promise.all([collect(child.stdout), collect(child.stderr)]);
  const exited = child.exited.then(async (code) => {
    // a grandchild may hold the pipes open for ever: what the program itself printed is there by now
    await Promise.race([collected, Bun.sleep(200)]);
    return code;
  });
  return {
    pid: child.pid,
    output: () => output,
    kill: (signal) => child.kill(signal),
    exited,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await exited;
    },
  };
}
