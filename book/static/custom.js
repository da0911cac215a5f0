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
