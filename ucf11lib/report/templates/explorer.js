"use strict";
// Names come from other people's folders: they are only ever text nodes and properties.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const form = $("controls"), grid = $("grid"), zoom = $("zoom");
const stage = zoom.querySelector(".stage");
const DWELL_MS = 120;
const columns = ["positions", "predicted", "loss", "probabilities"];
const runs = data.runs.map((run) => {
  const answers = new Map(run.positions.map((position, row) => [position,
    Object.fromEntries(columns.map((name) => [name, run[name][row]]))]));
  return {...run, answers};
});
let state, shown = [], drawn = "", camOn = false;
let playing = !matchMedia("(prefers-reduced-motion: reduce)").matches;

function element(tag, properties = {}, ...children) {
  const one = Object.assign(document.createElement(tag), properties);
  one.append(...children);
  return one;
}

function exchange(parent, ...children) {  // the button that has the focus has it afterwards, too
  const at = [...parent.querySelectorAll("button")].indexOf(document.activeElement);
  parent.replaceChildren(...children);
  if (at >= 0) parent.querySelectorAll("button")[at]?.focus();
}
const percent = (share) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}\u00a0%`;
const right = (answer, i) => answer.predicted === data.labels[i];
const confidence = (answer) => answer.probabilities[answer.predicted];
const verdict = (answer, i) => `${right(answer, i) ? "✓" : "✗"}\u00a0` +
  `${data.classes[answer.predicted]} ${percent(confidence(answer))}`;

// The state is in the address, so that the browser's back button works.

function number(text, length) {
  return /^\d+$/.test(text ?? "") && Number(text) < length ? Number(text) : null;
}

function choice(name, text) {
  const values = [...form.elements[name].options].map((option) => option.value);
  return values.includes(text) ? text : values[0];
}

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const run = number(given.get("run"), runs.length) ?? 0;
  const other = number(given.get("other"), runs.length);
  return {
    run,
    other: runs.length < 2 ? null : other !== null && other !== run ? other : Number(run === 0),
    show: choice("show", given.get("show")), sort: choice("sort", given.get("sort")),
    true: number(given.get("true"), data.classes.length),
    predicted: number(given.get("predicted"), data.classes.length),
    card: number(given.get("card"), data.labels.length),
  };
}

function go(changes, replace = false) {
  const address = new URLSearchParams();
  for (const [name, value] of Object.entries({...state, ...changes})) {
    if (value !== null) address.set(name, value);
  }
  if (replace) location.replace(`#${address}`);
  else location.hash = address;
}

// Videos exist only while they are in view.

function video(source) {
  const looks = {muted: true, loop: true, playsInline: true, autoplay: playing};
  const one = element("video", looks);
  one.src = `data:video/mp4;base64,${source}`;
  return one;
}

function unload(screen) {
  const one = screen.querySelector("video");
  if (!one) return;
  one.removeAttribute("src");
  one.load();
  one.remove();
}

function toggle(one) {
  if (one?.paused) one.play();
  else one?.pause();
}

function setPlaying(value) {
  playing = value;
  $("play-all").textContent = playing ? "Pause all" : "Play all";
  for (const one of grid.querySelectorAll("video")) playing ? one.play() : one.pause();
}

function load(screen, i) {
  if (screen.isConnected && !screen.firstChild) screen.append(video(data.videos[i]));
}

const timers = new WeakMap();  // a card that only passes by gets no video: scrolling stays smooth
const observer = new IntersectionObserver((entries) => {
  for (const {target, isIntersecting} of entries) {
    const screen = target.querySelector(".screen");
    clearTimeout(timers.get(target));
    if (isIntersecting) timers.set(target, setTimeout(load, DWELL_MS, screen, target.dataset.i));
    else unload(screen);
  }
}, {rootMargin: "250px"});

// Cards

function card(i) {
  const answer = runs[state.run].answers.get(i), other = runs[state.other]?.answers.get(i);
  const looks = right(answer, i) ? "card right" : "card";
  const one = element("button", {type: "button", className: looks});
  one.dataset.i = i;
  const bars = element("span", {className: "bars", ariaHidden: "true"});
  answer.probabilities.forEach((p, label) => {
    const wrong = label === answer.predicted ? "wrong" : "";
    const className = label === data.labels[i] ? "right" : wrong;
    const bar = element("i", {className});
    bar.style.setProperty("--p", p);
    bars.append(bar);
  });
  one.append(element("span", {className: "screen"}), bars,
    element("span", {className: "true"}, data.classes[data.labels[i]]), line(answer, i, state.run));
  if (other) one.append(line(other, i, state.other));
  return one;
}

function line(answer, i, run) {
  const name = runs.length > 1 ? `${runs[run].name}: ` : "";
  const className = right(answer, i) ? "verdict-right" : "verdict-wrong";
  const mark = element("span", {className}, verdict(answer, i));
  return element("span", {className: "answer"}, name, mark);
}

function selected() {
  const {answers} = runs[state.run], others = runs[state.other]?.answers;
  const tests = {
    all: () => true,
    wrong: (answer, i) => !right(answer, i),
    right,
    differ: (answer, i) => others?.has(i) && others.get(i).predicted !== answer.predicted,
  };
  const rows = [...answers].filter(([i, answer]) => tests[state.show](answer, i)
    && (state.true === null || data.labels[i] === state.true)
    && (state.predicted === null || answer.predicted === state.predicted));
  const by = (key) => (a, b) => key(a[1]) - key(b[1]) || a[0] - b[0];
  const text = (i) => [data.groups[i], data.clips[i]];
  const order = {
    loss: by((answer) => -answer.loss),
    unsure: by(confidence),
    sure: by((answer) => -confidence(answer)),
    group: ([a], [b]) => data.labels[a] - data.labels[b] || text(a).join("\n").localeCompare(
      text(b).join("\n"), "en", {numeric: true}) || a - b,
  };
  return rows.sort(order[state.sort]).map(([i]) => i);
}

// Confusion matrix

function matrixButton(text, title, change) {
  const pressed = Object.entries(change).every(([key, value]) => state[key] === value);
  const one = element("button", {type: "button", title, ariaPressed: String(pressed)}, text);
  const none = {true: null, predicted: null};
  one.addEventListener("click", () => go(pressed ? none : {...none, ...change, show: "all"}));
  return one;
}

function drawMatrix() {
  const counts = data.classes.map(() => data.classes.map(() => 0));
  for (const [i, answer] of runs[state.run].answers) counts[data.labels[i]][answer.predicted] += 1;
  const head = data.classes.map((name, label) => element("th", {scope: "col"},
    matrixButton(name, `all predicted as ${name}`, {true: null, predicted: label})));
  const rows = counts.map((row, i) => {
    const total = row.reduce((a, b) => a + b, 0), name = data.classes[i];
    const cells = row.map((count, j) => {
      const title = `${name} predicted as ${data.classes[j]}: ${count} of ${total}`;
      const one = matrixButton(count || "·", title, {true: i, predicted: j});
      one.classList.toggle("zero", !count);
      one.style.setProperty("--hue", `var(--${i === j ? "right" : "wrong"})`);
      one.style.setProperty("--shade", Math.sqrt(count / (total || 1)));
      return element("td", {}, one);
    });
    const title = matrixButton(name, `all of ${name}`, {true: i, predicted: null});
    return element("tr", {}, element("th", {scope: "row"}, title), ...cells);
  });
  exchange($("matrix"), element("thead", {}, element("tr", {}, element("td"), ...head)),
    element("tbody", {}, ...rows));
}

// The enlarged card

function drawZoom() {
  const i = state.card, answers = runs.map((run) => run.answers.get(i));
  const map = runs[state.run].maps[i], first = data.starts[i] + 1, name = runs[state.run].name;
  const before = stage.querySelector("video");
  const same = before?.dataset.i === String(i);
  const one = video(camOn && map ? map : data.videos[i]);
  one.dataset.i = i;
  one.ariaLabel = data.classes[data.labels[i]];
  one.currentTime = same ? before.currentTime : 0;
  one.autoplay = same ? !before.paused : playing;
  one.addEventListener("play", () => { $("play").textContent = "Pause"; });
  one.addEventListener("pause", () => { $("play").textContent = "Play"; });
  unload(stage);
  stage.replaceChildren(one);
  $("play").textContent = one.autoplay ? "Pause" : "Play";
  $("zoom-title").textContent = data.classes[data.labels[i]];
  $("zoom-place").textContent = `group ${data.groups[i]}, clip ${data.clips[i]}, ` +
    `frames ${first} to ${first + data.window - 1}`;
  $("cam").disabled = !map;
  $("cam").ariaPressed = String(camOn && Boolean(map));
  const count = Object.keys(runs[state.run].maps).length;
  $("cam-note").textContent = map
    ? `Grad-CAM shows where ${name}'s last convolution supports its answer.`
    : `Grad-CAM is stored for ${name}'s ${count} answers of highest loss.`;
  const at = shown.indexOf(i);
  $("previous").disabled = at <= 0;
  $("next").disabled = at < 0 || at === shown.length - 1;
  drawProbabilities(i, answers);
  drawTrack(i);
  if (zoom.open) return;
  zoom.showModal();
  $("play").focus();
}

function drawProbabilities(i, answers) {
  const head = answers.map((answer, run) => element("th", {scope: "col"}, runs[run].name,
    element("br"), answer ? `loss ${answer.loss.toFixed(2)}` : "not held out"));
  const rows = data.classes.map((name, label) => {
    const cells = answers.map((answer) => {
      if (!answer) return element("td");
      const p = answer.probabilities[label], bar = element("i");
      bar.style.setProperty("--p", p);
      const wrong = label === answer.predicted && label !== data.labels[i];
      return element("td", {className: wrong ? "wrong" : ""}, percent(p), bar);
    });
    const className = label === data.labels[i] ? "true" : "";
    return element("tr", {className}, element("th", {scope: "row"}, name), ...cells);
  });
  const top = element("thead", {}, element("tr", {}, element("td"), ...head));
  $("probabilities").replaceChildren(top, element("tbody", {}, ...rows));
}

function drawTrack(i) {
  const {answers} = runs[state.run], same = (k) => data.labels[k] === data.labels[i]
    && data.groups[k] === data.groups[i] && data.clips[k] === data.clips[i];
  const clip = [...answers.keys()].filter(same).sort((a, b) => data.starts[a] - data.starts[b]);
  const steps = clip.map((k) => {
    const text = `${data.starts[k] + 1}: ${percent(answers.get(k).probabilities[data.labels[k]])}`;
    const one = element("button", {type: "button", ariaPressed: String(k === i)}, text);
    one.addEventListener("click", () => go({card: k}, true));
    return one;
  });
  const words = "The clip's sequences, by first frame: probability of the true class";
  const title = element("p", {}, words);
  exchange($("track"), ...(steps.length > 1 ? [title, ...steps] : []));
}

function step(by) {
  const next = shown[shown.indexOf(state.card) + by];
  if (shown.includes(state.card) && next !== undefined) go({card: next}, true);
}

function toggleCam() {
  camOn = !camOn;
  drawZoom();
}

// The page

function draw() {
  const before = state?.card ?? null;
  state = readAddress();
  const {card: _, ...filter} = state, key = JSON.stringify(filter);
  for (const name of ["run", "other", "show", "sort"]) {
    form.elements[name].value = state[name] ?? "";
  }
  for (const option of form.elements.other.options) {
    option.disabled = Number(option.value) === state.run;
  }
  if (key !== drawn) {
    drawn = key;
    shown = selected();
    observer.disconnect();
    grid.querySelectorAll(".screen").forEach(unload);
    grid.replaceChildren(...shown.map(card));
    for (const one of grid.children) observer.observe(one);
    drawMatrix();
    const {answers, name, note} = runs[state.run];
    const good = [...answers].filter(([i, answer]) => right(answer, i)).length;
    const share = (100 * good / answers.size).toFixed(1);
    $("run-note").textContent = `${name}: ${good} of ${answers.size} right (${share} %); ${note}`;
    const of = state.true === null ? "" : ` of ${data.classes[state.true]}`;
    const as = state.predicted === null ? "" : ` predicted as ${data.classes[state.predicted]}`;
    $("status").textContent = `${shown.length} of ${answers.size} sequences${of}${as}`;
    $("clear").hidden = shown.length === answers.size;
  }
  if (state.card !== null) drawZoom();
  else if (zoom.open) zoom.close();
  if (state.card === null && before !== null) grid.querySelector(`[data-i="${before}"]`)?.focus();
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
  if (event.key === " " && event.target.matches("button:not(.card), summary")) return;
  const focused = document.activeElement.closest(".card"), cards = [...grid.children];
  const width = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const move = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -width, ArrowDown: width}[event.key];
  const sideways = Math.abs(move) === 1;
  if (zoom.open && sideways) step(move);
  else if (zoom.open && event.key === " ") toggle(stage.querySelector("video"));
  else if (zoom.open && event.key === "f") go({card: null});
  else if (zoom.open && event.key === "c" && !$("cam").disabled) toggleCam();
  else if (zoom.open) return;
  else if (move && focused) cards[cards.indexOf(focused) + move]?.focus();
  else if (sideways && event.target === document.body) cards[0]?.focus();
  else if (event.key === " " && focused) toggle(focused.querySelector("video"));
  else if (event.key === " ") setPlaying(!playing);
  else if (event.key === "f" && focused) go({card: Number(focused.dataset.i)});
  else return;
  event.preventDefault();
}

for (const name of ["run", "other"]) {
  form.elements[name].append(...runs.map((run, i) => element("option", {value: i}, run.name)));
}
for (const one of document.querySelectorAll(".several")) one.hidden = runs.length < 2;
const {labels, classes, kind} = data;
$("note").textContent = `${labels.length} sequences in ${classes.length} classes, ${kind}`;
form.addEventListener("change", ({target}) => {
  const value = ["run", "other"].includes(target.name) ? Number(target.value) : target.value;
  go({[target.name]: value});
});
form.addEventListener("submit", (event) => event.preventDefault());
grid.addEventListener("click", (event) => {
  const one = event.target.closest(".card");
  if (one) go({card: Number(one.dataset.i)});
});
$("clear").addEventListener("click", () => go({true: null, predicted: null, show: "all"}));
$("play-all").addEventListener("click", () => setPlaying(!playing));
$("previous").addEventListener("click", () => step(-1));
$("next").addEventListener("click", () => step(1));
$("play").addEventListener("click", () => toggle(stage.querySelector("video")));
$("cam").addEventListener("click", toggleCam);
$("close").addEventListener("click", () => go({card: null}));
zoom.addEventListener("cancel", (event) => { event.preventDefault(); go({card: null}); });
zoom.addEventListener("close", () => unload(stage));
addEventListener("keydown", press);
addEventListener("keyup", (event) => {  // a button answers to space when it is released
  if (event.key === " " && event.target.matches(".card")) event.preventDefault();
});
addEventListener("hashchange", draw);
document.querySelector("details").open = innerWidth > 800;
setPlaying(playing);
draw();
