/** The search field: searches as one types, says what can't be read and where, keeps what was searched for lately. */
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";

import { describeProblem, parseQuery } from "#src/protocol/query-parser.ts";
import { useShortcuts } from "../../keys.tsx";
import { Menu } from "../../parts/menu.tsx";
import { keepRecent, recentQueries } from "./recent.ts";

/** After the last letter, in milliseconds. */
const typedMs = 250;
/** A query that stayed for so long is worth keeping, in milliseconds. */
const worthMs = 2500;

export function SearchField({
  value,
  problem,
  onChange,
}: {
  readonly value: string;
  /** what is wrong with it beside what the language says */
  readonly problem: string;
  readonly onChange: (value: string) => void;
}) {
  const field = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(value);
  const [recent, setRecent] = useState(recentQueries);
  const id = useId();
  const parsed = useMemo(() => parseQuery(text), [text]);
  const shortcuts = useMemo(() => [{ keys: "/", does: "search", run: () => field.current?.focus() }], []);
  useShortcuts("Logs", shortcuts);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value || parsed.problem !== undefined) return;
    const timer = setTimeout(() => onChange(text), typedMs);
    return () => clearTimeout(timer);
  }, [text]);
  useEffect(() => {
    if (value.trim() === "") return;
    const timer = setTimeout(() => setRecent(keepRecent(value)), worthMs);
    return () => clearTimeout(timer);
  }, [value]);

  function take(query: string): void {
    setText(query);
    if (parseQuery(query).problem === undefined) onChange(query);
    field.current?.focus();
  }

  const wrong = parsed.problem !== undefined;
  return (
    <div class="search">
      <div class="entry">
        <input
          ref={field}
          type="search"
          placeholder='Search: text, "phrase", /regex/, field:value, -not'
          aria-label="Search messages"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          value={text}
          aria-invalid={wrong || problem !== ""}
          {...(wrong || problem !== "" ? { "aria-describedby": id } : {})}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && !wrong) onChange(text);
            else if (event.key === "Escape") {
              if (text === "") field.current?.blur();
              else {
                setText("");
                onChange("");
              }
              event.preventDefault();
            }
          }}
        />
        <Menu stays label="How to search, and recent searches" name={<span class="help">?</span>}>
          <Help recent={recent} onTake={take} />
        </Menu>
      </div>
      {(wrong || problem !== "") && (
        <p class="wrong" id={id} role="alert">
          {wrong ? (
            <>
              <code>
                <bdi>
                  {text.slice(Math.max(0, parsed.from - 40), parsed.from)}
                  <u>{text.slice(parsed.from, parsed.to) || " "}</u>
                  {text.slice(parsed.to, parsed.to + 20)}
                </bdi>
              </code>{" "}
              {describeProblem(parsed)}
            </>
          ) : (
            problem
          )}
        </p>
      )}
    </div>
  );
}

const samples = [
  ["timeout", "the text, in upper or lower case"],
  ['"connection refused"', "the phrase"],
  ["'Connection'", "the text in exactly this case"],
  ["timeout OR refused", "one of them"],
  ["timeout -health", "with the first, without the second"],
  ["/took \\d{4,} ?ms/", "a regular expression"],
  ["status:500", "a field with this value; user:ad* begins so, user:* is there"],
  ["duration>250", "a field compared: <, <=, >, >="],
  ["level>=warn", "this level or worse"],
  ["source:api server:web-*", "of a source and of servers"],
] as const;

function Help({ recent, onTake }: { readonly recent: readonly string[]; readonly onTake: (query: string) => void }) {
  return (
    <div class="search-help">
      {recent.length > 0 && (
        <section aria-label="Recent searches">
          <h3>Recent</h3>
          {recent.map((query) => (
            <button key={query} type="button" onClick={() => onTake(query)}>
              <code>{query}</code>
            </button>
          ))}
        </section>
      )}
      <section aria-label="How to search">
        <h3>How to search</h3>
        {samples.map(([query, does]) => (
          <button key={query} type="button" onClick={() => onTake(query)}>
            <code>{query}</code>
            <span>{does}</span>
          </button>
        ))}
      </section>
    </div>
  );
}
