/** Where one is signed in. */
import type { SessionsList } from "#src/protocol/account.ts";
import { address, send } from "../../client.ts";
import { agentName } from "../../format.ts";
import { useLoad } from "../../loading.ts";
import { Confirm } from "../../parts/dialog.tsx";
import { useAction } from "../../parts/action.ts";
import { Notice } from "../../parts/notice.tsx";
import { Panel, Ready, Section } from "../../parts/page.tsx";
import { Time } from "../../parts/time.tsx";
import { navigate } from "../../router.ts";
import { useSession } from "../../session.ts";

export function Sessions() {
  const { reload } = useSession();
  const list = useLoad<SessionsList>("/api/auth/sessions");
  const { busy, problem, run } = useAction();
  const end = (id: string) =>
    run(async () => {
      await send("DELETE", address("/api/auth/sessions/:id", { id }));
      list.reload();
    });
  return (
    <Section
      title="Sessions"
      about="Browsers and command lines that are signed in as you."
      tools={
        <Confirm
          label="Sign out everywhere"
          title="Sign out everywhere?"
          submit="Sign out everywhere"
          onConfirm={async () => {
            await send("POST", "/api/auth/sign-out-everywhere");
            navigate("/login");
            await reload();
          }}
        >
          All sessions end, this one too.
        </Confirm>
      }
    >
      {problem !== "" && (
        <Notice tone="bad" alert>
          {problem}
        </Notice>
      )}
      <Ready from={list}>
        {({ sessions }) => (
          <Panel>
            <table class="list">
              <thead>
                <tr>
                  <th>From</th>
                  <th>Since</th>
                  <th>Expires</th>
                  <th>
                    <span class="unseen">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {sessions.map((one) => (
                  <tr key={one.id}>
                    <th scope="row">
                      <span class="name">{agentName(one.userAgent)}</span>
                      <span class="note">{one.address ?? "address not known"}</span>
                    </th>
                    <td data-label="Since">
                      <Time at={one.createdAt} />
                    </td>
                    <td data-label="Expires">
                      <Time at={one.expiresAt} />
                    </td>
                    <td class="acts">
                      {one.current ? (
                        <span class="pill running">this one</span>
                      ) : (
                        <button
                          type="button"
                          disabled={busy}
                          aria-label={`Sign out ${agentName(one.userAgent)} at ${one.address ?? "an unknown address"}`}
                          onClick={() => end(one.id)}
                        >
                          Sign out
                        </button>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Panel>
        )}
      </Ready>
    </Section>
  );
}
