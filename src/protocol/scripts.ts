/** `scripts.json`: the managed scripts, a JSON array of entries. */
import { z } from "./schema.ts";

/** Signals that a script may ask to be stopped with. See signal(7). */
export const killSignals = [
  "SIGTERM",
  "SIGINT",
  "SIGQUIT",
  "SIGHUP",
  "SIGUSR1",
  "SIGUSR2",
  "SIGKILL",
  "SIGABRT",
  "SIGWINCH",
] as const;
export type KillSignal = (typeof killSignals)[number];

export const scriptName = z
  .string()
  .check(
    z.regex(
      /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/,
      "must be lowercase letters, digits and hyphens, at most 64, not starting or ending with a hyphen",
    ),
  );

const milliseconds = z.number().check(z.nonnegative(), z.multipleOf(1), z.maximum(86_400_000));
const environmentName = z
  .string()
  .check(z.regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "must be a valid environment variable name"));

/** One managed script with every default filled in. Times in milliseconds, memory in bytes. */
export const script = z.strictObject({
  name: scriptName,
  /** run by `sh -c` */
  command: z.string().check(z.minLength(1, "must not be empty"), z.maxLength(65_536)),
  cwd: z.optional(z.string().check(z.regex(/^\//, "must be an absolute path"))),
  autoRestart: z._default(z.boolean(), true),
  /** consecutive crashes after which it is given up; 0: the first crash is the last */
  maxRestarts: z._default(z.number().check(z.nonnegative(), z.multipleOf(1)), 5),
  backoffBase: z._default(milliseconds, 1000),
  captureOutput: z._default(z.boolean(), true),
  user: z.optional(z.string().check(z.regex(/^[a-z_][a-z0-9_.-]*\$?$|^\d+$/i, "must be a user name or a numeric id"))),
  env: z.optional(z.record(environmentName, z.string())),
  envFile: z.optional(z.string().check(z.minLength(1))),
  killSignal: z._default(z.enum(killSignals), "SIGTERM"),
  killTimeout: z._default(milliseconds, 10_000),
  /** up for this long: the next crash counts as the first again */
  stableAfter: z._default(milliseconds, 10_000),
  memoryMax: z.optional(z.number().check(z.positive(), z.multipleOf(1))),
  /** started with the daemon */
  enabled: z._default(z.boolean(), true),
});
export type Script = z.infer<typeof script>;
/** A script as a person writes it: only `name` and `command` are needed. */
export type ScriptInput = z.input<typeof script>;

/** What a script is doing. A script that waits for its restart is `crashed` with `nextRestartAt`. */
export const scriptStates = ["running", "stopped", "crashed"] as const;
export type ScriptState = (typeof scriptStates)[number];
