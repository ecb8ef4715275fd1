// The page: which mode is chosen, what is asked for, and what is shown meanwhile.

import * as api from "./api.js";
import { numbers, photo, seed, showDefaults } from "./inputs.js";
import { blob, drawing, exchange, remember } from "./results.js";

const $ = (id) => document.getElementById(id);
const MODES = {
  generate: { label: "What the picture shows", go: "Draw", field: "prompt", needs: ["llm", "mcp", "dit", "vae_decoder"] },
  edit: { label: "What to change", go: "Edit", field: "instruction", needs: ["vision_encoder", "llm", "mcp", "dit", "vae_decoder"] },
  ask: { label: "Your question about the picture", go: "Ask", field: "question", needs: ["vision_encoder", "llm"] },
  chat: { label: "Your message", go: "Send", needs: ["llm"] },
};
const tabs = [...document.querySelectorAll("[role=tab]")];
const texts = { generate: "", edit: "", ask: "", chat: "" };
let mode = "generate";
let turns = [];
let last = null; // the last finished picture
let running = null; // an AbortController

function choose(name, focus = false) {
  texts[mode] = $("text").value;
  mode = name;
  const { label, go } = MODES[name];
  const draws = name === "generate" || name === "edit";
  for (const tab of tabs) {
    const selected = tab.dataset.mode === name;
    tab.setAttribute("aria-selected", String(selected));
    tab.tabIndex = selected ? 0 : -1;
    if (selected && focus) tab.focus();
  }
  $("work").setAttribute("aria-labelledby", `tab-${name}`);
  $("text").value = texts[name];
  $("text-label").textContent = label;
  $("go").textContent = go;
  $("photo-field").hidden = name !== "edit" && name !== "ask";
  $("reset").hidden = name !== "chat";
  for (const field of document.querySelectorAll("[data-for]")) {
    field.hidden = !field.dataset.for.split(" ").includes(name);
  }
  $("drawn").hidden = !draws;
  $("asked").hidden = name !== "ask";
  $("chatted").hidden = name !== "chat";
  complain(null);
}

function complain(message) {
  $("error").textContent = message ?? "";
  $("error").hidden = !message;
}

function note(message) {
  $("note").textContent = message ?? "";
  $("note").hidden = !message;
}

/** What is asked for, as the server takes it; throws what a person is to mend. */
function request() {
  const words = $("text").value.trim();
  if (!words) throw new Error(`${MODES[mode].label}: say it in words`);
  const body = { ...numbers(mode), seed: seed.next() };
  if (mode === "edit" || mode === "ask") {
    if (!photo.data) throw new Error("Choose a picture first");
    body.picture = photo.data;
  }
  if (mode === "chat") body.turns = [...turns, words];
  else body[MODES[mode].field] = words;
  return [words, body];
}

function stage(text, done, total) {
  $("stage").textContent = text;
  if (total > 1) $("bar").value = done / total;
  else $("bar").removeAttribute("value"); // it moves, its end is not known
}

function busy(controller) {
  running = controller;
  $("go").disabled = controller !== null;
  $("cancel").hidden = $("progress").hidden = controller === null;
}

/** Run what the form says; each mode has its own way to show it. */
async function start() {
  if (running) return;
  complain(null);
  note(null);
  let words, body;
  try {
    [words, body] = request();
  } catch (error) {
    complain(error.message);
    return;
  }
  const began = mode;
  const draws = began === "generate" || began === "edit";
  const shown = draws ? drawing : exchange($(began === "ask" ? "asked" : "chatted"), words, began === "ask" ? photo.url : null);
  if (draws) drawing.begin(words);
  else if (began === "chat") $("text").value = "";
  busy(new AbortController());
  if (draws) $("result").scrollIntoView({ block: "nearest" }); // on a phone it lies below
  const clock = ticking();
  const onEvent = (event) => {
    if (event.event === "stage") {
      const where = event.title ? `${event.title}: ${event.stage}` : event.stage;
      stage(event.total > 1 ? `${where} ${event.done}/${event.total}` : where, event.done, event.total);
    } else if (event.event === "step") shown.step(event);
    else if (event.event === "token") shown.say(event.text);
    else if (event.event === "picture") {
      last = { mode: began, words, event, body };
      shown.finish(event);
      remember(last, act);
    }
  };
  try {
    const done = await api.run(began, body, onEvent, running.signal);
    if (!draws) shown.end(done);
    if (began === "chat") turns = [...body.turns, done.text];
    if (done.cut_tokens) note(`The text is too long for this model: ${done.cut_tokens} tokens were left out.`);
  } catch (error) {
    if (draws) drawing.leave(last);
    else shown.remove();
    if (began === "chat" && mode === "chat") $("text").value ||= words;
    if (error.name === "AbortError") note("Cancelled.");
    else complain(error.message);
    if (error.kind === "token") lock(error.message);
  } finally {
    clearInterval(clock);
    busy(null);
  }
}

function ticking() {
  const began = performance.now();
  const tick = () => ($("clock").textContent = `${((performance.now() - began) / 1000).toFixed(1)} s`);
  tick();
  return setInterval(tick, 100);
}

/** What the history's buttons do. */
async function act(what, made) {
  if (what === "again") {
    if (running) return;
    choose(made.mode);
    $("text").value = made.words;
    for (const name of ["steps", "guidance"]) $(name).value = made.event[name];
    seed.keep(made.event.seed);
    if (made.mode === "edit") await photo.take(blob(made.body.picture));
    await start();
  } else {
    await photo.take(blob(made.event.png));
    choose(what);
    $("text").focus();
  }
  $("work").scrollIntoView({ block: "start" });
}

function lock(message) {
  $("main").hidden = true;
  $("unlock").hidden = false;
  $("unlock-error").textContent = message ?? "";
  $("unlock-error").hidden = !message;
  $("token").focus();
}

async function open() {
  if (!api.rememberedToken()) return lock(null);
  let found;
  try {
    found = await api.manifest();
  } catch (error) {
    return lock(error.message);
  }
  const size = found.recipe.image.size;
  const name = found.source.name ?? "a local checkpoint";
  $("source").textContent = `${name}, ${size} × ${size} pictures`;
  document.title = `Mobile-O: ${name}`;
  showDefaults(found.recipe);
  for (const tab of tabs) {
    const missing = MODES[tab.dataset.mode].needs.filter((part) => !(part in found.components));
    tab.disabled = missing.length > 0;
    if (missing.length) tab.title = `This bundle has no ${missing.join(" and no ")}`;
  }
  $("unlock").hidden = true;
  $("main").hidden = false;
  choose((tabs.find((tab) => !tab.disabled) ?? tabs[0]).dataset.mode);
  seed.another();
  $("text").focus();
}

for (const tab of tabs) tab.onclick = () => choose(tab.dataset.mode);
$("tabs").onkeydown = (event) => {
  const usable = tabs.filter((tab) => !tab.disabled);
  const place = usable.findIndex((tab) => tab.dataset.mode === mode);
  const to = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: -1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  choose(usable.at(to % usable.length).dataset.mode, true);
};
$("form").onsubmit = (event) => {
  event.preventDefault();
  start();
};
$("text").onkeydown = (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  start();
};
$("cancel").onclick = () => running?.abort();
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") running?.abort();
});
$("reset").onclick = () => {
  turns = [];
  $("chatted").replaceChildren();
  $("text").focus();
};
$("unlock").onsubmit = (event) => {
  event.preventDefault();
  api.rememberToken($("token").value.trim());
  open();
};
open();
