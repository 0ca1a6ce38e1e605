/** Above the list: all at once, what is to be done with the chosen ones, what was done, what waits, and the order. */
import type { ErrorDecision, ErrorGroup } from "#src/protocol/error-group.ts";
import { Pick } from "../../parts/filters.tsx";
import { useSession } from "../../session.ts";
import { type Sort, sorts } from "./view.ts";
import { counted } from "./words.ts";

/** `undo`: those that can be opened again. */
export type Done = { readonly text: string; readonly undo: readonly ErrorGroup[] };

export type ToolbarProps = {
  readonly list: readonly ErrorGroup[];
  readonly picked: readonly ErrorGroup[];
  /** groups that are held back while somebody is at work in the list */
  readonly waiting: number;
  readonly done: Done | null;
  readonly busy: boolean;
  readonly sort: Sort;
  readonly onSort: (sort: Sort) => void;
  readonly onChoose: (groups: readonly ErrorGroup[]) => void;
  readonly onApply: (groups: readonly ErrorGroup[], decision: ErrorDecision) => void;
  readonly onAsk: (kind: "ignore" | "merge") => void;
  /** shows what waits */
  readonly onLetGo: () => void;
};

const sortWords: Readonly<Record<Sort, string>> = {
  last: "Last seen first",
  first: "Newest first",
  count: "Most events first",
};

export function Toolbar(props: ToolbarProps) {
  const { manages } = useSession();
  const { list, picked, waiting, sort, onSort, onChoose, onLetGo } = props;
  const all = list.length > 0 && picked.length === list.length;
  return (
    <div class="list-tools">
      {manages && (
        <label class="check">
          <input
            type="checkbox"
            aria-label="Choose all that are shown"
            checked={all}
            disabled={list.length === 0}
            ref={(box) => {
              if (box !== null) box.indeterminate = picked.length > 0 && !all;
            }}
            onChange={() => onChoose(all ? [] : list)}
          />
        </label>
      )}
      {picked.length > 0 ? <Deeds {...props} /> : <Said {...props} />}
      <span class="end">
        {waiting > 0 && (
          <button type="button" class="on" onClick={onLetGo}>
            {counted(waiting, "new group")}
          </button>
        )}
        <Pick
          label="Order"
          value={sort}
          options={sorts.map((one) => [one, sortWords[one]] as const)}
          onChange={(chosen) => onSort(sorts.find((one) => one === chosen) ?? "last")}
        />
      </span>
    </div>
  );
}

function Deeds({ picked, busy, onApply, onAsk }: ToolbarProps) {
  return (
    <>
      <span role="status">{picked.length} chosen</span>
      <button type="button" disabled={busy} onClick={() => onApply(picked, { action: "resolve" })}>
        Resolve
      </button>
      <button type="button" disabled={busy} onClick={() => onAsk("ignore")}>
        Ignore …
      </button>
      {picked.some(({ state }) => state !== "unresolved") && (
        <button type="button" disabled={busy} onClick={() => onApply(picked, { action: "reopen" })}>
          Reopen
        </button>
      )}
      {picked.length > 1 && (
        <button type="button" disabled={busy} onClick={() => onAsk("merge")}>
          Merge …
        </button>
      )}
    </>
  );
}

function Said({ done, busy, onApply }: ToolbarProps) {
  return (
    <span role="status" class="said">
      {done?.text}
      {done !== null && done.undo.length > 0 && (
        <button type="button" class="link" disabled={busy} onClick={() => onApply(done.undo, { action: "reopen" })}>
          Undo
        </button>
      )}
    </span>
  );
}
