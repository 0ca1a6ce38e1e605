/** Acts of the audit trail in words. */
import type { AuditAction, AuditEntry } from "#src/protocol/audit.ts";

/** What was done; the thing that it was done to follows. */
export const actionTexts: Readonly<Record<AuditAction, string>> = {
  "person.signed-in": "signed in",
  "person.sign-in-failed": "failed to sign in",
  "person.signed-out": "signed out",
  "person.signed-out-everywhere": "signed out everywhere",
  "person.password-changed": "changed the password",
  "person.two-factor-enabled": "switched the second factor on",
  "person.two-factor-disabled": "switched the second factor off",
  "organization.created": "made the organization",
  "organization.renamed": "renamed the organization",
  "member.invited": "invited",
  "member.invitation-revoked": "took back the invitation of",
  "member.joined": "joined",
  "member.role-changed": "changed the role of",
  "member.removed": "removed the member",
  "key.created": "made the API key",
  "key.revoked": "revoked the API key",
  "device.approved": "let in the device",
  "device.denied": "turned away the device",
  "project.created": "made the project",
  "project.renamed": "renamed the project",
  "project.retention-changed": "changed how long logs are kept of the project",
  "project.deleted": "deleted the project",
  "source.created": "made the source",
  "source.token-rotated": "replaced the token of the source",
  "source.deleted": "deleted the source",
  "enrolment.created": "made the enrolment token",
  "enrolment.revoked": "revoked the enrolment token",
  "server.registered": "registered the server",
  "server.renamed": "renamed the server",
  "server.token-rotated": "replaced the token of the server",
  "server.token-revoked": "revoked the token of the server",
  "server.deleted": "deleted the server",
  "server.ssh-changed": "changed the SSH details of the server",
  "server.ssh-removed": "removed the SSH details of the server",
  "server.host-key-approved": "approved the host key of the server",
  "server.deploy-started": "started to put the agent on the server",
  "server.uninstall-started": "started to take the agent off the server",
  "job.cancelled": "cancelled a job on the server",
  "error.resolved": "resolved the error",
  "error.ignored": "ignored the error",
  "error.reopened": "opened again the error",
  "error.merged": "merged into another one the error",
  "error.split": "split the error",
  "hub.backed-up": "backed the hub up",
};

/** `role: admin, from: viewer`; empty: nothing more is known. */
export function detailsText({ details }: Pick<AuditEntry, "details">): string {
  return Object.entries(details ?? {})
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
}
