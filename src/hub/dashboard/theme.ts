/** Light, dark, or as the system has it: kept in this browser. */
import { signal } from "@preact/signals";

export const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

const key = "orion.theme";

export const theme = signal<Theme>(read());

/** Chooses one, here and in the browser's other tabs when they are opened. */
export function chooseTheme(wanted: Theme): void {
  theme.value = wanted;
  try {
    if (wanted === "system") localStorage.removeItem(key);
    else localStorage.setItem(key, wanted);
  } catch {
    // a browser that keeps nothing shows it until the page is closed
  }
  applyTheme();
}

/** To be called once before the first drawing. */
export function applyTheme(): void {
  const { dataset } = document.documentElement;
  if (theme.value === "system") delete dataset["theme"];
  else dataset["theme"] = theme.value;
}

function read(): Theme {
  try {
    const kept = localStorage.getItem(key);
    return themes.find((name) => name === kept) ?? "system";
  } catch {
    // cookies are forbidden to this page, and storage with them
    return "system";
  }
}
