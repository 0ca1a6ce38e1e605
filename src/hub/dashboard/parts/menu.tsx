/** A button that opens a small list of links and buttons. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

export function Menu({
  label,
  children,
  name,
}: {
  /** for who can't see what stands in the button */
  readonly label: string;
  readonly name: ComponentChildren;
  readonly children: ComponentChildren;
}) {
  const box = useRef<HTMLDetailsElement>(null);
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
    <details class="menu" ref={box}>
      <summary aria-label={label}>{name}</summary>
      <div
        class="list"
        onClick={() => {
          if (box.current !== null) box.current.open = false;
        }}
      >
        {children}
      </div>
    </details>
  );
}

const inside = (menu: HTMLElement, target: EventTarget | null): boolean =>
  target instanceof Node && menu.contains(target);
