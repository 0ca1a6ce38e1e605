/** Forms: labelled fields, one button, and what went wrong beside it. */
import type {
  ComponentChildren,
  InputHTMLAttributes,
  PartialInputHTMLAttributes,
  PartialSelectHTMLAttributes,
  TargetedEvent,
} from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

import { useAction } from "./action.ts";
import { Notice } from "./notice.tsx";

/** What a form holds, by the names of its fields. */
export type Values = Readonly<Record<string, string>>;

export type FormProps = {
  /** what its button says */
  readonly submit: string;
  readonly onSubmit: (values: Values) => Promise<void>;
  readonly children?: ComponentChildren;
  /** beside the button */
  readonly aside?: ComponentChildren;
  readonly danger?: boolean;
  /** fields and button in one line where there is room */
  readonly inline?: boolean;
  readonly class?: string;
};

/** A form whose fields are read when it is sent. While that lasts, and while the hub asks to wait, it can't be sent again. */
export function Form({ submit, onSubmit, children, aside, danger = false, inline = false, ...rest }: FormProps) {
  const { busy, problem, waitSeconds, run } = useAction();
  function send(event: TargetedEvent<HTMLFormElement>): void {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const values: Record<string, string> = {};
    for (const [name, value] of data) {
      if (typeof value !== "string") continue;
      // boxes of one name are a list
      values[name] = name in values ? `${values[name]} ${value}` : value;
    }
    run(() => onSubmit(values));
  }
  return (
    <form class={`form ${inline ? "inline" : ""} ${rest.class ?? ""}`} onSubmit={send}>
      {children}
      {problem !== "" && (
        <Notice tone="bad" alert>
          {problem}
        </Notice>
      )}
      <div class="actions">
        <button type="submit" class={danger ? "danger" : "primary"} disabled={busy || waitSeconds > 0}>
          {waitSeconds > 0 ? `${submit} (${waitSeconds} s)` : submit}
        </button>
        {aside}
      </div>
    </form>
  );
}

type FieldProps = Omit<PartialInputHTMLAttributes<HTMLInputElement>, "label" | "name" | "role"> & {
  readonly label: string;
  readonly name: string;
  readonly type?: "email" | "number" | "password" | "datetime-local";
  /** id of a datalist with suggestions */
  readonly list?: string;
  readonly hint?: string | undefined;
};

/** One line of text with its label above. */
export function Field({ label, hint, autoFocus, ...input }: FieldProps) {
  const id = useId();
  const box = useRef<HTMLInputElement>(null);
  // Preact's type is a union by `type`, which a chosen type is never known to fit
  const attributes = input as InputHTMLAttributes;
  // a dialog that opens looks at the attribute; a page that is drawn later doesn't
  useEffect(() => {
    if (autoFocus === true) box.current?.focus();
  }, []);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        id={id}
        ref={box}
        {...(autoFocus === true ? { autofocus: true } : {})}
        {...(hint === undefined ? {} : { "aria-describedby": `${id}-hint` })}
        {...attributes}
      />
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

/** Several lines of text as they are: a key, a list. */
export function Area({
  label,
  ...area
}: {
  readonly label: string;
  readonly name: string;
  readonly rows: number;
  readonly required?: boolean;
  readonly maxLength?: number;
  readonly placeholder?: string;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea id={id} class="code-text" autoComplete="off" spellcheck={false} {...area} />
    </div>
  );
}

type ChoiceProps = Omit<
  PartialSelectHTMLAttributes<HTMLSelectElement>,
  "label" | "name" | "role" | "size" | "multiple" | "value" | "defaultValue"
> & {
  readonly label: string;
  readonly name: string;
  readonly hint?: string | undefined;
  /** value and what it is called */
  readonly options: readonly (readonly [value: string, text: string])[];
  /** the value at first; left out: the first option */
  readonly chosen?: string;
};

/** One of several. */
export function Choice({ label, hint, options, chosen, ...select }: ChoiceProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} {...(hint === undefined ? {} : { "aria-describedby": `${id}-hint` })} {...select}>
        {options.map(([value, text]) => (
          <option key={value} value={value} selected={value === chosen}>
            {text}
          </option>
        ))}
      </select>
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

/** Any of several; their values arrive separated by spaces. */
export function Boxes({
  label,
  name,
  options,
}: {
  readonly label: string;
  readonly name: string;
  readonly options: readonly (readonly [value: string, text: string, checked: boolean])[];
}) {
  return (
    <fieldset class="boxes">
      <legend>{label}</legend>
      {options.map(([value, text, checked]) => (
        <label key={value}>
          <input type="checkbox" name={name} value={value} defaultChecked={checked} />
          <span>{text}</span>
        </label>
      ))}
    </fieldset>
  );
}
