import { useEffect, useState } from "react";

const THEMES = ["system", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];

const STORED_AS = "taxirank.theme";
const NAMES: Record<Theme, string> = { system: "Auto", light: "Light", dark: "Dark" };

/** The system's light or dark theme, unless the user has chosen one; the browser stores the choice. */
export function ThemeSwitch() {
  const [theme, setTheme] = useState<Theme>(() => THEMES.find((name) => name === read()) ?? "system");

  useEffect(() => {
    document.documentElement.dataset["theme"] = theme;
    write(theme);
  }, [theme]);

  return (
    <fieldset className="theme">
      <legend className="visually-hidden">Colours</legend>
      {THEMES.map((name) => (
        <label key={name}>
          <input type="radio" name="theme" checked={theme === name} onChange={() => setTheme(name)} />
          <span>{NAMES[name]}</span>
        </label>
      ))}
    </fieldset>
  );
}

function read(): string | null {
  try {
    return localStorage.getItem(STORED_AS);
  } catch {
    return null;
  }
}

function write(theme: Theme) {
  try {
    localStorage.setItem(STORED_AS, theme);
  } catch {
    // No storage in this browser: the next visit uses the system's theme again.
  }
}
