"use strict";
(() => {
  const read = id => JSON.parse(document.getElementById(id).textContent);
  const about = read("about"), data = read("data");
  const find = id => document.getElementById(id);
  const STEP = 60;
  const STORE = "sanitize-review:" + about.key;
  const WORDS = ["keep", "drop"];
  const rows = data.row.length;
  const dropped = [];
  for (let i = 0; i < rows; i++) if (!data.keep[i]) dropped.push(i);
  const keyOf = (file, row) => row + "\0" + file;
  const keys = data.row.map((row, i) => keyOf(data.files[data.file[i]], row));
  const placeOf = new Map(keys.map((key, i) => [key, i]));
  const entries = new Map();  // row -> the elements that show it
  const groupTicks = [];  // what paints a group's tick boxes
  let decisions = new Map();  // key -> {file, row, verdict, note}
  let current = null;

  function make(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }
  const bdi = text => make("bdi", {}, text);
  const className = place => place < 0 ? "?" : data.classes[place];
  const several = (number, word) => number.toLocaleString("en") + " " + word + (number === 1 ? "" : "s");

  /* Pictures: a tile of a sheet, drawn when it is about to be seen. */
  const sheets = data.sheets, per = sheets.across * sheets.across, loaded = [];
  function sheet(number) {
    loaded[number] ??= new Promise((done, failed) => {
      const image = new Image();
      image.onload = () => done(image);
      image.onerror = failed;
      image.src = sheets.sources[number];
    });
    return loaded[number];
  }
  async function draw(canvas, tile) {
    const image = await sheet(Math.floor(tile / per)), place = tile % per;
    const left = place % sheets.across * sheets.width, top = Math.floor(place / sheets.across) * sheets.height;
    const { width, height } = sheets;
    canvas.getContext("2d").drawImage(image, left, top, width, height, 0, 0, width, height);
    canvas.dataset.drawn = "yes";
  }
  const soon = new IntersectionObserver(seen => {
    for (const one of seen) {
      if (!one.isIntersecting) continue;
      soon.unobserve(one.target);
      draw(one.target, Number(one.target.dataset.tile));
    }
  }, { rootMargin: "400px" });

  /* One row. */
  const nameOf = i => (data.files.length > 1 ? data.files[data.file[i]] + ", " : "") + "row " + data.row[i];
  function votes(i) {
    if (data.voters[i] < 0) return "";
    const said = `${data.support[i]} of ${data.voters[i]} voters say `;
    const other = data.vote[i] >= 0 && data.vote[i] !== data.label[i];
    return said + className(data.label[i]) + (other ? `, ${data.agreement[i]} ${className(data.vote[i])}` : "");
  }
  function marked(text, evidence) {  // what the evidence has in quotes stands out
    const said = [...(evidence || "").matchAll(/"([^"]+)"/g)].map(found => found[1].toLowerCase());
    const whole = text.toLowerCase(), made = bdi("");
    let at = 0;
    while (at < text.length) {
      const next = said.map(one => [whole.indexOf(one, at), one.length]).filter(one => one[0] >= 0).sort((a, b) => a[0] - b[0])[0];
      if (!next || whole.length !== text.length) break;
      made.append(text.slice(at, next[0]), make("mark", {}, text.slice(next[0], next[0] + next[1])));
      at = next[0] + next[1];
    }
    made.append(text.slice(at));
    return made;
  }
  function content(i, evidence) {
    if (i in data.wrong) return [make("p", { class: "wrong" }, "Cannot be shown: ", bdi(data.wrong[i]))];
    const made = [];
    if (data.picture[i] >= 0) {
      const canvas = make("canvas", {
        width: sheets.width, height: sheets.height, role: "img", "data-tile": data.picture[i],
        "aria-label": `${nameOf(i)}, given class ${className(data.label[i])}`,
      });
      canvas.style.aspectRatio = `${sheets.width} / ${sheets.height}`;
      soon.observe(canvas);
      made.push(canvas);
    } else if (data.image) {
      made.push(make("p", { class: "wrong" }, "No picture."));
    }
    const values = data.value[i] || [], list = make("dl");
    values.forEach((value, column) => {
      if (data.texts.includes(column)) {
        made.push(make("blockquote", {}, marked(value, evidence)));
        return;
      }
      const line = make("div", {}, make("dt", {}, bdi(data.columns[column])), " ", make("dd", {}, bdi(value)));
      if (evidence && evidence.includes(data.columns[column] + " = ")) line.className = "named";
      list.append(line);
    });
    if (list.children.length) made.push(list);
    return made;
  }
  function tick(verdict, i) {
    const box = make("input", { type: "checkbox", "data-verdict": verdict, "aria-label": `${verdict} ${nameOf(i)}` });
    box.addEventListener("change", () => decide([i], box.checked ? verdict : null));
    return make("label", {}, box, verdict);
  }
  function entry(i, { evidence, brief } = {}) {
    const suspicion = data.suspicion[i] < 0 ? "" : (data.suspicion[i] / 1000).toFixed(3);
    const top = make("span", { class: "top" }, make("span", { class: "row" }, bdi(nameOf(i))));
    const truth = data.poisoned?.[i] ?? -1;
    if (truth >= 0) top.append(make("span", { class: truth ? "badge bad" : "badge good" }, truth ? "poisoned" : "clean"));
    if (suspicion) top.append(make("span", { title: "suspicion" }, make("span", { class: "unseen" }, "suspicion "), suspicion));
    const said = make("figcaption", {}, top);
    if (!brief) said.append(make("span", {}, bdi(className(data.label[i]))));
    if (!brief && data.causes[data.cause[i]] !== "kept") {
      const detail = data.details[data.detail[i]];
      said.append(make("span", {}, bdi(data.causes[data.cause[i]] + (detail ? ": " + detail : ""))));
    }
    if (votes(i)) said.append(make("span", {}, bdi(votes(i))));
    said.append(make("span", { class: "ticks" }, ...WORDS.map(word => tick(word, i))));
    const figure = make("figure", { class: "entry", tabindex: "-1", "data-place": i }, ...content(i, evidence), said);
    figure.addEventListener("focusin", () => mark(figure, false));
    figure.addEventListener("mousedown", () => mark(figure, false));
    if (!entries.has(i)) entries.set(i, new Set());
    entries.get(i).add(figure);
    paint(i);
    return make("li", {}, figure);
  }
  function paint(i) {
    const verdict = decisions.get(keys[i])?.verdict;
    for (const figure of entries.get(i) || []) {
      for (const word of WORDS) figure.classList.toggle(word, verdict === word);
      for (const box of figure.querySelectorAll(".ticks input")) box.checked = box.dataset.verdict === verdict;
    }
  }
  function fill(list, places, how) {
    if (!data.image) list.classList.add("wide");
    list.append(...places.map(i => entry(i, how)));
  }
  function empty(list) {
    for (const figure of list.querySelectorAll(".entry")) entries.get(Number(figure.dataset.place)).delete(figure);
    list.replaceChildren();
  }

  /* Decisions. */
  const problem = text => { find("problem").textContent = text; };
  function paintAll() {
    for (const i of entries.keys()) paint(i);
    for (const one of groupTicks) one();
    const all = [...decisions.values()], kept = all.filter(one => one.verdict === "keep").length;
    const said = all.length ? `${several(all.length, "decision")}: ${kept} keep, ${all.length - kept} drop.` : "No decisions yet.";
    if (find("tally").textContent !== said) find("tally").textContent = said;
  }
  function put(changes) {
    for (const one of changes) {
      if (one.verdict === null) decisions.delete(keyOf(one.file, one.row));
      else decisions.set(keyOf(one.file, one.row), one);
    }
    paintAll();
  }
  let sending = Promise.resolve();
  function send(changes, before) {
    sending = sending.then(async () => {
      try {
        const answer = await fetch(about.url, {
          method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ decisions: changes }),
        });
        const said = await answer.json().catch(() => ({}));
        if (!answer.ok) throw new Error(said.error || `the server answers ${answer.status}`);
        problem("");
      } catch (error) {
        put(before);
        problem("Not saved: " + error.message);
      }
    });
  }
  function keepHere(before) {
    try {
      localStorage.setItem(STORE, JSON.stringify([...decisions.values()]));
      problem("");
    } catch (error) {
      problem("This browser keeps nothing: save review.csv before you leave this page.");
    }
  }
  function apply(changes) {
    if (!changes.length) return;
    const before = changes.map(one => decisions.get(keyOf(one.file, one.row)) ?? { ...one, verdict: null, note: "" });
    put(changes);
    if (about.url) send(changes, before); else keepHere();
  }
  function decide(places, verdict) {
    const note = find("note").value.trim();
    apply(places.map(i => ({
      file: data.files[data.file[i]], row: data.row[i], verdict, note: verdict === null ? "" : note,
    })));
  }
  function cell(value) {
    const text = String(value);
    return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  }
  function csv() {
    const order = [...decisions.values()].sort((a, b) => a.file < b.file ? -1 : a.file > b.file ? 1 : a.row - b.row);
    const lines = order.map(one => [one.file, one.row, one.verdict, one.note].map(cell).join(","));
    return ["file,row,verdict,note", ...lines].join("\n") + "\n";
  }
  find("save").addEventListener("click", () => {
    const link = make("a", { download: "review.csv", href: URL.createObjectURL(new Blob([csv()], { type: "text/csv" })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });
  find("clear").addEventListener("click", () => {
    const number = several(decisions.size, "decision");
    if (!decisions.size || !confirm(`Withdraw ${number}?`)) return;
    apply([...decisions.values()].map(one => ({ ...one, verdict: null, note: "" })));
  });
  const valid = one => one && typeof one.file === "string" && Number.isInteger(one.row) && WORDS.includes(one.verdict);
  function take(list) {
    decisions = new Map();
    put(list.filter(valid).map(one => ({ file: one.file, row: one.row, verdict: one.verdict, note: String(one.note ?? "") })));
  }
  async function begin() {
    try {
      if (about.url) {
        const answer = await fetch(about.url), said = await answer.json();
        if (!answer.ok) throw new Error(said.error || `the server answers ${answer.status}`);
        take(said.decisions);
        if (said.path) find("save").insertAdjacentElement("beforebegin", make("span", {}, "written to ", bdi(said.path)));
      } else {
        take(JSON.parse(localStorage.getItem(STORE) || "[]"));
      }
    } catch (error) {
      problem("Earlier decisions cannot be read: " + error.message);
    }
    document.documentElement.dataset.ready = "yes";
  }

  /* Groups. */
  document.querySelectorAll(".group-card").forEach(card => {
    const group = Number(card.dataset.group), members = dropped.filter(i => data.group[i] === group);
    const how = { evidence: card.querySelector("p").textContent, brief: true };
    const show = () => {
      fill(card.querySelector(".members"), members.slice(0, about.members), how);
      fill(card.querySelector(".beside"), data.beside[group], how);
    };
    if (card.open) show();
    else card.addEventListener("toggle", show, { once: true });
    const all = card.querySelector(".all-of-group");
    const here = members.length < Number(card.dataset.rows) ? " on this page" : "";
    for (const word of WORDS) {
      const box = make("input", { type: "checkbox", "data-verdict": word });
      box.addEventListener("change", () => decide(members, box.checked ? word : null));
      all.append(make("label", {}, box, `${word} all ${several(members.length, "row")}${here}`));
      groupTicks.push(() => {
        const so = members.filter(i => decisions.get(keys[i])?.verdict === word).length;
        box.checked = so === members.length && so > 0;
        box.indeterminate = so > 0 && so < members.length;
      });
    }
    const listing = make("button", { type: "button" }, `show all ${several(members.length, "row")} in the list`);
    listing.addEventListener("click", () => choose({ group: String(group) }));
    all.append(listing);
  });
  fill(find("suspects"), data.suspects);
  if (!data.suspects.length) find("suspects").replaceWith(make("p", {}, "No row was kept."));

  /* The list of dropped rows. */
  let shown = [], listed = 0, pair = null;
  const value = id => find(id)?.value ?? "";  // "" where this page has no such field
  function options(id, names, places) {
    const select = find(id);
    if (!select) return;
    const counts = new Map();
    for (const i of dropped) counts.set(places[i], (counts.get(places[i]) || 0) + 1);
    const order = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a) || a - b);
    if (id === "by-group") order.sort((a, b) => a - b);
    select.append(make("option", { value: "" }, "any"));
    for (const place of order) {
      const name = place >= 0 ? names[place] : id === "by-group" ? "none" : "?";
      select.append(make("option", { value: place }, `${name} (${counts.get(place)})`));
    }
  }
  function texts(i) {
    return [nameOf(i), className(data.label[i]), className(data.vote[i]), data.causes[data.cause[i]], data.details[data.detail[i]],
      ...(data.value[i] || [])].join("\n").toLowerCase();
  }
  function list() {
    const wanted = value("search").trim().toLowerCase(), decision = value("by-decision");
    const fits = (id, places, i) => value(id) === "" || places[i] === Number(value(id));
    shown = dropped.filter(i => fits("by-class", data.label, i) && fits("by-cause", data.cause, i)
      && fits("by-group", data.group, i) && fits("by-truth", data.poisoned, i) && (!wanted || texts(i).includes(wanted))
      && (!pair || (className(data.label[i]) === pair[0] && className(data.vote[i]) === pair[1]))
      && (!decision || (decisions.get(keys[i])?.verdict ?? "open") === decision));
    if (value("sort") === "least") shown.reverse();
    if (value("sort") === "row") shown.sort((a, b) => data.file[a] - data.file[b] || data.row[a] - data.row[b]);
    listed = 0;
    empty(find("gallery"));
    more();
  }
  function more() {
    const next = shown.slice(listed, listed + STEP);
    fill(find("gallery"), next);
    listed += next.length;
    find("more").hidden = listed >= shown.length;
    const of = pair ? `: given ${pair[0]}, voters say ${pair[1]}` : "";
    find("count").textContent = `${several(shown.length, "row")} of ${dropped.length.toLocaleString("en")}${of}; ${listed} shown`;
    return next.length;
  }
  function choose(what, scroll = true) {
    for (const id of ["by-class", "by-cause", "by-group", "by-truth", "by-decision", "search"]) if (find(id)) find(id).value = "";
    pair = what.pair || null;
    if (what.group !== undefined) find("by-group").value = what.group;
    list();
    if (scroll) find("dropped").scrollIntoView();
  }
  if (find("gallery")) {
    options("by-class", data.classes, data.label);
    options("by-cause", data.causes, data.cause);
    options("by-group", data.groups, data.group);
    for (const id of ["by-class", "by-cause", "by-group", "by-truth", "by-decision", "sort"]) find(id)?.addEventListener("change", list);
    let waiting = 0;
    find("search").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(list, 150); });
    document.querySelector(".filters").addEventListener("submit", event => event.preventDefault());
    find("reset").addEventListener("click", () => choose({}, false));
    find("more").addEventListener("click", more);
    for (const button of document.querySelectorAll(".pair-link")) {
      button.addEventListener("click", () => choose({ pair: [button.dataset.given, button.dataset.said] }));
    }
    list();
  }

  /* Keys. */
  function mark(figure, focus = true) {
    if (current !== figure) {
      current?.classList.remove("current");
      current = figure;
      figure.classList.add("current");
    }
    if (focus) {
      figure.focus({ preventScroll: true });
      figure.scrollIntoView({ block: "nearest" });
    }
  }
  function move(step) {
    const all = [...document.querySelectorAll(".entry")].filter(one => one.offsetParent);
    let at = current?.isConnected ? all.indexOf(current) + step : -1;
    if (at < 0) at = current?.isConnected ? 0 : Math.max(0, all.findIndex(one => one.getBoundingClientRect().bottom > 0));
    const last = step > 0 && current?.parentElement === find("gallery")?.lastElementChild;
    if (last && more()) return move(step);
    if (all[at]) mark(all[at]);
  }
  document.addEventListener("keydown", event => {
    const typing = event.target.closest("input:not([type=checkbox]), select, textarea");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const step = { j: 1, ArrowRight: 1, h: -1, ArrowLeft: -1 }[event.key];
    if (step) {
      event.preventDefault();
      move(step);
    } else if (event.key === "/" && find("search")) {
      event.preventDefault();
      find("search").focus();
    } else if (current?.isConnected && "kdu".includes(event.key)) {
      event.preventDefault();
      decide([Number(current.dataset.place)], { k: "keep", d: "drop", u: null }[event.key]);
    }
  });
  begin();
})();
