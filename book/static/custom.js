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

// What scrolls sideways is a tab stop, so that the keyboard reaches it. The theme measures every block when the page
// has loaded, which lays out the whole chapter; here a block is measured when it comes near the screen.
const SCROLLS = "article pre, .table-scroll, .figure-scroll, .pst-scrollable-table-container";
addEventListener("DOMContentLoaded", () => {
  const measure = (block) => {
    if (block.scrollWidth > block.clientWidth + 1) block.tabIndex = 0;
    else block.removeAttribute("tabindex");
  };
  const near = new Set();
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) {
          near.delete(target);
          continue;
        }
        near.add(target);
        measure(target);
      }
    },
    { rootMargin: "100% 0px" },
  );
  for (const block of document.querySelectorAll(SCROLLS)) observer.observe(block);
  addEventListener("resize", () => near.forEach(measure));
});

// A page that is opened from the search shows the words that were asked for; Escape hides them again.
addEventListener("DOMContentLoaded", () => {
  const query = new URLSearchParams(location.search).get("highlight");
  if (!query || !CSS.highlights) return;
  const patterns = query.split(/[^\p{L}\p{N}×]+/u).filter((word) => word.length > 1).map((word) =>
    word.replace(/(?<=\p{L}{4})(?:s|ing|ed|e|y)$/u, "").replace(/(?<=\d)[×x](?=\d)/, "\\s*[×x]\\s*"));
  if (!patterns.length) return;
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}])(?:${patterns.join("|")})\\p{L}*`, "giu");
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

// A link into something folded opens it.
const unfold = () => {
  const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let fold = target && target.closest("details"); fold; fold = fold.parentElement.closest("details")) {
    fold.open = true;
    if (fold === target || fold.parentElement.closest("details") === null) target.scrollIntoView();
  }
};
addEventListener("DOMContentLoaded", unfold);
addEventListener("hashchange", unfold);
