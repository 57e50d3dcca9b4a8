// The arrow keys, the space bar and a presenter turn the slides.
addEventListener("keydown", event => {
  const by = {ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1}[event.key];
  if (!by) return;
  event.preventDefault();
  const slides = [...document.querySelectorAll("section")], at = Math.round(scrollY / innerHeight);
  slides[Math.min(slides.length - 1, Math.max(0, at + by))].scrollIntoView();
});
