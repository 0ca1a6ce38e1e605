/** What is known of a container: the engine's answer to `/containers/{id}/json`, which is what `docker inspect` prints. */
import { check, z } from "./schema.ts";

const text = z._default(z.nullish(z.string()), "");
const health = z.object({
  Status: z._default(z.string(), "none"),
  FailingStreak: z.optional(z.number()),
  Log: z.optional(z.nullable(z.array(z.object({ Output: z.optional(z.string()) })))),
});

const answer = z.object({
  Id: z.string().check(z.minLength(12)),
  Name: text,
  RestartCount: z._default(z.number(), 0),
  Image: text,
  Config: z.object({
    Image: text,
    Tty: z._default(z.boolean(), false),
    Labels: z._default(z.nullable(z.record(z.string(), z.string())), {}),
    StopSignal: z.optional(z.union([z.string(), z.number()])),
  }),
  State: z.object({
    Status: z._default(z.string(), "unknown"),
    Running: z._default(z.boolean(), false),
    OOMKilled: z._default(z.boolean(), false),
    ExitCode: z._default(z.number(), 0),
    StartedAt: text,
    FinishedAt: text,
    Health: z.optional(z.nullable(health)),
  }),
});

export type Container = {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  /** what its lines are filed under */
  readonly source: string;
  readonly tty: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** the signal that asks it to end, when it is not SIGTERM: a name or a number */
  readonly stopSignal: string | undefined;
  /** created, running, paused, restarting, removing, exited, dead */
  readonly state: string;
  readonly running: boolean;
  /** starting, healthy, unhealthy; null without a health check */
  readonly health: string | null;
  readonly restartCount: number;
  /** RFC 3339; null when it never was */
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly check: { readonly output: string | null; readonly failures: number | null };
};

/** Characters of a health check's output that travel in an event. */
const longestOutput = 2000;

/** @throws {Fault} `invalid` when the answer is not one of an engine */
export function readContainer(value: unknown): Container {
  const { Id: id, Name, Image, Config, State, RestartCount } = check(answer, value, "the engine's answer");
  const labels = Config.Labels ?? {};
  const name = (Name ?? "").replace(/^\//, "") || id.slice(0, 12);
  const found = State.Health ?? undefined;
  // Podman says "" where Docker has no health at all
  const status = found === undefined || found.Status === "none" || found.Status === "" ? null : found.Status;
  const output = found?.Log?.at(-1)?.Output?.trim().slice(0, longestOutput);
  return {
    id,
    name,
    image: Config.Image || Image || "",
    source: sourceOf(name, labels),
    tty: Config.Tty,
    labels,
    stopSignal: Config.StopSignal === undefined ? undefined : String(Config.StopSignal),
    state: State.Status,
    running: State.Running,
    health: status,
    restartCount: Math.max(0, RestartCount),
    startedAt: instant(State.StartedAt),
    finishedAt: instant(State.FinishedAt),
    exitCode: State.ExitCode,
    oomKilled: State.OOMKilled,
    check: { output: output === undefined || output === "" ? null : output, failures: found?.FailingStreak ?? null },
  };
}

/** A time in UTC with milliseconds; the engine writes the year 1 for never. */
function instant(text: string | null | undefined): string | null {
  const ms = Date.parse(text ?? "");
  return Number.isNaN(ms) || ms <= 0 ? null : new Date(ms).toISOString();
}

/** A source's name may not have these, nor be longer; see protocol/log.ts. */
const unfit = /[\s\u0000-\u001f\u007f]+/g;
const longestSource = 128;

/**
 * What a container is called however often it is made anew: the label `orion.name`, or its project and service of
 * Compose, or its name.
 */
export function sourceOf(name: string, labels: Readonly<Record<string, string>>): string {
  const project = labels["com.docker.compose.project"] ?? labels["io.podman.compose.project"];
  const service = labels["com.docker.compose.service"];
  const composed = project && service ? `${project}/${service}` : undefined;
  const source = (labels["orion.name"] ?? "").trim() || composed || name;
  return source.replace(unfit, "-").slice(0, longestSource) || name;
}
