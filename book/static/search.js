"use strict";

// Ranks the sections of the book for the words in the address (search.html?q=…). SECTIONS comes from search-data.js, or,
// for the Chinese pages, from search-data-zh.js with TERMS beside it: a word of the book, then others for the same thing.
const CHINESE = typeof document !== "undefined" && document.documentElement.lang.startsWith("zh");
const HAN = /\p{Script=Han}/u;
const TOKEN = "\\d+\\s*[×x]\\s*\\d+|(?:(?!\\p{Script=Han})[\\p{L}\\p{N}_])+";

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
  return (plain(text).match(/\p{Script=Han}+|(?:(?!\p{Script=Han})[\p{L}\p{N}_])+/gu) ?? []).map(stem);
}

/** Chinese has no blanks: its letters are compared without those beside Latin. */
const solid = (text) => (CHINESE ? plain(text).replace(/\s+/g, "") : "");
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const longestFirst = (texts) => texts.sort((one, other) => other.length - one.length).map(escaped).join("|");

/** The words of a question in Chinese: those of the book, in the book's own form, and what the browser makes of the rest. */
function questionWords(query) {
  const own = new Map(TERMS.flatMap(([word, ...others]) => others.map((other) => [plain(other), word])));
  const [han, latin] = [true, false].map((kind) => longestFirst([...own.keys()].filter((key) => HAN.test(key) === kind)));
  const others = new RegExp(`${han}|\\b(?:${latin})(?:e?s)?\\b`, "g");
  const known = new RegExp(`(${longestFirst(TERMS.map(([word]) => word).filter((word) => word.length > 1))})`);
  const text = plain(query).replace(others, (other) => own.get(other) ?? own.get(other.replace(/e?s$/, "")));
  const segments = globalThis.Intl?.Segmenter && new Intl.Segmenter("zh", { granularity: "word" });
  return plain(text).split(known).flatMap((part, odd) => (odd % 2 ? [part] : words(part).flatMap((word) =>
    HAN.test(word) && segments ? [...segments.segment(word)].map(({ segment }) => segment) : [word])));
}

const COMMON = new Set(["a", "an", "and", "are", "for", "how", "in", "is", "of", "on", "the", "to", "what", "with",
  ..."的 了 是 在 和 与 或 对 把 被 为 有 要 会 能 吗 呢 怎样 怎么 如何 什么 为什么 哪 哪个 哪些 一个 这 那 请问".split(" ")]);
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
      solid: solid(prose),
      solidTitle: solid(title),
      solidChapter: solid(chapter),
      length: prose.length,
    };
  });
}

/** How often a section's prose has a word, and whether its title has it. */
const count = (word, section) => (HAN.test(word) ? section.solid.split(word).length - 1 : section.counts.get(word) ?? 0);
const inTitle = (word, section) => (HAN.test(word) ? section.solidTitle.includes(word) : section.titleWords.includes(word));
const inChapter = (word, section) =>
  (HAN.test(word) ? section.solidChapter.includes(word) : section.chapterWords.includes(word));

/** How well one word fits one section; 0 where it is nowhere. */
function fit(word, section) {
  let score = 0;
  if (inTitle(word, section)) score += section.isTop ? 12 : 9;
  else if (section.titleWords.some((other) => word.length > 2 && other.startsWith(word))) score += 4;
  if (!section.isTop && inChapter(word, section)) score += 3;
  const times = count(word, section);
  if (times) score += 1.5 + (2.2 * times) / (times + 1.2) + (40 * times) / (section.length + 400);
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
    for (const word of wanted) hits.set(section.page, hits.get(section.page) + count(word, section));
  }
  const most = Math.max(1, ...hits.values());
  return new Map([...hits].map(([page, count]) => [page, count / most]));
}

/** The sections that hold every word of the query, best first. */
function search(query, sections) {
  const all = CHINESE ? questionWords(query) : words(query);
  const asked = all.filter((word) => !COMMON.has(word));
  const wanted = asked.length ? asked : all;
  if (wanted.length === 1 && /^\d+x\d+$/.test(wanted[0])) wanted.push(CHINESE ? "卷积" : stem("convolution")); // a kernel's size alone
  if (!wanted.length) return [];
  const phrase = all.join(CHINESE ? "" : " ");
  const weights = wanted.map((word) => {
    const holders = sections.filter((s) => variants(word).some((v) => count(v, s) || inTitle(v, s)));
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
    if (all.length > 1 && (CHINESE ? section.solidTitle : section.titleWords.join(" ")).includes(phrase)) score *= 1.8;
    else if (all.length > 1 && (CHINESE ? section.solid.includes(phrase) : section.text.includes(` ${phrase} `))) score *= 1.4;
    if (section.page.endsWith("/glossary.html")) score *= 0.5; // the chapter explains, the glossary reminds
    if (repeated.get(section.title) > 3 && section.anchor !== "exercises") score *= 0.7;
    if (section.page === "book/changes.html" || section.page === "book/bibliography.html") score *= 0.6;
    if (["references", "exercises"].includes(section.anchor) && !wanted.some((word) => inTitle(word, section))) score *= 0.5;
    found.push({ ...section, score });
  }
  return found.sort((one, other) => other.score - one.score);
}

/** Where a text has the words of the query. */
function hits(text, wanted) {
  const han = wanted.filter((word) => HAN.test(word));
  const pattern = new RegExp([...han.map(escaped), TOKEN].join("|"), "giu");
  const fits = (word) => wanted.some((other) => word === other || (other.length > 3 && word.startsWith(other)));
  return [...text.matchAll(pattern)].filter((token) => han.includes(token[0]) || words(token[0]).some(fits));
}

/** The prose around the first place where the words stand together. */
function excerpt(section, wanted) {
  const [before, near, length] = CHINESE ? [30, 60, 100] : [60, 160, 200];
  const { prose } = section;
  const found = hits(prose, wanted);
  let best = found[0]?.index ?? 0;
  let most = 0;
  for (const hit of found) {
    const others = found.filter((other) => other.index >= hit.index && other.index < hit.index + near);
    const size = new Set(others.map((other) => words(other[0])[0])).size;
    if (size > most) [best, most] = [hit.index, size];
  }
  let start = best < before ? 0 : prose.indexOf(" ", best - before) + 1;
  if (CHINESE) {
    start = best - /[^。；！？]{0,30}$/.exec(prose.slice(0, best))[0].length;
    while (/^\w\w$/.test(prose.slice(start - 1, start + 1))) start += 1;
  }
  const end = start + length;
  const text = prose.slice(start, end);
  const cut = CHINESE ? text.replace(/[\w-]+$/, "") + (end < prose.length ? " …" : "") : text.replace(/\s\S*$/, " …");
  return (start ? "… " : "") + cut;
}

/** Text with the words of the query in <mark>. */
function marked(text, wanted) {
  const node = document.createElement("span");
  let last = 0;
  for (const token of hits(text, wanted)) {
    node.append(text.slice(last, token.index));
    const mark = document.createElement("mark");
    mark.textContent = token[0];
    node.append(mark);
    last = token.index + token[0].length;
  }
  node.append(text.slice(last));
  return node;
}

/** What is said above the answers. */
function summaryOf(number, query) {
  if (CHINESE) {
    if (!number) return `没有哪一节同时有“${query}”中的所有词。少写几个词，或换个说法？`;
    return number === 30 ? `“${query}”的前 30 个结果` : `“${query}”：找到 ${number} 节`;
  }
  if (!number) return `No section holds all the words of “${query}”. Fewer words, or other ones?`;
  return `${number === 30 ? "The first 30" : number} ${number === 1 ? "section" : "sections"} for “${query}”`;
}

function show(query) {
  const place = document.querySelector("#search-results");
  const wanted = (CHINESE ? questionWords(query) : words(query)).filter((word) => !COMMON.has(word)).flatMap(variants);
  const results = search(query, prepare(SECTIONS)).slice(0, 30);
  const summary = document.createElement("p");
  summary.setAttribute("role", "status");
  summary.textContent = summaryOf(results.length, query);
  const asked = CHINESE ? wanted.join(" ") : query; // what its page marks
  const list = document.createElement("ol");
  list.className = "book-search";
  for (const result of results) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    const root = document.documentElement.dataset.content_root ?? "";
    link.href = `${root}${result.page}?highlight=${encodeURIComponent(asked)}#${result.anchor}`;
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
