/** The hub's authority, brought to the host where an agent would not know it. */
import { Fault } from "#src/protocol/fault.ts";
import { type Authority, authorityPath } from "./authority.ts";
import { type Way, sendFile } from "./sending.ts";

/** @param caFile what the config says now: an authority of the host's own stays. @returns what it is to say */
export async function sendAuthority(
  way: Way,
  folder: string,
  caFile: unknown,
  authority: Authority,
): Promise<{ readonly caFile?: unknown }> {
  if (caFile !== undefined && caFile !== authorityPath) return { caFile };
  if (authority.kind === "known") return {};
  if (authority.kind === "absent") {
    way.view.say(
      `the hub's certificate is of ${authority.name}, which is not in the hub's tlsCert: add it there, or name it in caFile on the host\n`,
    );
    return {};
  }
  await sendFile(way, folder, "new/hub-ca.pem", authority.pem);
  way.view.say(`the agent is to trust ${authority.name}\n`);
  return { caFile: authorityPath };
}

/** @throws {Fault} an agent in a container would not know it */
export function refuseUnknown(authority: Authority): void {
  if (authority.kind === "known") return;
  throw new Fault(
    "failed",
    `the hub's certificate is of ${authority.name}, which an agent in a container does not know`,
    {
      hint: "Choose the method binary, which takes the authority along, or give the hub a certificate of a public one",
    },
  );
}
