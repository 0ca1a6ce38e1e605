/** How long a project's lines and events are kept: as the hub has it, or as it says itself. */
import { useState } from "preact/hooks";

import type { Project } from "#src/protocol/project.ts";
import { address, send } from "../../client.ts";
import { bytes } from "../../format.ts";
import { Dialog } from "../../parts/dialog.tsx";
import { Field, Form } from "../../parts/form.tsx";
import { Section } from "../../parts/page.tsx";
import { useSession } from "../../session.ts";

const gibibyte = 1024 ** 3;

export function ProjectRetention({ project, reload }: { readonly project: Project; readonly reload: () => void }) {
  const { manages } = useSession();
  const [changing, setChanging] = useState(false);
  const { retention, hubRetention } = project;
  const close = () => setChanging(false);
  return (
    <Section
      title="Retention"
      about="What is older, or more, is deleted, the oldest first."
      tools={
        manages && (
          <button type="button" onClick={() => setChanging(true)}>
            Change retention
          </button>
        )
      }
    >
      <dl class="facts panel">
        <dt>Logs and events</dt>
        <dd>
          {days(retention.days ?? hubRetention.days)}
          {retention.days === null && <span class="faint"> – as the hub has it</span>}
        </dd>
        <dt>Logs at most</dt>
        <dd>
          {retention.bytes === null ? (
            <>
              {bytes(hubRetention.bytes)} <span class="faint">– of all projects together, as the hub has it</span>
            </>
          ) : (
            bytes(retention.bytes)
          )}
        </dd>
      </dl>
      {changing && (
        <Dialog title={`Retention of ${project.name}`} onClose={close}>
          <Form
            submit="Save"
            onSubmit={async (values) => {
              const body = { retention: retentionOf(values) };
              await send("PATCH", address("/api/projects/:id", { id: project.id }), { body });
              reload();
              close();
            }}
            aside={
              <button type="button" onClick={close}>
                Cancel
              </button>
            }
          >
            <Field
              label="Days"
              name="days"
              type="number"
              min={1}
              max={36_500}
              step="any"
              defaultValue={retention.days === null ? "" : String(retention.days)}
              placeholder={String(hubRetention.days)}
              hint={`Left empty: ${days(hubRetention.days)}, as the hub has it`}
              autoFocus
            />
            <Field
              label="Size of the logs, in GB"
              name="size"
              type="number"
              min={0.001}
              step="any"
              defaultValue={retention.bytes === null ? "" : String(retention.bytes / gibibyte)}
              hint="Left empty: only the hub's own limit holds, over all projects"
            />
          </Form>
        </Dialog>
      )}
    </Section>
  );
}

const days = (count: number): string => `${count.toLocaleString("en")} ${count === 1 ? "day" : "days"}`;

/** What was typed: empty is as the hub has it; a size is in GB of 1024 MB. */
export function retentionOf({ days: typed = "", size = "" }: Readonly<Record<string, string>>): {
  readonly days: number | null;
  readonly bytes: number | null;
} {
  return {
    days: typed.trim() === "" ? null : Number(typed),
    bytes: size.trim() === "" ? null : Math.round(Number(size) * gibibyte),
  };
}
