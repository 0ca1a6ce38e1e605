/** Error groups: what fails, how often, since when, and whether somebody has dealt with it. */
import { Find, Pick, Suggest } from "../parts/filters.tsx";
import { OriginFilters } from "../parts/origin-filters.tsx";
import { Page } from "../parts/page.tsx";
import { spans } from "../parts/since.ts";
import { navigate, usePlace } from "../router.ts";
import { type Changes, GroupList } from "./errors/list.tsx";
import { type View, isNarrowed, kinds, readView, states, usual, writeView } from "./errors/view.ts";
import { kindWords, stateWords } from "./errors/words.ts";

export function ErrorsPage() {
  const { query } = usePlace();
  const view = readView(query);
  const change = (part: Partial<View>) =>
    navigate(writeView({ ...view, ...part }), { replace: "q" in part, keepScroll: true });
  return (
    <Page title="Errors" wide tools={<States view={view} change={change} />}>
      <Filters view={view} change={change} />
      <GroupList view={view} change={change} />
    </Page>
  );
}

/** Which state; the one filter that everybody uses. */
function States({ view, change }: Changes) {
  return (
    <div class="segments" role="group" aria-label="State">
      {([...states, ""] as const).map((state) => (
        <button key={state} type="button" aria-pressed={view.state === state} onClick={() => change({ state })}>
          {state === "" ? "All" : stateWords[state]}
        </button>
      ))}
    </div>
  );
}

const kindOptions = [["", "Errors"], ...kinds.map((kind) => [kind, kindWords[kind]] as const)] as const;
const sinceOptions = [["", "Any time"], ...spans] as const;

function Filters({ view, change }: Changes) {
  return (
    <div class="filters" role="search" aria-label="Errors">
      <Find
        title="Errors"
        label="Find errors"
        placeholder="Find in type, message, function"
        value={view.q}
        onChange={(q) => change({ q })}
      />
      <Pick
        label="Kind"
        value={view.kind}
        options={kindOptions}
        onChange={(kind) => change({ kind: kinds.find((one) => one === kind) ?? "" })}
      />
      <OriginFilters origin={view} onChange={change} />
      <Suggest label="Release" value={view.release} names={[]} onChange={(release) => change({ release })} />
      <Pick label="Seen since" value={view.since} options={sinceOptions} onChange={(since) => change({ since })} />
      {isNarrowed(view) && (
        <button type="button" class="plain" onClick={() => change({ ...usual, state: view.state, sort: view.sort })}>
          Clear
        </button>
      )}
    </div>
  );
}
