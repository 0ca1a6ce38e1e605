/** What a person should know about the identity of a server. */
import { timestamp } from "#src/lib/clock.ts";
import type { ServerNotice } from "#src/protocol/project.ts";
import type { ServerRecord } from "./port.ts";

export type NoticeFacts = {
  /** an older server of the project on the same machine */
  readonly twin: ServerRecord | undefined;
  /** the name under which its agent reports */
  readonly reportedAs: string | undefined;
  /** two agents report with its token */
  readonly doubled: boolean;
};

/** All notices of a server, the gravest first. */
export function noticesOf(server: ServerRecord, { twin, reportedAs, doubled }: NoticeFacts): ServerNotice[] {
  const notices: ServerNotice[] = [];
  if (doubled) {
    notices.push({
      code: "two-agents",
      message: `two agents report as ${server.hostname} with the same token: a copy of its disk or config runs somewhere; register that host under a name of its own, then rotate this token`,
    });
  }
  if (server.replacedAtMs !== null) {
    notices.push({
      code: "machine-replaced",
      message: `another machine took the name ${server.hostname} over on ${timestamp(server.replacedAtMs)}; what is older is of the machine before`,
    });
  }
  if (twin !== undefined) {
    notices.push({
      code: "machine-known",
      message: `its machine is known as ${twin.hostname} too: renamed, or cloned with its machine id? If renamed, register it with renamedFrom; if cloned, give it a machine id of its own (systemd-machine-id-setup(1))`,
      serverId: twin.id,
    });
  }
  if (reportedAs !== undefined && reportedAs !== server.hostname) {
    notices.push({
      code: "hostname-differs",
      message: `its host calls itself ${reportedAs}, but it is registered as ${server.hostname}; if it was renamed, register it again with renamedFrom`,
    });
  }
  return notices;
}
