// A button on each block of code copies it: of an example only what is typed, without prompts and outputs.
"use strict";
const typed = text => {
  const lines = text.split("\n");
  if (!lines.some(line => /^>>> /.test(line))) return text.trimEnd();
  return lines.filter(line => /^(>>>|\.\.\.)( |$)/.test(line)).map(line => line.slice(4)).join("\n");
};
addEventListener("DOMContentLoaded", () => {
  for (const block of document.querySelectorAll("div.highlight:not(.source)")) {
    const code = block.querySelector("pre"), button = document.createElement("button");
    if (!code) continue;
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy this code");
    button.addEventListener("click", async () => {
      button.dataset.copied = typed(code.textContent);
      try {
        await navigator.clipboard.writeText(button.dataset.copied);
      } catch {  // a page opened as a file may lack the right
        const area = document.createElement("textarea");
        area.value = button.dataset.copied;
        document.body.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
      }
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    block.append(button);
  }
});
