/** What a deployment needs to know; most of it the hub finds out by itself. */
import { useState } from "preact/hooks";

import type { DeployMethod, Job } from "#src/protocol/job.ts";
import { address, send } from "../../client.ts";
import { Choice, Field, Form } from "../../parts/form.tsx";

const methods = [
  ["", "What the host is good for: systemd, else Docker"],
  ["binary", "A program with a systemd service"],
  ["docker", "A container"],
] as const satisfies readonly (readonly [DeployMethod | "", string])[];

/** Reached under such a name, other hosts can't reach the hub. */
const isLocal = /^(?:localhost|.*\.localhost|127\.[\d.]+|\[::1\])$/;

export function DeployForm({
  serverId,
  onStarted,
}: {
  readonly serverId: string;
  readonly onStarted: (job: Job) => void;
}) {
  const [method, setMethod] = useState<DeployMethod | "">("");
  return (
    <Form
      submit="Deploy"
      onSubmit={async ({ apiUrl = "", image = "" }) => {
        const body = {
          ...(method === "" ? {} : { method }),
          ...(apiUrl.trim() === "" ? {} : { apiUrl: apiUrl.trim() }),
          ...(method === "docker" && image.trim() !== "" ? { image: image.trim() } : {}),
        };
        onStarted(await send<Job>("POST", address("/api/servers/:id/agent/deploy", { id: serverId }), { body }));
      }}
    >
      <p class="hint">
        The hub sends its own program, puts it in place and waits until it reports. If any step fails, the host stays as
        it was. An agent that is there already is brought to this hub's version; scripts, configuration and buffer stay.
      </p>
      <Choice
        label="Method"
        name="method"
        options={methods}
        onChange={({ currentTarget: { value } }) => setMethod(methods.find(([one]) => one === value)?.[0] ?? "")}
      />
      {method === "docker" && (
        <Field
          label="Image"
          name="image"
          placeholder="made of the hub's own program"
          maxLength={300}
          hint="Pulled by the host; left empty, the hub sends one"
        />
      )}
      <Field
        label="Address of the hub, as the host reaches it"
        name="apiUrl"
        placeholder={isLocal.test(location.hostname) ? "https://hub.example.com" : location.origin}
        pattern="https?://\S+"
        title="an http:// or https:// address"
        maxLength={500}
        hint="Left empty: the hub's publicUrl, else what the agent there uses now"
      />
    </Form>
  );
}
