/** Other programs, run for a moment: each has a session of its own and is gone, with all it started, when its time is up. */

export type ProgramOutcome = {
  /** null: it did not end in time, or by a signal */
  readonly code: number | null;
  /** the signal that ended it; null when it ended by itself */
  readonly signal: string | null;
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
};

type Options = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs: number;
};

/**
 * Runs `command` to its end, or to `timeoutMs`, when it is killed with everything of its process group.
 * @throws the system's error when it can't be started: not there, not executable, made for another CPU
 */
export async function runProgram(command: readonly string[], { env, timeoutMs }: Options): Promise<ProgramOutcome> {
  const child = Bun.spawn([...command], { env, stdin: "ignore", stdout: "pipe", stderr: "pipe", detached: true });
  const timeUp = Promise.withResolvers<"time is up">();
  const timer = setTimeout(() => timeUp.resolve("time is up"), timeoutMs);
  const texts = Promise.all([textOf(child.stdout), textOf(child.stderr)]);
  const timedOut = (await Promise.race([child.exited, timeUp.promise])) === "time is up";
  clearTimeout(timer);
  // also after a timely end: what it left behind would hold the pipes open
  killGroup(child.pid);
  const [stdout, stderr] = await texts;
  await child.exited;
  const signal = child.signalCode === null ? null : String(child.signalCode);
  return { code: timedOut ? null : child.exitCode, signal, timedOut, stdout, stderr };
}

/** A program that goes on by itself when this process ends. */
export type Companion = {
  readonly pid: number;
  /** Its next line on stdout, without the newline; undefined when it ended or said nothing in time. */
  firstLine(timeoutMs: number): Promise<string | undefined>;
  kill(): void;
};

/** Starts `command` in a session of its own. Nothing of it keeps this process alive. @throws the system's error */
export function startCompanion(
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Companion {
  const child = Bun.spawn([...command], { env, stdin: "ignore", stdout: "pipe", stderr: "ignore", detached: true });
  child.unref();
  return {
    pid: child.pid,
    async firstLine(timeoutMs) {
      const reader = child.stdout.getReader();
      const timeUp = Promise.withResolvers<undefined>();
      const timer = setTimeout(() => timeUp.resolve(undefined), timeoutMs);
      let text = "";
      while (!text.includes("\n")) {
        const read = await Promise.race([reader.read(), timeUp.promise]);
        if (read === undefined || read.value === undefined) break;
        text += Buffer.from(read.value).toString();
      }
      clearTimeout(timer);
      const end = text.indexOf("\n");
      return end === -1 ? undefined : text.slice(0, end);
    },
    kill: () => killGroup(child.pid),
  };
}

async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  return await new Response(stream).text();
}

/** kill(2) with SIGKILL of a whole process group, named by its leader. */
function killGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // ESRCH: nothing of it is left, which is what was asked
  }
}
