/** Projects, their sources, and how a host comes to be a server of one. */
import { displayName, recordId } from "./access.ts";
import { sourceName } from "./log.ts";
import { z } from "./schema.ts";

const at = z.iso.datetime();

const retentionDays = z.number().check(z.positive(), z.maximum(36_500));
const retentionBytes = z.number().check(z.multipleOf(1), z.minimum(1024 * 1024), z.maximum(Number.MAX_SAFE_INTEGER));

/** How long a project's logs and events are kept, and how many bytes of logs; null: as the hub has it. */
export const projectRetention = z.object({ days: z.nullable(retentionDays), bytes: z.nullable(retentionBytes) });
export type ProjectRetention = z.infer<typeof projectRetention>;

export const project = z.object({
  id: z.string(),
  name: z.string(),
  createdAt: at,
  servers: z.number(),
  sources: z.number(),
  retention: projectRetention,
  /** what the hub keeps of projects that say nothing else; `bytes` is of all projects together */
  hubRetention: z.object({ days: z.number(), bytes: z.number() }),
});
export type Project = z.infer<typeof project>;
export const projectsPage = z.object({ projects: z.array(project), cursor: z.nullable(z.string()) });
export const projectRequest = z.object({ name: displayName });
/** What is left out stays as it is. */
export const projectChange = z
  .object({
    name: z.optional(displayName),
    retention: z.optional(
      z.object({ days: z.optional(z.nullable(retentionDays)), bytes: z.optional(z.nullable(retentionBytes)) }),
    ),
  })
  .check(
    z.refine(
      ({ name, retention }) => name !== undefined || retention !== undefined,
      "must have a name, a retention, or both",
    ),
  );

/** Something that logs under its own name: an application, with or without an agent beside it. */
export const source = z.object({
  id: z.string(),
  name: z.string(),
  projectId: z.string(),
  createdAt: at,
  /** when its token was last used; null: never */
  lastUsedAt: z.nullable(at),
});
export type Source = z.infer<typeof source>;
export const sourcesPage = z.object({ sources: z.array(source), cursor: z.nullable(z.string()) });
export const sourceRequest = z.object({ name: sourceName });
/** A source with a new token, which is shown this once. */
export const newSource = z.extend(source, { token: z.string() });
export type NewSource = z.infer<typeof newSource>;

/** A token that registers hosts unattended, limited in uses and time. */
export const enrolmentToken = z.object({
  id: z.string(),
  name: z.string(),
  hint: z.string(),
  projectId: z.string(),
  createdAt: at,
  expiresAt: at,
  maxUses: z.number(),
  uses: z.number(),
  lastUsedAt: z.nullable(at),
});
export type EnrolmentToken = z.infer<typeof enrolmentToken>;
export const enrolmentTokensList = z.object({ tokens: z.array(enrolmentToken), cursor: z.nullable(z.string()) });
export const enrolmentRequest = z.object({
  name: z._default(displayName, "enrolment"),
  maxUses: z._default(z.number().check(z.minimum(1), z.maximum(100_000), z.multipleOf(1)), 1),
  expiresInHours: z._default(z.number().check(z.minimum(1), z.maximum(8760), z.multipleOf(1)), 24),
});
export const newEnrolmentToken = z.extend(enrolmentToken, { token: z.string() });

/** A host name: no white space or control characters, at most 253 (RFC 1035 section 2.3.4). */
export const hostname = z
  .string()
  .check(z.regex(/^[^\s\u0000-\u001f\u007f]{1,253}$/u, "must be a host name without spaces, at most 253"));

/**
 * `POST /api/servers` and `POST /api/enrol`. The same hostname in the same project is the same server. `machine` is a
 * keyed hash of the machine id (machine-id(5): the id itself must not leave the host), by which a renamed or cloned
 * host is noticed.
 */
export const registration = z.object({
  hostname,
  /** id or name of the project; may be left out where there is only one, and is given by an enrolment token */
  project: z.optional(z.string().check(z.minLength(1), z.maxLength(100))),
  machine: z.optional(z.string().check(z.regex(/^[0-9a-f]{32,64}$/, "must be 32 to 64 hexadecimal digits"))),
  /** takes the place of another machine that reports under this hostname right now */
  replace: z.optional(z.boolean()),
  /** the server that this host was until it got its present name: id and history go on */
  renamedFrom: z.optional(recordId),
});
export type Registration = z.infer<typeof registration>;

/** Something about a server's identity that a person should know. `code` is for programs, `message` for people. */
export const serverNotice = z.object({
  code: z.enum(["machine-replaced", "machine-known", "hostname-differs", "two-agents"]),
  message: z.string(),
  /** the other server that it is about, if any */
  serverId: z.optional(z.string()),
});
export type ServerNotice = z.infer<typeof serverNotice>;
