// Small helpers for the page's elements.

export const byId = (id) => document.getElementById(id);

/** An element with properties and children. */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** A disc in a label's colour. */
export function swatch(colour) {
  const made = element("span", { className: "swatch" });
  made.style.background = colour;
  made.setAttribute("aria-hidden", "true");
  return made;
}

/** Says what went wrong, or nothing. */
export function say(problem) {
  const place = byId("problem");
  place.hidden = !problem;
  place.textContent = problem ? problem.message : "";
  if (problem && problem.constructor.name !== "Problem") console.error(problem);
}

/** Runs what a button does: the problem of the last one goes, its own is said. */
export function onClick(button, action) {
  let busy = false; // a button that is disabled would lose the keyboard's focus
  button.addEventListener("click", async () => {
    if (busy) return;
    busy = true;
    say(null);
    try {
      await action();
    } catch (problem) {
      say(problem);
    } finally {
      busy = false;
    }
  });
}

/** Offers a file for download. */
export function download(name, blob) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export const percent = (share) => `${Math.round(100 * share)} %`;
export const seconds = (value) => `${value.toFixed(1)} s`;
