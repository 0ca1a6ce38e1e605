/** How the hub reaches a server over SSH, and what it has done there: for who manages servers. */
import { useState } from "preact/hooks";

import type { Server } from "#src/protocol/api.ts";
import type { Job } from "#src/protocol/job.ts";
import type { SshDetails } from "#src/protocol/ssh.ts";
import { address, send } from "../../client.ts";
import { useLoad } from "../../loading.ts";
import { Confirm, Dialog } from "../../parts/dialog.tsx";
import { Ready, Section } from "../../parts/page.tsx";
import { Copyable } from "../../parts/secret.tsx";
import { Time } from "../../parts/time.tsx";
import { DeployForm } from "./deploy-form.tsx";
import { JobDialog, kindWords, stateLooks } from "./job-dialog.tsx";
import { type ServerJobs, isOver } from "./jobs.ts";
import { SshCheck } from "./ssh-check.tsx";
import { SshForm } from "./ssh-form.tsx";

type Opened = "none" | "edit" | "check" | "deploy";

export function Provision({
  server,
  jobs,
  reload,
}: {
  readonly server: Server;
  readonly jobs: ServerJobs;
  readonly reload: () => void;
}) {
  const [opened, setOpened] = useState<Opened>("none");
  const close = () => setOpened("none");
  const path = address("/api/servers/:id/ssh", { id: server.id });
  const details = useLoad<SshDetails>(server.hasSsh === true ? path : null);
  const changed = () => {
    reload();
    details.reload();
  };
  const started = (job: Job) => {
    close();
    jobs.show(job.id);
  };
  const known = server.hasSsh === true;
  return (
    <div class="halves" id="ssh">
      <Section
        title="SSH"
        tools={
          known && (
            <>
              <button type="button" onClick={() => setOpened("check")}>
                Check
              </button>
              <button type="button" disabled={details.data === undefined} onClick={() => setOpened("edit")}>
                Edit
              </button>
              <Confirm
                label="Forget"
                title={`Forget how ${server.hostname} is reached?`}
                submit="Forget"
                onConfirm={async () => {
                  await send("DELETE", path);
                  changed();
                }}
              >
                Its keys and passwords are deleted here. The hub can't watch it while its agent is silent, nor deploy to
                it.
              </Confirm>
            </>
          )
        }
      >
        {server.hasSsh === undefined ? (
          <p class="panel nothing">Loading…</p>
        ) : known ? (
          <Ready from={details}>{(ssh) => <Details server={server} ssh={ssh} />}</Ready>
        ) : (
          <div class="panel next">
            <p>
              With SSH details the hub installs and upgrades the agent, and goes on watching this server while its agent
              is silent.
            </p>
            <button type="button" onClick={() => setOpened("edit")}>
              Add SSH details
            </button>
          </div>
        )}
      </Section>
      <Section
        title="Deployments"
        tools={
          known && (
            <>
              <button type="button" class="primary" onClick={() => setOpened("deploy")}>
                {server.agent.version === null ? "Deploy agent" : "Deploy again"}
              </button>
              <Confirm
                label="Uninstall agent"
                title={`Take the agent off ${server.hostname}?`}
                submit="Uninstall"
                onConfirm={async () => {
                  started(await send<Job>("POST", address("/api/servers/:id/agent/uninstall", { id: server.id })));
                }}
              >
                Its scripts are stopped, program and service are removed, its token is dead. Configuration and data stay
                on the host.
              </Confirm>
            </>
          )
        }
      >
        <div class="panel">
          <Ready from={jobs.list}>{({ jobs: list }) => <Jobs list={list} show={jobs.show} />}</Ready>
        </div>
      </Section>
      {opened === "edit" && (
        <Dialog title={`How to reach ${server.hostname} over SSH`} onClose={close}>
          <SshForm
            serverId={server.id}
            hostname={server.hostname}
            known={details.data}
            onSaved={() => {
              changed();
              setOpened("check");
            }}
          />
        </Dialog>
      )}
      {opened === "check" && (
        <Dialog title={`Connection to ${server.hostname}`} onClose={close}>
          <SshCheck serverId={server.id} onApproved={changed} onDeploy={() => setOpened("deploy")} />
        </Dialog>
      )}
      {opened === "deploy" && (
        <Dialog title={`Deploy the agent to ${server.hostname}`} onClose={close}>
          <DeployForm serverId={server.id} onStarted={started} />
        </Dialog>
      )}
      {jobs.shown !== "" && (
        <JobDialog key={jobs.shown} id={jobs.shown} onClose={() => jobs.show("")} onOver={jobs.list.reload} />
      )}
    </div>
  );
}

const authWords = { "hub-key": "the hub's key", key: "its own key", password: "a password" } as const;
const sudoWords = {
  none: "not used",
  "without-password": "without a password",
  "with-password": "with a password",
} as const;

function Details({ server, ssh }: { readonly server: Server; readonly ssh: SshDetails }) {
  const { host, port, user, auth, hostKey, sudo, jump, publicKey } = ssh;
  const watch = server.agent.ssh;
  return (
    <>
      <dl class="facts panel">
        <dt>Address</dt>
        <dd>
          <code>
            {user}@{host}:{port}
          </code>
          {jump !== null && (
            <>
              {" by way of "}
              <code>
                {jump.user}@{jump.host}:{jump.port}
              </code>
            </>
          )}
        </dd>
        <dt>Signs in with</dt>
        <dd>
          {authWords[auth]}
          {jump !== null && `; at the jump host with ${authWords[jump.auth]}`}
        </dd>
        <dt>sudo</dt>
        <dd>{sudoWords[sudo]}</dd>
        <dt>Host key</dt>
        <dd>
          {hostKey === null ? <b class="warn-text">not approved yet: check the connection</b> : <code>{hostKey}</code>}
        </dd>
        {watch !== undefined && (
          <>
            <dt>Last read</dt>
            <dd>
              <Time at={watch.lastPolled} />
              {watch.nextPoll !== null && (
                <>
                  {" · next "}
                  <Time at={watch.nextPoll} />
                </>
              )}
              {watch.problem !== null && <p class="bad">{watch.problem}</p>}
            </dd>
          </>
        )}
      </dl>
      {auth === "hub-key" && publicKey !== null && (
        <details class="public-key">
          <summary>The hub's public key</summary>
          <Copyable label={`For ~${user}/.ssh/authorized_keys on the host`} text={publicKey} />
        </details>
      )}
    </>
  );
}

function Jobs({ list, show }: { readonly list: readonly Job[]; readonly show: (id: string) => void }) {
  if (list.length === 0) return <p class="nothing">None yet.</p>;
  return (
    <table class="list jobs">
      <thead>
        <tr>
          <th scope="col">Job</th>
          <th scope="col">State</th>
          <th scope="col">Asked for</th>
          <th scope="col">By</th>
        </tr>
      </thead>
      <tbody>
        {list.map((job) => {
          const [pill, words] = stateLooks[job.state];
          return (
            <tr key={job.id}>
              <th scope="row">
                <button type="button" class="link" onClick={() => show(job.id)}>
                  {kindWords[job.kind]}
                </button>
                {job.problem !== null && <span class="note">{job.problem.message}</span>}
                {!isOver(job) && (
                  <span class="note">{job.steps.find(({ state }) => state === "running")?.name ?? ""}</span>
                )}
              </th>
              <td data-label="State">
                <span class={`pill ${pill}`}>{words}</span>
              </td>
              <td data-label="Asked for">
                <Time at={job.createdAt} />
              </td>
              <td data-label="By">{job.createdBy ?? "–"}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
