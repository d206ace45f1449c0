// Searches the index of all sections; it is loaded when somebody begins to type. Every word has to be in a section.
const field = document.getElementById("search");
const results = document.getElementById("results");
const base = document.documentElement.dataset.base;
const MOST = 30;
let index = null;

function load() {
  if (index === null) {
    index = new Promise((done) => {
      const script = document.createElement("script");
      script.src = `${base}/search/search_index.js`;
      script.onload = () => done(searchIndex.filter((doc) => doc.location.includes("#")).map(entry));
      document.head.append(script);
    });
  }
  return index;
}

function entry(doc) {
  const [page] = doc.location.split("#");
  const of = pageTitle(page);
  return { ...doc, of: of === doc.title ? "" : of, low: `${doc.title}\n${doc.text}`.toLowerCase() };
}

function pageTitle(page) {
  return searchIndex.find((doc) => doc.location === page)?.title ?? page;
}

function worth(one, words) {
  const title = one.title.toLowerCase();
  return words.reduce((sum, word) => sum + (title.includes(word) ? 20 : 0) + Math.min(one.low.split(word).length, 10), 0);
}

function found(entries, words) {
  const fitting = entries.filter((one) => words.every((word) => one.low.includes(word)));
  return fitting.sort((one, other) => worth(other, words) - worth(one, words)).slice(0, MOST);
}

function marked(text, words) {
  const span = document.createElement("span");
  const pattern = new RegExp(`(${words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})`, "gi");
  text.split(pattern).forEach((part, place) => {
    const node = document.createElement(place % 2 ? "mark" : "span");
    node.textContent = part;
    span.append(node);
  });
  return span;
}

function excerpt(one, words) {
  const place = one.text.toLowerCase().indexOf(words[0]);
  const from = Math.max(0, place - 60);
  return (from ? "…" : "") + one.text.slice(from, from + 200).replace(/\s+/g, " ");
}

function row(one, words) {
  const link = document.createElement("a");
  link.href = `${base}/${one.location}`;
  const title = document.createElement("b");
  title.append(marked(one.title, words));
  const text = document.createElement("small");
  text.append(marked(excerpt(one, words), words));
  link.append(title, one.of ? ` in ${one.of}` : "", text);
  return link;
}

async function search() {
  const words = field.value.toLowerCase().split(/\s+/).filter((word) => word.length > 1);
  results.hidden = words.length === 0;
  if (words.length === 0) return;
  const rows = found(await load(), words).map((one) => row(one, words));
  results.replaceChildren(...(rows.length ? rows : ["Nothing has all these words."]));
}

field.addEventListener("input", search);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== field) {
    event.preventDefault();
    field.focus();
  } else if (event.key === "Escape") {
    results.hidden = true;
  }
});
document.addEventListener("click", (event) => {
  if (!event.target.closest(".search")) results.hidden = true;
});
field.value = new URLSearchParams(location.search).get("q") ?? "";
if (field.value) search();
