/** A button that opens a small list of links and buttons. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

export function Menu({
  label,
  children,
  name,
  stays = false,
}: {
  /** for who can't see what stands in the button, or what a choice is of */
  readonly label: string;
  readonly name: ComponentChildren;
  readonly children: ComponentChildren;
  /** a choice in it doesn't close it; what is in it is there only while it is open */
  readonly stays?: boolean;
}) {
  const box = useRef<HTMLDetailsElement>(null);
  const [open, setOpen] = useState(false);
  useEffect(() => {
    const close = (event: Event) => {
      const menu = box.current;
      if (menu === null || !menu.open) return;
      const leaves = event instanceof KeyboardEvent ? event.key === "Escape" : !inside(menu, event.target);
      if (!leaves) return;
      menu.open = false;
      if (event instanceof KeyboardEvent) menu.querySelector("summary")?.focus();
    };
    document.addEventListener("click", close);
    document.addEventListener("keydown", close);
    return () => {
      document.removeEventListener("click", close);
      document.removeEventListener("keydown", close);
    };
  }, []);
  return (
    <details class="menu" ref={box} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      {stays ? (
        <summary>
          <span class="unseen">{label}: </span>
          {name}
        </summary>
      ) : (
        <summary aria-label={label}>{name}</summary>
      )}
      <div
        class="list"
        onClick={() => {
          if (box.current !== null && !stays) box.current.open = false;
        }}
      >
        {(open || !stays) && children}
      </div>
    </details>
  );
}

const inside = (menu: HTMLElement, target: EventTarget | null): boolean =>
  target instanceof Node && menu.contains(target);
