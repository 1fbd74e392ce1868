// Asks the coordinator every two seconds and brings the page up to date.

import { get } from "./ask.js";
import { Chart, colour } from "./chart.js";
import { count, exact, hours, money, percent, rate, time } from "./format.js";
import { Failures } from "./failures.js";
import { Workers } from "./workers.js";

const EVERY = 2000;
const LOST_AFTER = 3;

const $ = (id) => document.getElementById(id);
const chart = new Chart($("chart"));
const workers = new Workers();
const failures = new Failures();
let span = "hour";
let misses = 0;
let round = 0;

function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function figure(id, value, note) {
  $(id).textContent = value;
  $(`${id}-note`).textContent = note;
}

function heading(s) {
  $("run").textContent = s.run;
  const faulty = s.stages.some((stage) => stage.quarantined > 0);
  const finished = s.state === "finished";
  const state = $("state");
  state.hidden = false;
  state.className = `pill ${finished && faulty ? "faulty" : s.state}`;
  state.textContent = finished && faulty ? "finished, units quarantined" : s.state;
  document.title = `${percent(s.fraction)} ${s.run} · Bolster`;
  const running = `this coordinator has run for ${time(s.running)}`;
  $("since").textContent = finished ? running : `${running}; last commit ${time(s.silent)} ago`;
  $("version").textContent = `bolster ${s.version}`;
}

function alarms(s) {
  const alarm = $("alarm");
  alarm.hidden = true;
  alarm.classList.remove("mild");
  if (s.stalled) {
    alarm.hidden = false;
    alarm.textContent = `Stalled: nothing has been committed for ${time(s.silent)}. `
      + "Look at the workers below and at their logs.";
  } else if (s.state === "running" && s.workers.connected === 0) {
    alarm.hidden = false;
    alarm.classList.add("mild");
    alarm.textContent = "No worker is connected: the run waits for `bolster work`.";
  } else if (s.state === "draining") {
    alarm.hidden = false;
    alarm.classList.add("mild");
    alarm.textContent = "Draining: no more leases are given, workers hand back what they hold.";
  }
}

function figures(s) {
  const committed = s.stages.reduce((sum, stage) => sum + stage.samples, 0);
  figure("percent", percent(s.fraction), `${count(committed)} samples in ${s.stages.length} stages`);
  const bound = s.unpriced.length > 0 && s.remaining !== null && s.remaining > 0;
  if (s.state === "finished") figure("left", "none", "");
  else if (s.remaining === null) figure("left", "–", "not known yet");
  else if (bound) figure("left", `> ${time(s.remaining)}`, `without ${names(s.unpriced)}`);
  else figure("left", time(s.remaining), endsAt(s));
  const total = s.stages.reduce((sum, stage) => sum + stage.rate, 0);
  figure("rate", rate(total), "samples/s, all stages");
  figure("crew", exact(s.workers.connected), `${exact(s.workers.working)} at work`);
  const held = hours(s.heldSeconds);
  if (s.cost === null) figure("cost", `${held} h`, "device-hours");
  else figure("cost", money(s.cost), `${held} device-hours`);
  bar($("overall"), s.fraction);
  $("overall").classList.toggle("done-all", s.fraction >= 1);
}

function names(stages) {
  return stages.length > 2 ? `${stages.length} stages` : stages.join(", ");
}

function endsAt(s) {
  const end = new Date(Date.now() + s.remaining * 1000);
  const options = s.remaining > 72000
    ? { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }
    : { hour: "2-digit", minute: "2-digit" };
  return `until ${end.toLocaleString(undefined, options)}`;
}

function bar(place, fraction, lost = 0) {
  place.firstElementChild.style.width = `${fraction * 100}%`;
  place.setAttribute("aria-valuenow", Math.floor(fraction * 100));
  if (place.children[1]) place.children[1].style.width = `${lost * 100}%`;
}

function makeStage(index) {
  const line = element("li");
  const dot = element("i", "dot");
  dot.style.background = colour(index);
  const head = element("div", "stage-line", element("b"), element("span", "quiet"), element("span", "time"));
  head.firstElementChild.append(dot, element("span"));
  const track = element("div", "bar", element("i"), element("i", "lost"));
  track.setAttribute("role", "progressbar");
  track.firstElementChild.style.background = colour(index);
  line.append(head, track, element("div", "stage-notes"));
  return line;
}

function stages(s) {
  const list = $("stages");
  while (list.children.length > s.stages.length) list.lastElementChild.remove();
  s.stages.forEach((stage, index) => {
    if (!list.children[index]) list.append(makeStage(index));
    const [head, track, notes] = list.children[index].children;
    const settled = stage.done + stage.quarantined + stage.blocked === stage.units;
    head.children[0].lastElementChild.textContent = stage.stage;
    head.children[1].textContent = percent(stage.fraction);
    head.children[2].textContent = settled ? "done" : stage.remaining === null ? "" : time(stage.remaining);
    head.children[2].classList.toggle("good", settled);
    const lost = stage.units ? (stage.quarantined + stage.blocked) / stage.units : 0;
    track.setAttribute("aria-label", stage.stage);
    bar(track, settled ? 1 - lost : Math.min(stage.fraction, 1 - lost), lost);
    notes.replaceChildren(...stageNotes(stage, settled));
  });
}

function stageNotes(stage, settled) {
  const total = stage.total === null ? "" : ` of ${settled ? "" : "about "}${count(stage.total)}`;
  const notes = [
    element("span", "", `${count(stage.samples)}${settled ? "" : total} samples`),
    element("span", "", `${exact(stage.done)} of ${exact(stage.units)} shards`),
  ];
  if (!settled) notes.push(element("span", "", `${rate(stage.rate)}/s`));
  if (!settled && stage.open > 0) notes.push(element("span", "", `${exact(stage.open)} under lease`));
  if (!settled && stage.open === 0 && stage.reads && stage.rate === 0) {
    notes.push(element("span", "", `reads ${stage.reads}`));
  }
  if (stage.skipped) notes.push(element("span", "", `${count(stage.skipped)} skipped`));
  if (stage.quarantined) notes.push(element("span", "bad", `${exact(stage.quarantined)} quarantined`));
  if (stage.blocked) notes.push(element("span", "warn", `${exact(stage.blocked)} blocked`));
  return notes;
}

function legend(s) {
  $("legend").replaceChildren(...s.stages.map((stage, index) => {
    const dot = element("i", "dot");
    dot.style.background = colour(index);
    return element("li", "", dot, stage.stage);
  }));
}

function costs(s) {
  const rows = s.uses.map((use) => {
    const row = element("tr", "", element("td", "name", use.stage), element("td", "", use.device));
    const per = use.samples ? (use.seconds / use.samples) * 1e6 : 0;
    row.append(element("td", "number wide", count(use.samples)));
    for (const text of [hours(use.seconds), `${hours(per)} h`]) row.append(element("td", "number", text));
    row.append(element("td", "number priced", use.cost === null ? "" : money(use.cost)));
    return row;
  });
  if (rows.length === 0) {
    const cell = element("td", "nothing", "Nothing is committed yet.");
    cell.colSpan = 6;
    rows.push(element("tr", "", cell));
  }
  $("uses").replaceChildren(...rows);
  $("held").replaceChildren(...s.devices.map((device) => {
    const row = element("tr", "", element("td", "", "held by workers"), element("td", "", device.device));
    row.append(element("td", "wide"));
    for (const text of [hours(device.heldSeconds), ""]) row.append(element("td", "number", text));
    row.append(element("td", "number priced", device.cost === null ? "" : money(device.cost)));
    return row;
  }));
  const priced = s.cost !== null;
  for (const cell of document.querySelectorAll(".priced")) cell.hidden = !priced;
  $("cost-explained").textContent =
    "A stage's time is that of its committed chunks. What workers held also counts loading, waiting and lost "
    + "work" + (priced ? ", and is what the price is taken of." : "; --price DEVICE=PER-HOUR shows money.");
}

async function refresh() {
  try {
    const status = await get("/api/status");
    misses = 0;
    $("lost").hidden = true;
    for (const show of [heading, alarms, figures, stages, legend, costs]) show(status);
    await workers.refresh(status);
    await failures.refresh(status);
    if (round % 2 === 0) chart.show(await get(`/api/history?span=${span}`));
    round += 1;
  } catch (error) {
    console.error(error);
    misses += 1;
    if (misses >= LOST_AFTER) {
      $("lost").hidden = false;
      $("lost").textContent = `What is below is old: ${error.message}. The coordinator may have ended.`;
    }
  }
}

for (const button of $("spans").children) {
  button.addEventListener("click", async () => {
    for (const other of $("spans").children) other.setAttribute("aria-pressed", String(other === button));
    span = button.dataset.span;
    chart.show(await get(`/api/history?span=${span}`));
  });
}

async function forever() {
  await refresh();
  document.body.dataset.ready = "yes";
  setTimeout(forever, document.hidden ? EVERY * 5 : EVERY);
}

forever();
