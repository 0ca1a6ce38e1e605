/** What a backup says of itself: the first file in it. */
import { join } from "node:path";

import { z } from "#src/protocol/schema.ts";

/** The files of a data folder that hold what a hub knows. */
export const dataParts = ["state.db", "auth.db", "logs.db", "metrics.db", "errors.db", "secret"] as const;
export type DataPart = (typeof dataParts)[number];

export const manifestName = "manifest.json";
/** A manifest is a few hundred bytes. */
export const maxManifestBytes = 64 * 1024;

export const backupManifest = z.object({
  /** of this archive; another number is another Orion's */
  format: z.literal(1),
  /** of the Orion that made it */
  version: z.string(),
  at: z.iso.datetime(),
  files: z.array(
    z.object({
      name: z.enum(dataParts),
      bytes: z.number().check(z.nonnegative(), z.multipleOf(1)),
      sha256: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
    }),
  ),
});
export type BackupManifest = z.infer<typeof backupManifest>;

/** A database and what SQLite keeps beside it (sqlite.org/wal.html); the database itself comes last. */
export function withSideFiles(folder: string, part: DataPart): readonly string[] {
  const sides = part.endsWith(".db") ? [`${part}-wal`, `${part}-shm`] : [];
  return [...sides, part].map((name) => join(folder, name));
}
