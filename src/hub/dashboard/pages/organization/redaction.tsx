/** Which secrets are taken out before anything is stored. */
import type { RedactionOverview } from "#src/protocol/redaction.ts";
import { useLoad } from "../../loading.ts";
import { Ready, Section } from "../../parts/page.tsx";

export function Redaction() {
  const loaded = useLoad<RedactionOverview>("/api/redaction");
  return (
    <Section
      title="Redaction"
      about={
        <>
          Taken out of lines and events before they are stored; <code>[redacted:…]</code> stands in their place. The
          hub's configuration says what.
        </>
      }
    >
      <Ready from={loaded}>
        {({ rules, patterns }) => (
          <dl class="facts panel">
            <Names title="Taken out" names={rules.flatMap(({ name, on }) => (on ? name : []))} />
            <Names title="Left in" names={rules.flatMap(({ name, on }) => (on ? [] : name))} />
            <Names title="Own patterns" names={patterns} />
          </dl>
        )}
      </Ready>
    </Section>
  );
}

function Names({ title, names }: { readonly title: string; readonly names: readonly string[] }) {
  if (names.length === 0) return null;
  return (
    <>
      <dt>{title}</dt>
      <dd>{names.join(", ")}</dd>
    </>
  );
}
