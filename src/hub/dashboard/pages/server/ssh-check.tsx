/** Trying out a connection: the keys that the hosts show, to be compared and approved; then what the host is. */
import { useEffect, useState } from "preact/hooks";

import type { HostFacts, SshCheck as Checked } from "#src/protocol/ssh.ts";
import { address, send, sentence, sentenceOf } from "../../client.ts";
import { bytes } from "../../format.ts";
import { Notice } from "../../parts/notice.tsx";
import { Copyable } from "../../parts/secret.tsx";

type SeenKey = NonNullable<Checked["hostKey"]>;
type Approval = { readonly hostKey?: string; readonly jumpHostKey?: string };

/** Prints the fingerprints of a host's keys, on the host itself. */
const compareCommand = "for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -l -f $key; done";

export function SshCheck({
  serverId,
  onApproved,
  onDeploy,
}: {
  readonly serverId: string;
  readonly onApproved: () => void;
  readonly onDeploy: () => void;
}) {
  const [checked, setChecked] = useState<Checked>();
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);

  async function check(approve?: Approval): Promise<void> {
    setBusy(true);
    setProblem("");
    try {
      const body = approve === undefined ? {} : { approve };
      setChecked(await send<Checked>("POST", address("/api/servers/:id/ssh/check", { id: serverId }), { body }));
      if (approve !== undefined) onApproved();
    } catch (error) {
      setProblem(sentenceOf(error));
    } finally {
      setBusy(false);
    }
  }
  useEffect(() => void check(), []);

  const retry = (
    <button type="button" disabled={busy} onClick={() => void check()}>
      Try again
    </button>
  );
  if (problem !== "" || checked === undefined) {
    return (
      <>
        {problem === "" ? (
          <p class="nothing" role="status">
            Connecting…
          </p>
        ) : (
          <Notice tone="bad" alert>
            {problem}
          </Notice>
        )}
        {problem !== "" && <div class="actions">{retry}</div>}
      </>
    );
  }
  const { status, hostKey, jumpHostKey, host } = checked;
  if (status === "unapproved" || status === "changed") {
    const changed = status === "changed";
    return (
      <>
        <Notice tone={changed ? "bad" : "warn"} alert>
          {changed
            ? "A host shows another key than the one that was approved. Nobody was signed in. Find out why before you approve it: the host may have been installed anew, or somebody may stand between."
            : "Nobody has approved this host's key yet, so nobody was signed in. Compare it with what the host itself says."}
        </Notice>
        {jumpHostKey !== null && <Key title="Jump host" seen={jumpHostKey} />}
        {hostKey !== null && <Key title="Host" seen={hostKey} />}
        <Copyable label="On the host" text={compareCommand} />
        <div class="actions">
          <button
            type="button"
            class={changed ? "danger" : "primary"}
            disabled={busy}
            onClick={() => void check(approvalOf(checked))}
          >
            {changed ? "Approve the new key" : "It is the same: approve"}
          </button>
          {retry}
        </div>
      </>
    );
  }
  if (status === "failed" || host === null) {
    return (
      <>
        <Notice tone="bad" alert>
          <p>{sentence(checked.problem?.message ?? "the host could not be looked at")}</p>
          {checked.problem?.hint != null && <p>{sentence(checked.problem.hint)}</p>}
        </Notice>
        {hostKey !== null && <Key title="Host" seen={hostKey} />}
        <div class="actions">{retry}</div>
      </>
    );
  }
  return (
    <>
      <Notice tone="good" alert>
        Signed in.
      </Notice>
      <Facts host={host} />
      <div class="actions">
        <button type="button" class="primary" onClick={onDeploy}>
          {host.agentVersion === null ? "Deploy the agent" : "Deploy again"}
        </button>
        {retry}
      </div>
    </>
  );
}

/** Those that are not approved as they are shown. */
function approvalOf({ hostKey, jumpHostKey }: Checked): Approval {
  const isOpen = (key: SeenKey | null) => key !== null && key.approved !== key.fingerprint;
  return {
    ...(isOpen(hostKey) ? { hostKey: hostKey?.fingerprint ?? "" } : {}),
    ...(isOpen(jumpHostKey) ? { jumpHostKey: jumpHostKey?.fingerprint ?? "" } : {}),
  };
}

function Key({ title, seen: { fingerprint, type, approved } }: { readonly title: string; readonly seen: SeenKey }) {
  return (
    <dl class="facts">
      <dt>{title} shows</dt>
      <dd>
        <code>{fingerprint}</code> <span class="faint">{type}</span>
      </dd>
      {approved !== null && approved !== fingerprint && (
        <>
          <dt>Approved was</dt>
          <dd>
            <code>{approved}</code>
          </dd>
        </>
      )}
    </dl>
  );
}

function Facts({ host }: { readonly host: HostFacts }) {
  const { os, cpu, libc, hostname, root, systemd, docker, diskFree, agentVersion, missing } = host;
  return (
    <dl class="facts">
      <dt>Host</dt>
      <dd>{hostname}</dd>
      <dt>System</dt>
      <dd>
        {os}, {cpu}, {libc}
      </dd>
      <dt>Commands run</dt>
      <dd>{root ? "as root" : "as an ordinary user"}</dd>
      <dt>systemd</dt>
      <dd>{systemd ? "runs" : "does not run"}</dd>
      <dt>Docker</dt>
      <dd>{docker ?? "none that may be used"}</dd>
      <dt>Disk free</dt>
      <dd>{bytes(diskFree)}</dd>
      <dt>Agent there</dt>
      <dd>{agentVersion ?? "none"}</dd>
      {missing.length > 0 && (
        <>
          <dt>Missing</dt>
          <dd class="bad">{missing.join(", ")}</dd>
        </>
      )}
    </dl>
  );
}
