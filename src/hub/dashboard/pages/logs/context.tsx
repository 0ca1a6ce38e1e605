/** What the same source of the same server logged around a line, in place. */
import { useState } from "preact/hooks";

import type { ContextAnswer } from "#src/protocol/query-answers.ts";
import { address } from "../../client.ts";
import { useLoad } from "../../loading.ts";
import { Ready } from "../../parts/page.tsx";
import { type EntryLook, EntryText } from "./line.tsx";
import { entryLine } from "./lines.ts";

/** Lines before and after, and with each "more". */
const [firstLines, moreLines, mostLines] = [8, 40, 480];

export function Context({ id, look }: { readonly id: string; readonly look: EntryLook }) {
  const [before, setBefore] = useState(firstLines);
  const [after, setAfter] = useState(firstLines);
  const path = address("/api/logs/:id/context", { id }, { before, after });
  const loaded = useLoad<ContextAnswer>(path);
  return (
    <div class="context" role="group" aria-label="Lines around it">
      <Ready from={loaded}>
        {({ entries }) => {
          const index = entries.findIndex((entry) => entry.id === id);
          return (
            <>
              {index === before && before < mostLines && (
                <button type="button" class="link" onClick={() => setBefore(before + moreLines)}>
                  More before
                </button>
              )}
              {entries.map((entry) => {
                const { entry: held, whole } = entryLine(entry);
                return (
                  <div
                    key={entry.id}
                    class={`line ${entry.level}`}
                    {...(entry.id === id ? { "aria-current": "true" as const } : {})}
                  >
                    <EntryText entry={held} whole={whole} look={{ ...look, host: undefined }} />
                  </div>
                );
              })}
              {entries.length - 1 - index === after && after < mostLines && (
                <button type="button" class="link" onClick={() => setAfter(after + moreLines)}>
                  More after
                </button>
              )}
            </>
          );
        }}
      </Ready>
    </div>
  );
}
