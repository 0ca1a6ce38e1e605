/** The key that the hub signs in with over SSH; its public half is to be pasted on the hosts. */
import type { sshPublicKey } from "#src/protocol/ssh.ts";
import type { z } from "#src/protocol/schema.ts";
import { useLoad } from "../../loading.ts";
import { Ready, Section } from "../../parts/page.tsx";
import { Copyable } from "../../parts/secret.tsx";

export function HubKey() {
  const loaded = useLoad<z.infer<typeof sshPublicKey>>("/api/ssh/public-key");
  return (
    <Section
      title="SSH key"
      about="The hub signs in with it to put agents on servers, and to watch servers whose agent is silent. The private half never leaves the hub."
    >
      <Ready from={loaded}>
        {({ publicKey }) => (
          <Copyable label="A line for ~/.ssh/authorized_keys of the user on each host" text={publicKey} />
        )}
      </Ready>
    </Section>
  );
}
