/** The people of an organization and what each may do. */
import type { Role } from "#src/protocol/access.ts";
import type { Member } from "#src/protocol/account.ts";
import { address, send } from "../../client.ts";
import { Confirm } from "../../parts/dialog.tsx";
import { useAction } from "../../parts/action.ts";
import { Notice } from "../../parts/notice.tsx";
import { Panel } from "../../parts/page.tsx";
import { Time } from "../../parts/time.tsx";
import { roleTexts, useSession } from "../../session.ts";

const roles = Object.keys(roleTexts) as Role[];

export function Members({ members, onChange }: { readonly members: readonly Member[]; readonly onChange: () => void }) {
  const { session, owns, reload } = useSession();
  const { busy, problem, run } = useAction();
  const change = (member: Member, role: string) =>
    run(async () => {
      try {
        await send("PATCH", address("/api/organization/members/:id", { id: member.id }), { body: { role } });
      } finally {
        // a refused choice goes back to what is so
        onChange();
      }
      if (member.id === session.person.id) await reload();
    });
  return (
    <>
      {problem !== "" && (
        <Notice tone="bad" alert>
          {problem}
        </Notice>
      )}
      <Panel>
        <table class="list">
          <thead>
            <tr>
              <th>Member</th>
              <th>Role</th>
              <th>Since</th>
              {owns && (
                <th>
                  <span class="unseen">Actions</span>
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {members.map((member) => (
              <tr key={member.id}>
                <th scope="row">
                  <span class="name">{member.name === "" ? member.email : member.name}</span>
                  <span class="note">
                    {member.name !== "" && member.email}
                    {member.id === session.person.id && " (you)"}
                  </span>
                </th>
                <td data-label="Role">
                  {owns ? (
                    <select
                      aria-label={`Role of ${member.email}`}
                      value={member.role}
                      disabled={busy}
                      onChange={(event) => change(member, event.currentTarget.value)}
                    >
                      {roles.map((one) => (
                        <option key={one} value={one} title={roleTexts[one]}>
                          {one}
                        </option>
                      ))}
                    </select>
                  ) : (
                    member.role
                  )}
                </td>
                <td data-label="Since">
                  <Time at={member.since} />
                </td>
                {owns && (
                  <td class="acts">
                    <Confirm
                      label={member.id === session.person.id ? "Leave" : "Remove"}
                      about={member.email}
                      title={`Remove ${member.email}?`}
                      submit="Remove"
                      onConfirm={async () => {
                        await send("DELETE", address("/api/organization/members/:id", { id: member.id }));
                        if (member.id === session.person.id) await reload();
                        else onChange();
                      }}
                    >
                      <b>{member.email}</b> no longer sees anything of this organization, from then on. An invitation
                      can bring them back.
                    </Confirm>
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </Panel>
    </>
  );
}
