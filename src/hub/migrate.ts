/** Moving a hub between its data folder and Postgres with ClickHouse: the stores' part and sign-in's, plugged together. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import type { Clock } from "#src/lib/clock.ts";
import { writeFileAtomic } from "#src/lib/files.ts";
import { Fault } from "#src/protocol/fault.ts";
import { openEngine } from "./auth/engine.ts";
import { type HubSecret, agreeOnSecret, openSecret } from "./auth/secret.ts";
import type { HubSettings } from "./settings.ts";
import { openAuthDatabase } from "./store/auth-database.ts";
import { type Clickhouse, openClickhouse } from "./store/clickhouse/client.ts";
import { agreeOnPlace, comparePlace } from "./store/clickhouse/identity.ts";
import { agreeOn } from "./store/cluster/agreement.ts";
import { waitingFolder } from "./store/clickhouse/series.ts";
import { placeAgreement, secretAgreement } from "./storage.ts";
import { storageFault } from "./store/commits.ts";
import { moveBack } from "./store/migrate/back.ts";
import { moveOut } from "./store/migrate/out.ts";
import type { MigrationProgress, MigrationReport } from "./store/migrate/progress.ts";
import { refuseOtherVersion } from "./store/migrate/source.ts";
import { openPostgresAuth } from "./store/postgres/auth.ts";
import { type Postgres, openPostgres } from "./store/postgres/connection.ts";

export type { MigrationProgress, MigrationReport } from "./store/migrate/progress.ts";

const dayS = 86_400;

export type MigrationPlan = {
  readonly databaseUrl: string;
  /** null: logs and metrics stay in the folder */
  readonly clickhouseUrl: string | null;
  readonly clickhouseCluster: string | null;
  /** copies the rest of a hub that is stopped, and compares everything */
  readonly finish: boolean;
};

/** How a run ended, and what a person does next. */
export type MigrationEnd = MigrationReport & {
  /** whether log lines and metrics go along */
  readonly telemetry: boolean;
  /** what hub.json has from now on, without passwords; null: nothing changes yet */
  readonly settings: Readonly<Record<string, string>> | null;
  readonly next: readonly string[];
};

export type MigrationWorld = {
  readonly clock: Clock;
  readonly log: { info(message: string): void; warn(message: string): void };
  readonly signal: AbortSignal;
  readonly tell: (progress: MigrationProgress) => void;
};

/**
 * Moves the hub of `settings.dataDir` to Postgres and ClickHouse, as far as it goes: all that only grows while the hub works,
 * everything with `finish`. Rejects with a Fault that says why it can't go on; the next run goes on from there.
 */
export async function migrateHub(
  settings: HubSettings,
  plan: MigrationPlan,
  world: MigrationWorld,
): Promise<MigrationEnd> {
  const { dataDir, retention } = settings;
  const { clock, log, signal, tell } = world;
  // before a secret is made where there is none
  refuseOtherVersion(dataDir);
  const secret = openSecret(dataDir);
  const ends: (() => Promise<void>)[] = [];
  try {
    const { postgres, clickhouse } = await connect(plan, world, ends);
    const { rawDays, fiveMinuteDays, hourlyDays } = retention.metrics;
    const report = await moveOut({
      dataDir,
      hub: fingerprintOf(secret),
      postgres,
      clickhouse,
      seriesRetention: { raw: rawDays * dayS, minutes: fiveMinuteDays * dayS, hours: hourlyDays * dayS },
      prepare: () => prepare({ postgres, clickhouse }, secret, log),
      people: peopleSide(postgres),
      finish: plan.finish,
      signal,
      clock,
      tell,
    });
    const telemetry = plan.clickhouseUrl !== null;
    if (report.state !== "done") return { ...report, telemetry, settings: null, next: [notYet(report, "the hub")] };
    const next = telemetry
      ? [
          "Put this into hub.json (with the passwords), and start the hub; give further hubs a copy of the secret.",
          `What lies in ${dataDir} is as it was, and no hub starts on it any more: see docs/migrate.md for the way back.`,
        ]
      : [
          "Put this into hub.json (with the password), and start the hub.",
          `Log lines and metrics are in ${dataDir} as before, so that there can be one hub only.`,
        ];
    return { ...report, telemetry, settings: settingsAfter(settings, plan), next };
  } finally {
    for (const end of ends.toReversed()) await end();
  }
}

/**
 * Moves hubs from Postgres and ClickHouse to a data folder, in the same two steps. Their secret is that of `settings`.
 */
export async function migrateBack(
  settings: HubSettings,
  plan: MigrationPlan & { readonly folder: string },
  world: MigrationWorld,
): Promise<MigrationEnd> {
  const { clock, log, signal, tell } = world;
  const { folder } = plan;
  const file = secretOf(settings);
  if (!existsSync(file)) {
    throw new Fault("not-found", `there is no secret of the hubs: ${file} is missing`, {
      hint: "Name the file with secretFile (ORION_HUB_SECRET_FILE), or a folder that has it with --data-dir",
    });
  }
  if (plan.finish) refuseWaitingMetrics(settings.dataDir);
  const secret = openSecret(settings.dataDir, settings.secretFile);
  const ends: (() => Promise<void>)[] = [];
  try {
    const { postgres, clickhouse } = await connect(plan, world, ends);
    const report = await moveBack({
      folder,
      hub: fingerprintOf(secret),
      postgres,
      clickhouse,
      async prepare() {
        await agreeOnSecret(secret, (value) => agreeOn(postgres, secretAgreement, value));
        if (clickhouse !== null) await comparePlace(clickhouse, placeAgreement(postgres));
        writeFileAtomic(join(folder, "secret"), readFileSync(file), 0o600);
        const database = await openAuthDatabase(folder);
        try {
          await openEngine({ database: { ...database, faultOf: storageFault }, secret, secure: true, log });
        } finally {
          database.close();
        }
      },
      people: peopleSide(postgres),
      finish: plan.finish,
      signal,
      clock,
      tell,
    });
    const telemetry = plan.clickhouseUrl !== null;
    if (report.state !== "done") return { ...report, telemetry, settings: null, next: [notYet(report, "all hubs")] };
    const lines = `Log lines and metrics are in ${settings.dataDir} still: copy logs.db and metrics.db from there to ${folder} first.`;
    const next = [
      "Put this into hub.json, take databaseUrl, clickhouseUrl, clickhouseCluster and secretFile out of it, and start the hub.",
      ...(telemetry ? [] : [lines]),
      "What is in the databases is as it was: drop it when all is well.",
    ];
    return { ...report, telemetry, settings: { dataDir: folder }, next };
  } finally {
    for (const end of ends.toReversed()) await end();
  }
}

/** What a hub of this machine has taken and ClickHouse has not. */
function refuseWaitingMetrics(dataDir: string): void {
  const folder = join(dataDir, waitingFolder);
  if (!existsSync(folder) || !readdirSync(folder).some((name) => name.endsWith(".zst"))) return;
  throw new Fault("conflict", `metrics wait for ClickHouse in ${folder}`, {
    hint: "Start the hub of that folder until it is empty, then stop it and run this again",
  });
}

/** Opens both, or the one that there is. */
async function connect(plan: MigrationPlan, { clock, log }: MigrationWorld, ends: (() => Promise<void>)[]) {
  const postgres = await openPostgres(plan.databaseUrl, { clock, log });
  ends.push(() => postgres.close());
  if (plan.clickhouseUrl === null) return { postgres, clickhouse: null };
  const clickhouse = await openClickhouse(plan.clickhouseUrl, { clock, log, cluster: plan.clickhouseCluster });
  ends.push(() => clickhouse.close());
  return { postgres, clickhouse };
}

const fingerprintOf = (secret: HubSecret): string => Buffer.from(secret.derive("migration")).toString("hex");

/** What a person does next when nobody has moved. */
function notYet({ state }: MigrationReport, hubs: string): string {
  return state === "different"
    ? "Run this again; if they stay, begin anew with an empty target, and tell us"
    : `Stop ${hubs} and run the same with --finish to move; until then, run it again whenever you like`;
}

/** What hub.json has from now on. */
function settingsAfter(settings: HubSettings, { databaseUrl, clickhouseUrl, clickhouseCluster }: MigrationPlan) {
  return {
    databaseUrl: withoutPassword(databaseUrl),
    ...(clickhouseUrl === null ? {} : { clickhouseUrl: withoutPassword(clickhouseUrl) }),
    ...(clickhouseCluster === null ? {} : { clickhouseCluster }),
    secretFile: secretOf(settings),
  };
}

function withoutPassword(url: string): string {
  const read = new URL(url);
  if (read.password !== "") read.password = "PASSWORD";
  return read.toString();
}

/** The secret that is to be the same for all hubs of the target. */
export const secretOf = ({ dataDir, secretFile }: HubSettings): string => secretFile ?? join(dataDir, "secret");

/** Makes the tables of sign-in, and notes whose database it is, and which ClickHouse goes with it. */
async function prepare(
  { postgres, clickhouse }: { readonly postgres: Postgres; readonly clickhouse: Clickhouse | null },
  secret: HubSecret,
  log: MigrationWorld["log"],
): Promise<void> {
  await openEngine({ database: openPostgresAuth(postgres), secret, secure: true, log });
  await agreeOnSecret(secret, (value) => agreeOn(postgres, secretAgreement, value));
  if (clickhouse !== null) await agreeOnPlace(clickhouse, placeAgreement(postgres));
}

function peopleSide(postgres: Postgres) {
  const { schemaName: schema } = openPostgresAuth(postgres);
  const queries = postgres.patient<Record<string, Record<string, unknown>>>().withSchema(schema);
  return { queries, engine: "postgres" as const, schema };
}
