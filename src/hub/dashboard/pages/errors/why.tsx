/** Why events are in one group: what decided, and what was left out of account. */
import type { ErrorDetail, Explanation } from "#src/protocol/error-group.ts";
import { plainText } from "../../ansi.ts";

const methods: Readonly<Record<Explanation["method"], string>> = {
  frames:
    "Events are the same when the innermost cause has this type and these functions of the application were running.",
  message:
    "There are no functions to go by: events are the same when type and message are, with what changes in them masked.",
  template: "There is neither type nor function: the source's lines have taught a template, which these events fit.",
};

export function Why({ detail }: { readonly detail: ErrorDetail }) {
  const { explanation, merged } = detail;
  return (
    <div class="why">
      <p>{methods[explanation.method]}</p>
      <Reasons title="Decided" tone="decided" reasons={explanation.decided} />
      <Reasons title="Ignored" tone="ignored" reasons={explanation.ignored} />
      {merged.length > 0 && (
        <p>
          {merged.length === 1 ? "Another group was" : `${merged.length} other groups were`} merged into it:{" "}
          {merged.map((one) => (
            <code key={one}>{one} </code>
          ))}
        </p>
      )}
      <p class="faint">
        <code>{detail.fingerprint}</code>, by version {explanation.version} of the rules
      </p>
    </div>
  );
}

function Reasons({
  title,
  tone,
  reasons,
}: {
  readonly title: string;
  readonly tone: "decided" | "ignored";
  readonly reasons: Explanation["decided"];
}) {
  if (reasons.length === 0) return null;
  const kinds = [...Map.groupBy(reasons, ({ what }) => what)];
  return (
    <section class={tone}>
      <h3>{title}</h3>
      <dl>
        {kinds.map(([what, list]) => (
          <div key={what}>
            <dt>{what}</dt>
            {list.map(({ value }, i) => (
              <dd key={i}>
                <bdi>{plainText(value)}</bdi>
              </dd>
            ))}
          </div>
        ))}
      </dl>
    </section>
  );
}
