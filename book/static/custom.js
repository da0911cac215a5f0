"use strict";

// Print on paper is light, with everything open that is folded; afterwards the page is as it was.
addEventListener("beforeprint", () => {
  const root = document.documentElement;
  root.dataset.screenTheme = root.dataset.theme;
  root.dataset.theme = "light";
  for (const fold of document.querySelectorAll("details:not([open])")) {
    fold.open = true;
    fold.dataset.printed = "";
  }
  for (const picture of document.querySelectorAll("img[loading=lazy]")) picture.loading = "eager";
});
addEventListener("afterprint", () => {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.screenTheme;
  delete root.dataset.screenTheme;
  for (const fold of document.querySelectorAll("details[data-printed]")) {
    fold.open = false;
    delete fold.dataset.printed;
  }
});

// What scrolls sideways is a tab stop, so that the keyboard reaches it. The theme measures all blocks when the page has
// loaded, which lays out the whole chapter; here they are measured once somebody uses the Tab key, when the browser has
// nothing else to do.
const SCROLLS = "article pre, .table-scroll, .figure-scroll, .pst-scrollable-table-container";
const whenIdle = window.requestIdleCallback ?? ((work) => setTimeout(() => work({ timeRemaining: () => 5 }), 50));
let waiting = [];
let byKeyboard = false;
function measureSome(idle) {
  while (waiting.length && idle.timeRemaining() > 3) {
    const block = waiting.pop();
    if (block.scrollWidth > block.clientWidth + 1) block.tabIndex = 0;
    else block.removeAttribute("tabindex");
  }
  if (waiting.length) whenIdle(measureSome);
}
function measureAll() {
  if (!byKeyboard) return;
  const idle = waiting.length === 0;
  waiting = [...document.querySelectorAll(SCROLLS)].reverse();
  if (idle) whenIdle(measureSome);
}
addEventListener("keydown", (event) => {
  if (event.key !== "Tab" || byKeyboard) return;
  byKeyboard = true;
  measureAll();
});
addEventListener("resize", measureAll);
for (const event of ["toggle", "change"]) addEventListener(event, measureAll, true); // a fold that opens

// A page that is opened from the search shows the words that were asked for; Escape hides them again. The questions have
// been made of their text by then (quiz.js).
addEventListener("load", () => {
  const query = new URLSearchParams(location.search).get("highlight");
  if (!query || !CSS.highlights) return;
  const patterns = query.split(/[^\p{L}\p{N}×]+/u).filter((word) => word.length > 1).map((word) =>
    /\p{Script=Han}/u.test(word) ? word : "(?<![\\p{L}\\p{N}])"
      + word.replace(/(?<=\p{L}{4})(?:s|ing|ed|e|y)$/u, "").replace(/(?<=\d)[×x](?=\d)/, "\\s*[×x]\\s*") + "\\p{L}*");
  if (!patterns.length) return;
  const pattern = new RegExp(patterns.join("|"), "giu");
  const walker = document.createTreeWalker(document.querySelector("article"), NodeFilter.SHOW_TEXT);
  const found = new Highlight();
  while (walker.nextNode()) {
    for (const match of walker.currentNode.data.matchAll(pattern)) {
      const range = new Range();
      range.setStart(walker.currentNode, match.index);
      range.setEnd(walker.currentNode, match.index + match[0].length);
      found.add(range);
    }
  }
  CSS.highlights.set("search", found);
  addEventListener("keydown", (event) => event.key === "Escape" && CSS.highlights.delete("search"));
});

// The other language opens at the section that is read.
addEventListener("click", ({ target }) => {
  const link = target.closest?.("a.other-language");
  const section = document.querySelector("#pst-page-toc-nav a.active")?.hash || location.hash;
  if (link && scrollY > innerHeight / 2) link.hash = section;
});

// A link to a place in the page leads to it: what is folded opens, and while the parts above are laid out the place
// stays where the reader was sent, until they move themselves.
function land() {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  const end = performance.now() + 1000;
  let moved = false;
  const leave = () => (moved = true);
  const events = ["wheel", "touchstart", "keydown", "mousedown"];
  for (const event of events) addEventListener(event, leave, { passive: true });
  const hold = () => {
    if (moved || performance.now() > end) {
      for (const event of events) removeEventListener(event, leave);
      return;
    }
    target.scrollIntoView({ behavior: "instant" });
    requestAnimationFrame(hold);
  };
  hold();
}
addEventListener("load", land);
addEventListener("hashchange", land);
