/**
 * The hub's settings: flags, then `ORION_HUB_*` variables, then `hub.json`, then defaults. The only file of the hub that
 * reads the environment.
 */
import { readFileSync } from "node:fs";

import { email, role } from "#src/protocol/access.ts";
import { Fault, errnoOf, reasonOf } from "#src/protocol/fault.ts";
import { pathsFor } from "#src/protocol/paths.ts";
import { firstIssue, z } from "#src/protocol/schema.ts";
import { defaultRateLimits } from "./api/intake/rate.ts";
import { isBlock } from "./api/trust.ts";
import { redactionSettings } from "./redaction/redaction.ts";

const whole = z.coerce.number().check(z.multipleOf(1, "must be a whole number"));
const gibibyte = 1024 ** 3;

const path = z._default(z.nullable(z.string().check(z.minLength(1))), null);
/** How long metrics are kept. */
const days = z.coerce.number().check(z.minimum(1), z.maximum(36_500));
const metricsDays = { rawDays: 7, fiveMinuteDays: 90, hourlyDays: 400 };
/** Of a rate limit. */
const amount = whole.check(z.minimum(1), z.maximum(Number.MAX_SAFE_INTEGER));
const flag = z._default(z.union([z.boolean(), z.stringbool()], { error: "must be true or false" }), false);
/** Several words: a list, or text with commas or spaces between them. */
const words = z.pipe(
  z.transform((value: unknown) => (typeof value === "string" ? value.split(/[\s,]+/).filter(Boolean) : value)),
  z.array(z.string()),
);
const block = z.string().check(z.refine(isBlock, "must be an address or a block of addresses, such as 10.0.0.0/8"));

/** true is one proxy, false none; text is any of these, or addresses with commas or spaces between them. */
function readTrust(value: unknown): unknown {
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value !== "string") return value;
  const text = value.trim();
  if (text === "true" || text === "false") return text === "true" ? 1 : 0;
  return /^\d+$/.test(text) ? Number(text) : text.split(/[\s,]+/);
}

const settingsSchema = z.strictObject({
  port: z._default(whole.check(z.minimum(0), z.maximum(65_535)), 8420),
  host: z._default(z.string().check(z.minLength(1)), "127.0.0.1"),
  dataDir: z.string().check(z.minLength(1)),
  /** the address that people and agents use, when a proxy stands before the hub */
  publicUrl: z._default(
    z.nullable(z.string().check(z.regex(/^https?:\/\/[^\s/]+/, "must be an http:// or https:// URL"))),
    null,
  ),
  /** files of the certificate chain and its key (PEM); read again when they change */
  tlsCert: path,
  tlsKey: path,
  /** how many proxies stand before the hub, or their addresses; 0: none */
  trustProxy: z._default(
    z.pipe(
      z.transform(readTrust),
      z.union([z.number().check(z.minimum(0), z.maximum(10), z.multipleOf(1)), z.array(block)], {
        error: "must be true, false, a number of proxies, or addresses such as 10.0.0.0/8",
      }),
    ),
    0,
  ),
  /** listens beyond this machine without TLS */
  insecureHttp: flag,
  /** the first owner, made at first start */
  adminEmail: z._default(z.nullable(email), null),
  adminPasswordFile: path,
  /** where state is kept that isn't telemetry; null: in `dataDir` */
  databaseUrl: z._default(
    z.nullable(z.string().check(z.regex(/^postgres(?:ql)?:\/\/[^\s/]/, "must be a postgres:// URL"))),
    null,
  ),
  /** where logs and metrics are kept; its path names the database, "orion" without one; null: in `dataDir` */
  clickhouseUrl: z._default(
    z.nullable(z.string().check(z.regex(/^https?:\/\/[^\s/]+/, "must be an http:// or https:// URL"))),
    null,
  ),
  /** the cluster of ClickHouse's config (remote_servers) that tables are made on; null: a single server */
  clickhouseCluster: z._default(z.nullable(z.string().check(z.regex(/^[\w.-]+$/, "must be a cluster's name"))), null),
  /** the file of the hub's secret, the same for all hubs of a database; null: `secret` in `dataDir` */
  secretFile: path,
  /** sign-in by an OpenID Connect provider */
  oidc: z._default(
    z.nullable(
      z.strictObject({
        /** on the button */
        name: z._default(z.string().check(z.minLength(1), z.maxLength(100)), "Single sign-on"),
        issuer: z.string().check(z.regex(/^https?:\/\/[^\s/]+/, "must be an http:// or https:// URL")),
        clientId: z.string().check(z.minLength(1)),
        clientSecretFile: z.string().check(z.minLength(1)),
        scopes: z._default(words, ["openid", "email", "profile"]),
        /** domains of e-mail addresses that may come in without an invitation */
        allowedDomains: z._default(words, []),
        /** what they become; null: only invited people come in */
        defaultRole: z._default(z.nullable(role), null),
      }),
    ),
    null,
  ),
  /** seconds between heartbeats that agents are asked for */
  heartbeatInterval: z._default(whole.check(z.minimum(10), z.maximum(300)), 30),
  /** how fast each source may log */
  rateLimits: z._default(
    z.strictObject({
      linesPerSecond: z._default(amount, defaultRateLimits.linesPerSecond),
      /** lines that may come at once after a rest */
      burstLines: z._default(amount, defaultRateLimits.burstLines),
      bytesPerSecond: z._default(amount, defaultRateLimits.bytesPerSecond),
      burstBytes: z._default(amount, defaultRateLimits.burstBytes),
    }),
    defaultRateLimits,
  ),
  /** bytes of the disk of `dataDir` that are to stay free: below it the oldest log lines go; null: see disk.ts */
  minFreeBytes: z._default(z.nullable(whole.check(z.minimum(0), z.maximum(Number.MAX_SAFE_INTEGER))), null),
  /** what is taken out of log lines and events before they are stored */
  redaction: z._default(redactionSettings, { off: [], patterns: [] }),
  retention: z._default(
    z.strictObject({
      logs: z._default(
        z.strictObject({
          days: z._default(z.coerce.number().check(z.positive(), z.maximum(36_500)), 14),
          bytes: z._default(whole.check(z.minimum(1024 * 1024)), 10 * gibibyte),
        }),
        { days: 14, bytes: 10 * gibibyte },
      ),
      metrics: z._default(
        z.strictObject({
          /** as agents report them */
          rawDays: z._default(days, metricsDays.rawDays),
          /** averages of five minutes */
          fiveMinuteDays: z._default(days, metricsDays.fiveMinuteDays),
          /** averages of an hour */
          hourlyDays: z._default(days, metricsDays.hourlyDays),
        }),
        metricsDays,
      ),
    }),
    { logs: { days: 14, bytes: 10 * gibibyte }, metrics: metricsDays },
  ),
});

/** All settings, defaults filled in. Days, bytes, seconds. */
export type HubSettings = z.infer<typeof settingsSchema>;

/** Variables and the setting that each one is. */
const variables: Readonly<Record<string, readonly [string, ...string[]]>> = {
  ORION_HUB_PORT: ["port"],
  ORION_HUB_HOST: ["host"],
  ORION_HUB_DATA_DIR: ["dataDir"],
  ORION_HUB_PUBLIC_URL: ["publicUrl"],
  ORION_HUB_TLS_CERT: ["tlsCert"],
  ORION_HUB_TLS_KEY: ["tlsKey"],
  ORION_HUB_TRUST_PROXY: ["trustProxy"],
  ORION_HUB_INSECURE_HTTP: ["insecureHttp"],
  ORION_HUB_ADMIN_EMAIL: ["adminEmail"],
  ORION_HUB_ADMIN_PASSWORD_FILE: ["adminPasswordFile"],
  ORION_HUB_DATABASE_URL: ["databaseUrl"],
  ORION_HUB_CLICKHOUSE_URL: ["clickhouseUrl"],
  ORION_HUB_CLICKHOUSE_CLUSTER: ["clickhouseCluster"],
  ORION_HUB_SECRET_FILE: ["secretFile"],
  ORION_HUB_OIDC_NAME: ["oidc", "name"],
  ORION_HUB_OIDC_ISSUER: ["oidc", "issuer"],
  ORION_HUB_OIDC_CLIENT_ID: ["oidc", "clientId"],
  ORION_HUB_OIDC_CLIENT_SECRET_FILE: ["oidc", "clientSecretFile"],
  ORION_HUB_OIDC_SCOPES: ["oidc", "scopes"],
  ORION_HUB_OIDC_ALLOWED_DOMAINS: ["oidc", "allowedDomains"],
  ORION_HUB_OIDC_DEFAULT_ROLE: ["oidc", "defaultRole"],
  ORION_HUB_HEARTBEAT_INTERVAL: ["heartbeatInterval"],
  ORION_HUB_RATE_LIMITS_LINES_PER_SECOND: ["rateLimits", "linesPerSecond"],
  ORION_HUB_RATE_LIMITS_BURST_LINES: ["rateLimits", "burstLines"],
  ORION_HUB_RATE_LIMITS_BYTES_PER_SECOND: ["rateLimits", "bytesPerSecond"],
  ORION_HUB_RATE_LIMITS_BURST_BYTES: ["rateLimits", "burstBytes"],
  ORION_HUB_MIN_FREE_BYTES: ["minFreeBytes"],
  ORION_HUB_REDACTION_OFF: ["redaction", "off"],
  ORION_HUB_RETENTION_LOGS_DAYS: ["retention", "logs", "days"],
  ORION_HUB_RETENTION_LOGS_BYTES: ["retention", "logs", "bytes"],
  ORION_HUB_RETENTION_METRICS_RAW_DAYS: ["retention", "metrics", "rawDays"],
  ORION_HUB_RETENTION_METRICS_FIVE_MINUTE_DAYS: ["retention", "metrics", "fiveMinuteDays"],
  ORION_HUB_RETENTION_METRICS_HOURLY_DAYS: ["retention", "metrics", "hourlyDays"],
};

/** What flags may say; the rest comes from the environment, the file, and defaults. */
export type HubFlags = {
  readonly port?: number | string;
  readonly host?: string;
  readonly dataDir?: string;
  readonly publicUrl?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly trustProxy?: string | number | boolean;
  readonly insecureHttp?: boolean;
  readonly adminEmail?: string;
  readonly adminPasswordFile?: string;
};

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the settings. `dir` puts config and data below one folder (`--dir`, `ORION_DIR`).
 * @throws {Fault} `invalid`, naming the setting and where it was read
 */
export function readHubSettings(flags: HubFlags = {}, env: Environment = process.env, dir?: string): HubSettings {
  const paths = dir === undefined ? pathsFor(env) : pathsFor(env, dir);
  const settings: Record<string, unknown> = { dataDir: paths.dataDir, ...readFile(paths.hubConfig) };
  const from = new Map<string, string>();
  for (const [variable, path] of Object.entries(variables)) {
    const value = env[variable];
    if (value === undefined || value === "") continue;
    put(settings, path, value);
    from.set(path.join("."), variable);
  }
  for (const [key, value] of Object.entries(flags)) {
    if (value === undefined) continue;
    settings[key] = value;
    from.set(key, `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
  }
  const result = z.core.safeParse(settingsSchema, settings);
  if (result.success) {
    refuseHalves(result.data);
    return result.data;
  }
  const key = result.error.issues[0]?.path.map(String) ?? [];
  throw new Fault("invalid", `the hub's settings are not valid: ${firstIssue(result.error)}`, {
    // a variable or flag may hold a whole list, of which one part is wrong
    hint: `It was read from ${from.get(key.join(".")) ?? from.get(key[0] ?? "") ?? paths.hubConfig}`,
  });
}

/** Settings that mean nothing without one another. */
const pairs = [
  ["tlsCert", "tlsKey"],
  ["adminEmail", "adminPasswordFile"],
] as const;

function refuseHalves(settings: HubSettings): void {
  for (const [one, other] of pairs) {
    if ((settings[one] === null) === (settings[other] === null)) continue;
    const [set, missing] = settings[one] === null ? [other, one] : [one, other];
    throw new Fault("invalid", `the hub's settings are not valid: ${set} is set, but ${missing} is not`, {
      hint: "Set both or neither",
    });
  }
}

function readFile(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return {};
    throw new Fault("invalid", `can't read ${path}: ${reasonOf(error)}`, {
      hint: "Give this user the right to read it",
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Fault("invalid", `${path} is not JSON: ${reasonOf(error)}`, { hint: "Mend or remove the file" });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new Fault("invalid", `${path} must hold one JSON object`, { hint: "Mend or remove the file" });
}

function put(target: Record<string, unknown>, [first, ...rest]: readonly [string, ...string[]], value: unknown): void {
  const [next, ...others] = rest;
  if (next === undefined) {
    target[first] = value;
    return;
  }
  const inner = target[first];
  const copy: Record<string, unknown> = typeof inner === "object" && inner !== null ? { ...inner } : {};
  target[first] = copy;
  put(copy, [next, ...others], value);
}
