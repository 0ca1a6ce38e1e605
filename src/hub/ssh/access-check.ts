/** Trying a server's SSH details out: host keys first, which a person approves, then a sign-in and a look around. */
import { Fault, reasonOf } from "#src/protocol/fault.ts";
import type { HostFacts, SshCheck } from "#src/protocol/ssh.ts";
import type { HopName, SshAccess } from "./access.ts";
import type { SeenKey } from "./connection.ts";
import type { OpenSession, SshHop, SshSession, SshTarget } from "./port.ts";

/** For each: a key, the other key, the sign-in. A person waits for it. */
const withinMs = 15_000;

export type CheckWorld = {
  readonly access: Pick<SshAccess, "targetOf" | "approve">;
  readonly openSession: OpenSession;
  readonly readHostKey: (
    host: Pick<SshTarget, "host" | "port" | "jump">,
    options: Parameters<OpenSession>[1],
  ) => Promise<SeenKey>;
  readonly look: (session: SshSession) => Promise<HostFacts>;
};

export type Approval = { readonly hostKey?: string | undefined; readonly jumpHostKey?: string | undefined };

/** Which key was approved by the check, for the audit trail. */
export type Checked = { readonly answer: SshCheck; readonly approved: readonly string[] };

/** null: the server has no SSH details. Rejects only when the store fails; what a host does is in the answer. */
export async function checkAccess(world: CheckWorld, serverId: string, approve: Approval): Promise<Checked | null> {
  const target = await world.access.targetOf(serverId);
  if (target === null) return null;
  const approved: string[] = [];
  let [hostKey, jumpHostKey]: [SshCheck["hostKey"], SshCheck["jumpHostKey"]] = [null, null];

  /** Compares what a hop shows with what is approved. @returns what is wrong, if anything, and the hop as it is now */
  async function compare<T extends SshHop>(name: HopName, hop: T, seen: SeenKey, wanted: string | undefined) {
    let approvedKey = hop.hostKey;
    if (wanted !== undefined && wanted === seen.fingerprint && wanted !== approvedKey) {
      await world.access.approve(serverId, name, hop, wanted);
      approved.push(wanted);
      approvedKey = wanted;
    }
    const shown = { ...seen, approved: approvedKey };
    if (name === "host") hostKey = shown;
    else jumpHostKey = shown;
    const status = approvedKey === null ? "unapproved" : approvedKey === seen.fingerprint ? undefined : "changed";
    return { hop: { ...hop, hostKey: approvedKey }, status } as const;
  }

  const answer = (status: SshCheck["status"], host: HostFacts | null, problem: SshCheck["problem"]): Checked => ({
    answer: { status, hostKey, jumpHostKey, host, problem },
    approved,
  });
  const keyProblem = (status: "unapproved" | "changed", { host }: SshHop, wanted: string | undefined): Checked =>
    answer(status, null, {
      message:
        wanted === undefined
          ? status === "changed"
            ? `the host key of ${host} has changed: somebody may stand in between, or the host was installed anew`
            : `nobody has approved the host key of ${host} yet`
          : `${host} does not show the host key that was to be approved`,
      hint: "Compare the fingerprint with what `ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub` prints on the host, then approve it",
    });

  try {
    let { jump } = target;
    if (jump !== null) {
      const seen = await world.readHostKey({ host: jump.host, port: jump.port, jump: null }, { timeoutMs: withinMs });
      const compared = await compare("jump", jump, seen, approve.jumpHostKey);
      if (compared.status !== undefined) return keyProblem(compared.status, jump, approve.jumpHostKey);
      jump = compared.hop;
    }
    const seen = await world.readHostKey({ host: target.host, port: target.port, jump }, { timeoutMs: withinMs });
    const compared = await compare("host", target, seen, approve.hostKey);
    if (compared.status !== undefined) return keyProblem(compared.status, target, approve.hostKey);
    const session = await world.openSession({ ...compared.hop, jump }, { timeoutMs: withinMs });
    try {
      return answer("ok", await world.look(session), null);
    } finally {
      session.close();
    }
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return answer("failed", null, { message: reasonOf(error), hint: error.hint ?? null });
  }
}
