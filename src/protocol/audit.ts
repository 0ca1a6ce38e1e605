/** The audit trail: who did what to which thing, when, from where. */
import { z } from "./schema.ts";

/** Every act that leaves a trace, as `thing.verb`. */
export const auditActions = [
  "person.signed-in",
  "person.sign-in-failed",
  "person.signed-out",
  "person.signed-out-everywhere",
  "person.password-changed",
  "person.two-factor-enabled",
  "person.two-factor-disabled",
  "organization.created",
  "organization.renamed",
  "member.invited",
  "member.invitation-revoked",
  "member.joined",
  "member.role-changed",
  "member.removed",
  "key.created",
  "key.revoked",
  "device.approved",
  "device.denied",
  "project.created",
  "project.renamed",
  "project.retention-changed",
  "project.deleted",
  "source.created",
  "source.token-rotated",
  "source.deleted",
  "enrolment.created",
  "enrolment.revoked",
  "server.registered",
  "server.renamed",
  "server.token-rotated",
  "server.token-revoked",
  "server.deleted",
  "server.ssh-changed",
  "server.ssh-removed",
  "server.host-key-approved",
  "server.deploy-started",
  "server.uninstall-started",
  "job.cancelled",
  "error.resolved",
  "error.ignored",
  "error.reopened",
  "error.merged",
  "error.split",
  "hub.backed-up",
] as const;
export type AuditAction = (typeof auditActions)[number];

export const auditEntry = z.object({
  id: z.string(),
  at: z.iso.datetime(),
  action: z.enum(auditActions),
  /** `hub`: its own command line on its own machine */
  actor: z.object({
    kind: z.enum(["person", "key", "enrolment", "hub", "nobody"]),
    id: z.nullable(z.string()),
    name: z.string(),
  }),
  target: z.nullable(z.object({ kind: z.string(), id: z.nullable(z.string()), name: z.string() })),
  /** where from; null: the hub's own machine */
  address: z.nullable(z.string()),
  userAgent: z.nullable(z.string()),
  requestId: z.nullable(z.string()),
  details: z.optional(z.record(z.string(), z.unknown())),
});
export type AuditEntry = z.infer<typeof auditEntry>;
export const auditPage = z.object({ entries: z.array(auditEntry), cursor: z.nullable(z.string()) });
export type AuditPage = z.infer<typeof auditPage>;
