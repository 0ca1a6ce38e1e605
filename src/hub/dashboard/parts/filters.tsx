/** What narrows a list: a field to find, choices, and names with suggestions. Each says its value; the address keeps it. */
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";

import { useShortcuts } from "../keys.tsx";

/** Milliseconds that typing may rest before the list follows. */
const restMs = 200;

type Value = {
  /** for who can't see it, and the shortcut list */
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
};

/** A field that `/` leads to. */
export function Find({
  label,
  value,
  onChange,
  placeholder,
  title,
}: Value & {
  readonly placeholder: string;
  /** of its shortcut's group */
  readonly title: string;
}) {
  const field = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(value);
  const shortcuts = useMemo(
    () => [{ keys: "/", does: label.toLowerCase(), run: () => field.current?.focus() }],
    [label],
  );
  useShortcuts(title, shortcuts);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => onChange(text), restMs);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <input
      ref={field}
      class="find"
      type="search"
      maxLength={200}
      placeholder={placeholder}
      aria-label={label}
      value={text}
      onInput={({ currentTarget }) => setText(currentTarget.value)}
      onKeyDown={({ key, currentTarget }) => {
        if (key === "Escape") currentTarget.blur();
      }}
    />
  );
}

type Options = readonly (readonly [value: string, text: string])[];

/** One of a few; the first option is usually "all". A value that is none of them is shown as it is. */
export function Pick({ label, value, onChange, options }: Value & { readonly options: Options }) {
  const known = options.some(([one]) => one === value);
  return (
    <select
      aria-label={label}
      class={value === options[0]?.[0] ? "" : "on"}
      value={value}
      onChange={({ currentTarget }) => onChange(currentTarget.value)}
    >
      {options.map(([one, text]) => (
        <option key={one} value={one}>
          {text}
        </option>
      ))}
      {!known && <option value={value}>{value}</option>}
    </select>
  );
}

/** A name out of many, typed or chosen; it counts once it is whole. */
export function Suggest({ label, value, onChange, names }: Value & { readonly names: readonly string[] }) {
  const id = useId();
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  return (
    <>
      <input
        class={`suggest ${value === "" ? "" : "on"}`}
        type="search"
        maxLength={200}
        placeholder={label}
        aria-label={label}
        list={id}
        value={text}
        onInput={({ currentTarget }) => {
          setText(currentTarget.value);
          // a suggestion that was taken, or the field's own cross
          if (currentTarget.value === "" || names.includes(currentTarget.value)) onChange(currentTarget.value);
        }}
        onChange={({ currentTarget }) => onChange(currentTarget.value.trim())}
      />
      <datalist id={id}>
        {names.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </>
  );
}
