// Keys, the time spent, drafts that outlive a session, and sending again what did not arrive. Without it the forms work alone.
"use strict";
const $ = (what, where = document) => where.querySelector(what);
const all = (what, where = document) => [...where.querySelectorAll(what)];
const ballot = $("#ballot");
const status = $("#status");
const DRAFT = ballot ? `draft ${ballot.dataset.by} ${ballot.dataset.item} ${ballot.elements.as ? "as" : ""}` : "";
const SECRET = ["form_token", "token", "seconds", "item", "as"];

let hush;
function say(words, bad = false) {
  status.textContent = words;
  status.className = `status on${bad ? " bad" : ""}`;
  clearTimeout(hush);
  if (!bad) hush = setTimeout(() => status.classList.remove("on"), 2500);
}

// What was said on the page before
const said = sessionStorage.getItem("said");
sessionStorage.removeItem("said");
if (said) say(said);

// Time is counted while the page is seen
let spent = 0, since = document.hidden ? 0 : performance.now();
document.addEventListener("visibilitychange", () => {
  if (document.hidden && since) { spent += performance.now() - since; since = 0; }
  else if (!document.hidden && !since) since = performance.now();
});
const seconds = () => ((spent + (since ? performance.now() - since : 0)) / 1000).toFixed(1);

// Drafts
function keepDraft() {
  if (!ballot) return;
  const fields = [...new FormData(ballot)].filter(([name]) => !SECRET.includes(name));
  sessionStorage.setItem(DRAFT, JSON.stringify(fields));
}
function restoreDraft() {
  const fields = JSON.parse(sessionStorage.getItem(DRAFT) || "null");
  if (!fields) return;
  for (const input of ballot.elements) if (input.type === "checkbox" || input.type === "radio") input.checked = false;
  for (const [name, value] of fields) {
    for (const input of all(`[name="${name}"]`)) {
      if (input.form !== ballot) continue;
      if (input.type === "checkbox" || input.type === "radio") { if (input.value === value) input.checked = true; }
      else input.value = value;
    }
  }
  if (["note", "better", "harmlessness", "helpfulness", "faithfulness"].some(n => fields.some(([name, v]) => name === n && v))) $("#more").open = true;
}

// Sending: what the server has not answered is sent again, under the same token, so that nothing is kept twice
let sending = false;
async function send(form) {
  if (sending) return;
  sending = true;
  const body = new URLSearchParams(new FormData(form));
  if (form === ballot) body.set("seconds", seconds());
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    try {
      const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
      const page = await answer.json().catch(() => null);
      if (!page && answer.status >= 400 && answer.status < 500) { sending = false; return say(`Not saved: the server refused it (${answer.status}).`, true); }
      if (answer.status === 401) return location.replace(`/login?next=${encodeURIComponent(location.pathname)}&ended=1`);
      if (answer.status !== 503 && !answer.ok) { sending = false; return say(page.error, true); }
      if (answer.ok) {
        if (form === ballot) { sessionStorage.removeItem(DRAFT); sessionStorage.setItem("said", "Saved."); }
        return location.replace(page.next);
      }
      say(`${page.error} Trying again…`, true);
    } catch {
      say("Not saved yet: no answer from the server. Trying again…", true);
    }
    await new Promise(done => setTimeout(done, wait));
  }
}
document.addEventListener("submit", event => {
  const form = event.target;
  if (form === ballot) {
    event.preventDefault();
    if (!ballot.elements.overall.value) return say("First choose which is better: 1, 2, or 0 for equal.", true);
    send(form);
  } else if (form.id === "reveal") {
    event.preventDefault();
    const picture = form.closest(".picture");
    const body = new URLSearchParams(new FormData(form));
    fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } }).then(answer => {
      if (answer.status === 401) return location.replace(`/login?next=${encodeURIComponent(location.pathname)}&ended=1`);
      if (!answer.ok) return say("Not revealed: try again.", true);
      picture.className = "picture";
      $("img", picture).alt = "The image that the question is about";
      form.remove();
      say("Revealed.");
    }, () => say("Not revealed: no answer from the server.", true));
  } else if ("quick" in form.dataset) {
    event.preventDefault();
    send(form);
  } else if (form.dataset.sure && !confirm(form.dataset.sure)) {
    event.preventDefault();
  }
});

// Scales
let active = "overall";
const scaleOf = criterion => $(`.scale[data-criterion="${criterion}"]`);
function show() {
  for (const scale of all(".scale")) {
    scale.classList.toggle("active", scale.dataset.criterion === active);
    const chosen = $("input:checked", scale);
    $(".word", scale).textContent = chosen ? chosen.getAttribute("aria-label") : "";
  }
}
function choose(value) {
  const input = $(`input[value="${value}"]`, scaleOf(active));
  input.checked = true;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  say(input.getAttribute("aria-label") + (active === "overall" ? "." : ` (${active}).`));
}
const chosen = () => { const input = $("input:checked", scaleOf(active)); return input ? Number(input.value) : null; };
function towards(side) {
  const now = chosen();
  choose(side * (now !== null && now * side > 0 ? Math.min(3, Math.abs(now) + 1) : 1));
}
function activate(criterion) {
  active = criterion;
  if (criterion !== "overall") $("#more").open = true;
  show();
  scaleOf(criterion).scrollIntoView({ block: "nearest" });
}
function bothBad() {
  active = "overall";
  $('[name="reasons"][value="both_bad"]').checked = true;
  choose(0);
  say("Both are bad.");
}
function label(side) {
  const inputs = all(`[name="label_${side}"]`);
  const now = inputs.findIndex(input => input.checked);
  inputs.forEach((input, place) => { input.checked = place === now + 1; });
  inputs[0].dispatchEvent(new Event("change", { bubbles: true }));
  say(`Answer ${side === "left" ? 1 : 2}: ${now + 1 < inputs.length ? inputs[now + 1].value : "not said"}.`);
}
function harm() {
  const select = all(".label").filter(part => $("input[value=unsafe]:checked", part)).map(part => $("select", part))[0];
  if (select) select.focus(); else say("No answer is called unsafe: q or w first.");
}
function open(id) {
  const panel = $(`#${id}`);
  panel.togglePopover();
  if (panel.matches(":popover-open")) $("input:not([type=hidden]), button", panel).focus();
}
function write(name) { $("#more").open = true; ballot.elements[name].focus(); }

const KEYS = {
  "1": () => towards(-1), "2": () => towards(1), "0": () => choose(0), t: () => choose(0), b: bothBad,
  ArrowLeft: () => choose(Math.max(-3, (chosen() ?? 0) - 1)), ArrowRight: () => choose(Math.min(3, (chosen() ?? 0) + 1)),
  o: () => activate("overall"), h: () => activate("harmlessness"), e: () => activate("helpfulness"), a: () => activate("faithfulness"),
  q: () => label("left"), w: () => label("right"), c: harm, n: () => write("note"), m: () => write("better"),
  r: () => { $("#more").open = true; $('[name="reasons"]').focus(); },
  ".": () => { $("#more").open = !$("#more").open; if ($("#more").open) $("#more").scrollIntoView({ block: "nearest" }); },
  v: () => $("#reveal")?.requestSubmit(), Enter: () => ballot.requestSubmit(),
};
document.addEventListener("keydown", event => {
  const at = event.target, writing = at.matches("textarea, select, input:not([type=radio]):not([type=checkbox])");
  if (event.key === "Escape" && at !== document.body) { at.blur(); return; }
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && ballot) {
    event.preventDefault();
    return (at.closest("[popover]") ? at.form : ballot)?.requestSubmit();
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || writing) return;
  const inPanel = at.closest("[popover]");
  if (inPanel) return;
  if (event.key === "Enter" && at.matches("button, a, summary")) return;
  if (event.key.startsWith("Arrow") && (at.matches("input[type=radio]") || at.closest(".text"))) return;
  const button = all("[data-key]").find(one => one.dataset.key === event.key && one.offsetParent !== null);
  if (button) {
    event.preventDefault();
    if (button.dataset.opens) return open(button.dataset.opens);
    if (button.dataset.set === "bad") return bothBad();
    return button.form.requestSubmit(button);
  }
  if (ballot && KEYS[event.key]) { event.preventDefault(); KEYS[event.key](); }
});
$("[data-set=bad]")?.addEventListener("click", bothBad);
if (ballot) {
  restoreDraft();
  show();
  document.addEventListener("change", event => { if (event.target.form === ballot) { keepDraft(); show(); } });
  document.addEventListener("input", event => { if (event.target.form === ballot) keepDraft(); });
}
