"use strict";

// Ranks the sections of the book for the words in the address (search.html?q=…). SECTIONS comes from search-data.js.

/** Text as it is compared: lower case, "1 × 1" and "1x1" alike, "3×3" one word, no accents. */
function plain(text) {
  return text
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .toLowerCase()
    .replace(/(\d)\s*[×x]\s*(?=\d)/g, "$1x")
    .replace(/[’']/g, "")
    .replace(/normali[sz]/g, "normalis");
}

/** A word without the ending of its plural or -ing, so that gradients find gradient. */
function stem(word) {
  return word.length > 4 ? word.replace(/(?:ies|es|s|ing|ed|e|y)$/, "") : word;
}

function words(text) {
  return (plain(text).match(/[\p{L}\p{N}_]+/gu) ?? []).map(stem);
}

const COMMON = new Set(["a", "an", "and", "are", "for", "how", "in", "is", "of", "on", "the", "to", "what", "with"]);
const SYNONYMS = { norm: "normalisation", batchnorm: "normalisation", conv: "convolution", memory: "memory" };

/** The sections as word lists, made once: [page title, title, prose, code]. */
function prepare(rows) {
  const titles = new Map();
  for (const [page, , title] of rows) if (!titles.has(page)) titles.set(page, title);
  return rows.map(([page, anchor, title, prose, code]) => {
    const chapter = titles.get(page);
    const counts = new Map();
    for (const word of words(prose)) counts.set(word, (counts.get(word) ?? 0) + 1);
    return {
      page, anchor, title, chapter, prose, counts,
      isTop: title === chapter,
      titleWords: words(title),
      chapterWords: words(chapter),
      codeWords: new Set(words(code)),
      text: ` ${words(prose).join(" ")} `,
      length: prose.length,
    };
  });
}

/** How well one word fits one section; 0 where it is nowhere. */
function fit(word, section) {
  let score = 0;
  if (section.titleWords.includes(word)) score += section.isTop ? 12 : 9;
  else if (section.titleWords.some((other) => word.length > 2 && other.startsWith(word))) score += 4;
  if (!section.isTop && section.chapterWords.includes(word)) score += 3;
  const count = section.counts.get(word) ?? 0;
  if (count) score += 1.5 + (2.2 * count) / (count + 1.2) + (40 * count) / (section.length + 400);
  else if (word.length > 3 && [...section.counts.keys()].some((other) => other.startsWith(word))) score += 1;
  if (section.codeWords.has(word)) score += 1.2;
  return score;
}

function variants(word) {
  const other = SYNONYMS[word];
  return other ? [word, stem(other)] : [word];
}

/** How often each page says the words of the query, the page that says them most being 1. */
function shares(wanted, sections) {
  const hits = new Map(sections.map((section) => [section.page, 0]));
  for (const section of sections) {
    for (const word of wanted) hits.set(section.page, hits.get(section.page) + (section.counts.get(word) ?? 0));
  }
  const most = Math.max(1, ...hits.values());
  return new Map([...hits].map(([page, count]) => [page, count / most]));
}

/** The sections that hold every word of the query, best first. */
function search(query, sections) {
  const all = words(query);
  const asked = all.filter((word) => !COMMON.has(word));
  const wanted = asked.length ? asked : all;
  if (wanted.length === 1 && /^\d+x\d+$/.test(wanted[0])) wanted.push(stem("convolution")); // a kernel's size alone
  if (!wanted.length) return [];
  const phrase = all.join(" ");
  const weights = wanted.map((word) => {
    const holders = sections.filter((s) => variants(word).some((v) => s.counts.has(v) || s.titleWords.includes(v)));
    return Math.log(1 + sections.length / (1 + holders.length));
  });
  const share = shares(wanted, sections);
  const repeated = new Map(); // titles that many chapters have say little of one
  for (const { title } of sections) repeated.set(title, (repeated.get(title) ?? 0) + 1);
  const found = [];
  for (const section of sections) {
    let score = 4 * share.get(section.page);
    const complete = wanted.every((word, i) => {
      const best = Math.max(...variants(word).map((variant) => fit(variant, section)));
      score += best * weights[i];
      return best > 0;
    });
    if (!complete) continue;
    if (all.length > 1 && section.titleWords.join(" ").includes(phrase)) score *= 1.8;
    else if (all.length > 1 && section.text.includes(` ${phrase} `)) score *= 1.4;
    if (section.page === "book/glossary.html") score *= 0.5; // the chapter explains, the glossary reminds
    if (repeated.get(section.title) > 3 && section.title !== "Exercises") score *= 0.7;
    if (section.page === "book/changes.html" || section.page === "book/bibliography.html") score *= 0.6;
    if (["References", "Exercises"].includes(section.title) && !wanted.includes(stem(section.title.toLowerCase()))) score *= 0.5;
    found.push({ ...section, score });
  }
  return found.sort((one, other) => other.score - one.score);
}

/** The prose around the first place where the words stand together. */
function excerpt(section, wanted) {
  const tokens = [...section.prose.matchAll(/\d+\s*[×x]\s*\d+|[\p{L}\p{N}_]+/gu)];
  const hits = tokens.filter((t) => words(t[0]).some((w) => wanted.some((v) => w === v || w.startsWith(v))));
  if (!hits.length) return section.prose.slice(0, 180);
  let best = hits[0].index;
  let most = 0;
  for (const hit of hits) {
    const near = new Set(hits.filter((o) => o.index >= hit.index && o.index < hit.index + 160).map((o) => words(o[0])[0]));
    if (near.size > most) [best, most] = [hit.index, near.size];
  }
  const start = best < 60 ? 0 : section.prose.indexOf(" ", best - 60) + 1;
  return (start ? "… " : "") + section.prose.slice(start, start + 200).replace(/\s\S*$/, " …");
}

/** Text with the words of the query in <mark>. */
function marked(text, wanted) {
  const node = document.createElement("span");
  let last = 0;
  for (const token of text.matchAll(/\d+\s*[×x]\s*\d+|[\p{L}\p{N}_]+/gu)) {
    if (!words(token[0]).some((w) => wanted.some((v) => w === v || (v.length > 3 && w.startsWith(v))))) continue;
    node.append(text.slice(last, token.index));
    const mark = document.createElement("mark");
    mark.textContent = token[0];
    node.append(mark);
    last = token.index + token[0].length;
  }
  node.append(text.slice(last));
  return node;
}

function show(query) {
  const place = document.querySelector("#search-results");
  const wanted = words(query).filter((word) => !COMMON.has(word)).flatMap(variants);
  const results = search(query, prepare(SECTIONS)).slice(0, 30);
  const summary = document.createElement("p");
  summary.setAttribute("role", "status");
  summary.textContent = results.length
    ? `${results.length === 30 ? "The first 30" : results.length} ${results.length === 1 ? "section" : "sections"} for “${query}”`
    : `No section holds all the words of “${query}”. Fewer words, or other ones?`;
  const list = document.createElement("ol");
  list.className = "book-search";
  for (const result of results) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = `${result.page}?highlight=${encodeURIComponent(query)}#${result.anchor}`;
    link.append(marked(result.title, wanted));
    item.append(link);
    if (!result.isTop) {
      const chapter = document.createElement("span");
      chapter.className = "chapter";
      chapter.textContent = result.chapter;
      item.append(" ", chapter);
    }
    const text = document.createElement("p");
    text.append(marked(excerpt(result, wanted), wanted));
    item.append(text);
    list.append(item);
  }
  place.replaceChildren(summary, list);
}

if (typeof document !== "undefined") {
  const query = new URLSearchParams(location.search).get("q")?.trim();
  if (query) {
    for (const input of document.querySelectorAll("input[name=q]")) input.value = query;
    document.title = `“${query}” – ${document.title}`;
    show(query);
  }
}
