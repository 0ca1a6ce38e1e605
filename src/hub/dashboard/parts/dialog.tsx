/** Questions and forms before the page: the browser's own dialog keeps focus inside and closes on Escape. */
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";

import { Form } from "./form.tsx";

/** Shown from the start until `onClose`. */
export function Dialog({
  title,
  onClose,
  children,
}: {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}) {
  const box = useRef<HTMLDialogElement>(null);
  const id = useId();
  const shown = useRef(false);
  useLayoutEffect(() => {
    const dialog = box.current;
    if (dialog === null) return;
    shown.current = true;
    dialog.showModal();
    return () => {
      // its event comes later, when another dialog may stand in this one's place
      shown.current = false;
      // gives the focus back to where it was
      dialog.close();
    };
  }, []);
  return (
    <dialog
      ref={box}
      aria-labelledby={id}
      onClose={() => {
        if (shown.current) onClose();
      }}
    >
      <header>
        <h2 id={id}>{title}</h2>
        <button type="button" class="plain" aria-label="Close" onClick={onClose}>
          ✕
        </button>
      </header>
      {children}
    </dialog>
  );
}

export type ConfirmProps = {
  /** what the button that opens it says */
  readonly label: string;
  readonly title: string;
  /** what will be so afterwards */
  readonly children: ComponentChildren;
  /** what the button that does it says */
  readonly submit: string;
  readonly onConfirm: () => Promise<void>;
  /** names what it is about, for who can't see the row that the button stands in */
  readonly about?: string;
};

/** A button that asks before it does something that can't be taken back. */
export function Confirm({ label, title, children, submit, onConfirm, about }: ConfirmProps) {
  const [open, setOpen] = useState(false);
  const close = () => setOpen(false);
  return (
    <>
      <button
        type="button"
        class="danger-text"
        {...(about === undefined ? {} : { "aria-label": `${label} ${about}` })}
        onClick={() => setOpen(true)}
      >
        {label}
      </button>
      {open && (
        <Dialog title={title} onClose={close}>
          <Form
            submit={submit}
            danger
            onSubmit={async () => {
              await onConfirm();
              close();
            }}
            aside={
              <button type="button" onClick={close}>
                Cancel
              </button>
            }
          >
            <div class="text">{children}</div>
          </Form>
        </Dialog>
      )}
    </>
  );
}
