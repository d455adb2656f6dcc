/** Calls with the page's theme now and whenever it changes; returns the end of that. `element` has the theme of the page. */
export function followTheme(element: HTMLElement, tell: (isDark: boolean) => void): () => void {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const look = () => tell(isDark(element));
  const observer = new MutationObserver(look);
  // The pages say in an attribute of the root or the body which theme the user has chosen.
  for (const root of [document.documentElement, document.body]) observer.observe(root, { attributes: true });
  system.addEventListener("change", look);
  look();
  return () => {
    observer.disconnect();
    system.removeEventListener("change", look);
  };
}

/** The colour scheme that applies to an element, as CSS resolves it: the map's ground is `light-dark()` in `map.css`. */
function isDark(element: HTMLElement): boolean {
  const [red] = /\d+/.exec(getComputedStyle(element).backgroundColor) ?? ["255"];
  return Number(red) < 128;
}
