/** A list to choose several of, with a field that finds among many. */
import { useState } from "preact/hooks";

export type Option = { readonly value: string; readonly name: string; readonly note: string };

/** Boxes that are drawn; of more, the field finds the rest. */
const mostShown = 200;
/** From so many on there is a field. */
const findFrom = 8;

export function Pick({
  what,
  options,
  chosen,
  onChange,
}: {
  readonly what: string;
  readonly options: readonly Option[];
  readonly chosen: readonly string[];
  readonly onChange: (chosen: readonly string[]) => void;
}) {
  const [find, setFind] = useState("");
  const wanted = find.trim().toLowerCase();
  const found = options.filter(({ name }) => name.toLowerCase().includes(wanted));
  return (
    <div class="pick">
      {options.length >= findFrom && (
        <input
          type="search"
          placeholder={`Find ${what}`}
          aria-label={`Find ${what}`}
          value={find}
          onInput={({ currentTarget }) => setFind(currentTarget.value)}
        />
      )}
      <div class="boxes" role="group" aria-label={what}>
        {found.slice(0, mostShown).map(({ value, name, note }) => (
          <label key={value}>
            <input
              type="checkbox"
              checked={chosen.includes(value)}
              onChange={({ currentTarget: { checked } }) =>
                onChange(checked ? [...chosen, value] : chosen.filter((one) => one !== value))
              }
            />
            <bdi>{name}</bdi>
            <span class="note">{note}</span>
          </label>
        ))}
        {found.length === 0 && <p class="nothing">{options.length === 0 ? `No ${what} yet` : "None is called so"}</p>}
        {found.length > mostShown && <p class="nothing">{found.length - mostShown} more: type to find them</p>}
      </div>
      {chosen.length > 0 && (
        <button type="button" class="clear" onClick={() => onChange([])}>
          All {what}
        </button>
      )}
    </div>
  );
}
