// What the gateway tells, live. Names and reasons are anybody's text: they reach the page as textContent, nowhere else.
"use strict";

const at = (id) => document.getElementById(id);
const MOST_ROWS = 200;
const state = { stream: null, last: 0, seen: 0, paused: false, rows: [], lost: false };

function make(tag, text, kind) {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (kind) node.className = kind;
  return node;
}

function fill(node, children) { node.replaceChildren(...children); }

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString();
const day = (seconds) => new Date(seconds * 1000).toLocaleDateString(undefined, { year: "numeric", month: "short", day: "numeric" });
const number = (value) => (value === null || value === undefined ? "-" : value.toLocaleString());
const milliseconds = (value) => (value === null ? "-" : `${(value * 1000).toPrecision(2)} ms`);

function ago(seconds) {
  const passed = Math.max(0, Date.now() / 1000 - seconds);
  if (passed < 90) return `${Math.round(passed)} s`;
  if (passed < 5400) return `${Math.round(passed / 60)} min`;
  if (passed < 129600) return `${Math.round(passed / 3600)} h`;
  return day(seconds);
}

// Charts: a polyline, its numbers in a title and in a table.

function sparkline(values, unit) {
  const space = "http://www.w3.org/2000/svg";
  const top = Math.max(...values, 1e-9);
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 300 40");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  const title = document.createElementNS(space, "title");
  title.textContent = `${unit}: now ${values.at(-1)}, least ${Math.min(...values)}, most ${Math.max(...values)}`;
  const line = document.createElementNS(space, "polyline");
  const shown = values.length === 1 ? [values[0], values[0]] : values;
  const step = 300 / (shown.length - 1);
  line.setAttribute("points", shown.map((value, index) => `${(index * step).toFixed(1)},${(38 - (value / top) * 36).toFixed(1)}`).join(" "));
  svg.append(title, line);
  return svg;
}

function chart(box, points, unit) {
  const open = box.querySelector("details")?.open;
  if (!points.length) { fill(box, [make("p", "The first points come within half a minute.", "soft")]); return; }
  const values = points.map((point) => point[1]);
  const details = make("details");
  details.open = Boolean(open);
  const scroll = make("div", undefined, "scroll");
  const table = make("table");
  if (details.open) {
    for (const [when, value] of points.slice().reverse()) {
      const row = make("tr");
      row.append(make("td", clock(when)), make("td", number(value), "number"));
      table.append(row);
    }
  }
  details.addEventListener("toggle", () => details.open && !table.rows.length && chart(box, points, unit));
  scroll.append(table);
  details.append(make("summary", `${unit}, most ${number(Math.max(...values))}`), scroll);
  fill(box, [sparkline(values, unit), details]);
}

// Blocks, each from its part of the status.

function nameLink(name, type) {
  const button = make("button", name, "link name");
  button.type = "button";
  button.addEventListener("click", () => explain(name, type));
  return button;
}

function showVerdict(told) {
  const box = at("verdict");
  const verdict = told.verdict;
  box.className = verdict.state;
  const word = verdict.state === "ok" ? "ok" : `! ${verdict.problems} problem${verdict.problems === 1 ? "" : "s"}`;
  const since = verdict.since ? ` since ${clock(verdict.since)}` : "";
  const head = make("p", undefined, "head");
  head.append(make("span", `${word}${since}: `), make("span", verdict.code ? `${verdict.code} ` : ""), make("span", verdict.text, "name"));
  fill(box, [head, ...verdict.others.map((other) => make("p", other, "name"))]);
  document.title = `${verdict.state === "ok" ? "" : "! "}panteras ${told.gateway.host}`;
  at("host").textContent = told.gateway.host;
}

function showFailed(told) {
  const failed = told.failed;
  at("failed-count").textContent = `${number(failed.count)} of ${number(failed.of)} in 15 min`;
  chart(document.querySelector("#failed .chart"), failed.history, "failures a second");
  const lines = failed.causes.slice(0, 8).map((cause) => {
    const line = make("li");
    const text = cause.text.startsWith(cause.code) ? cause.text.slice(cause.code.length) : ` ${cause.text}`;
    line.append(make("b", `${number(cause.count)} `), make("span", `${cause.code} `, "bad"), nameLink(cause.name, cause.type), make("span", text, "name"));
    return line;
  });
  if (failed.no_such_name) lines.push(make("li", `beside ${number(failed.no_such_name)} for names that do not exist or clients that may not ask`, "soft"));
  if (!lines.length) lines.push(make("li", "Nothing failed. What does is here, by cause, the most frequent first.", "soft"));
  fill(document.querySelector("#failed .list"), lines);
}

function showPath(told) {
  const down = told.path.filter((one) => !one.usable).length;
  at("path-count").textContent = down ? `${down} of ${told.path.length} down` : `${told.path.length} servers`;
  fill(document.querySelector("#path tbody"), told.path.map((one) => {
    const row = make("tr");
    const why = one.usable ? "ok" : `DOWN ${one.reason}${one.since ? ` since ${clock(one.since)}` : ""}`;
    row.append(make("td", one.server), make("td", milliseconds(one.p95), "number"), make("td", number(one.lost), "number"), make("td", why, one.usable ? "good" : "bad"));
    return row;
  }));
}

function showServices(told) {
  const services = told.services;
  at("services-count").textContent = services.known === null ? "-" : services.down ? `${services.known}, ${services.down} down` : number(services.known);
  const lines = services.list.slice(0, 12).map((one) => {
    const line = make("li");
    const word = one.passing === 0 && one.instances ? " DOWN" : "";
    const kind = word ? "bad" : one.passing < one.instances ? "warn" : "good";
    line.append(nameLink(`${one.name}.service.consul`, "A"), make("span", one.instances ? ` ${one.passing}/${one.instances}${word}` : " no checks", kind));
    return line;
  });
  if (services.list.length > 12) lines.push(make("li", `and ${services.list.length - 12} more, all of them better`, "soft"));
  if (!lines.length) lines.push(make("li", services.problem || "Consul knows no service.", "soft"));
  fill(document.querySelector("#services .list"), lines);
}

function showPeople(told) {
  const people = told.people;
  at("people-count").textContent = people.problem && !people.list.length ? "-" : number(people.list.length);
  const lines = people.list.map((one) => {
    const line = make("li");
    line.append(make("span", one.id, "name"), make("span", ` ${one.door}${one.since ? ` ${ago(one.since)}` : ""}`));
    return line;
  });
  if (people.problem || !lines.length) lines.push(make("li", people.problem || "Nobody is connected through a door.", "soft"));
  fill(document.querySelector("#people .list"), lines);
  const ends = told.ending.list.map((one) => {
    const left = Math.floor((one.not_after - Date.now() / 1000) / 86400);
    const line = make("li", undefined, left < 7 ? "bad" : "warn");
    line.append(make("span", one.what, "name"), make("span", ` ${day(one.not_after)}, ${left < 0 ? "ended" : `${left} d`}`));
    return line;
  });
  if (!ends.length) ends.push(make("li", told.ending.problem ? "-" : "No certificate ends soon.", "soft"));
  fill(at("ending"), ends);
}

function showQueries(told) {
  const queries = told.queries;
  at("queries-count").textContent = `${number(queries.per_second)} a second, ${number(queries.total)} in all`;
  chart(document.querySelector("#queries .chart"), queries.history, "queries a second");
  fill(document.querySelector("#queries tbody"), queries.by_route.slice(0, 12).map((one) => {
    const row = make("tr");
    const course = make("td", undefined, "course");
    if (one.history.length) course.append(sparkline(one.history.map((point) => point[1]), `${one.route}, queries a second`));
    row.append(make("td", one.route === "." ? ". (everything else)" : one.route), course, make("td", number(one.per_second), "number"), make("td", number(one.total), "number"));
    return row;
  }));
  const share = told.cache.hit_share === null ? "-" : `${Math.round(told.cache.hit_share * 100)} %`;
  at("cache").textContent = `cache: ${share} of lookups hit, ${number(told.cache.entries)} answers kept`;
}

function showTop(told) {
  const table = (box, list, key, count, link) => fill(box, list.slice(0, 10).map((one) => {
    const row = make("tr");
    const first = make("td", undefined, "name");
    first.append(link ? nameLink(one[key], "A") : make("span", one[key]));
    row.append(first, make("td", number(one[count]), "number"));
    return row;
  }));
  table(document.querySelector("#names tbody"), told.names, "name", "queries", true);
  table(document.querySelector("#clients tbody"), told.clients, "client", "sampled", false);
}

// Live rows.

function become(row) {
  if (row.rcode) return [`${row.rcode}${row.reason ? ` ${row.reason}` : ""}`, "bad"];
  return [row.route ? `route ${row.route}` : "", "soft"];
}

function showRows() {
  const failuresOnly = at("which").value === "failures";
  const wanted = at("filter").value.toLowerCase();
  const shown = state.rows.filter((row) => (!failuresOnly || row.rcode) && (!wanted || `${row.name} ${row.client} ${row.reason || ""}`.toLowerCase().includes(wanted)));
  const body = document.querySelector("#rows tbody");
  const focused = document.activeElement?.dataset?.number;
  fill(body, shown.slice(0, MOST_ROWS).map((row) => {
    const line = make("tr");
    line.tabIndex = 0;
    line.dataset.number = row.number;
    const [text, kind] = become(row);
    line.append(make("td", clock(row.at)), make("td", row.client, "name"), make("td", row.name, "name"), make("td", row.type), make("td", text, kind));
    line.addEventListener("click", () => explain(row.name, row.type));
    line.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // or the same key would close the dialog that it opens
      explain(row.name, row.type);
    });
    return line;
  }));
  if (focused) body.querySelector(`[data-number="${focused}"]`)?.focus();
  at("no-rows").hidden = shown.length > 0;
  at("no-rows").textContent = failuresOnly ? "No failure yet: a row appears here when an answer was no help." : "Nothing yet: a row appears here when a client asks.";
}

function takeRows(told) {
  state.rows = [...told.rows.reverse(), ...state.rows].slice(0, 4 * MOST_ROWS);
  at("not-shown").textContent = told.not_shown ? `+${number(told.not_shown)} not shown` : "";
  showRows();
}

// Explanations.

let opener = null;

async function explain(name, type) {
  const box = at("explanation");
  opener = document.activeElement;
  history.replaceState(null, "", `#${encodeURIComponent(name)}`);
  at("explained").textContent = `${name} ${type || "A"}`;
  fill(box.querySelector("ol"), [make("li", "asking", "soft")]);
  box.querySelector(".told").textContent = "";
  box.querySelector(".note").textContent = "";
  fill(box.querySelector(".fix"), []);
  if (!box.open) box.showModal();
  try {
    const answer = await fetch(`/query?name=${encodeURIComponent(name)}&type=${encodeURIComponent(type || "A")}`);
    if (!answer.ok) throw new Error(await answer.text());
    showExplanation(box, await answer.json());
  } catch (problem) {
    fill(box.querySelector("ol"), [make("li", `not explained: ${problem.message}`, "bad")]);
  }
}

function showExplanation(box, told) {
  fill(box.querySelector("ol"), told.hops.map((hop) => {
    const line = make("li");
    const time = hop.milliseconds === null ? "" : ` ${hop.milliseconds.toFixed(1)} ms`;
    line.append(make("b", `${hop.stage} `), make("span", hop.told), make("span", time, "soft"), make("span", ` ${hop.state}`, hop.state === "ok" ? "good" : "bad"));
    for (const detail of hop.details) line.append(make("div", detail, "soft"));
    return line;
  }));
  const verdict = told.verdict;
  const last = box.querySelector(".told");
  last.className = `told ${verdict.code ? "bad" : "good"}`;
  last.textContent = verdict.code ? `FAIL ${verdict.code} ${verdict.text}` : `ok ${verdict.text}`;
  fill(box.querySelector(".fix"), verdict.fix.map((command) => {
    const line = make("div");
    const copy = make("button", "copy");
    copy.type = "button";
    copy.addEventListener("click", async () => {
      await navigator.clipboard.writeText(command);
      copy.textContent = "copied";
    });
    line.append(make("code", command), copy);
    return line;
  }));
  box.querySelector(".note").textContent = verdict.note ? `note: ${verdict.note}` : "";
}

at("explanation").addEventListener("close", () => {
  history.replaceState(null, "", " ");
  opener?.focus?.();
});

// The stream: closed while nobody looks, told when it is lost.

function connect() {
  if (state.stream || document.hidden) return;
  state.stream = new EventSource("/events");
  state.stream.addEventListener("status", (event) => {
    state.last = Date.now();
    if (!state.paused) show(JSON.parse(event.data));
  });
  state.stream.addEventListener("rows", (event) => {
    state.last = Date.now();
    if (!state.paused) takeRows(JSON.parse(event.data));
  });
  state.stream.onerror = () => {
    if (state.stream?.readyState === EventSource.CLOSED) {
      state.stream = null;
      setTimeout(connect, 3000);
    }
  };
}

function disconnect() {
  state.stream?.close();
  state.stream = null;
}

function show(told) {
  for (const part of [showVerdict, showFailed, showPath, showServices, showPeople, showQueries, showTop]) part(told);
}

function watch() {
  const silent = state.last ? (Date.now() - state.last) / 1000 : null;
  const lost = silent === null || silent > 4;
  document.body.classList.toggle("lost", lost && silent !== null);
  at("live").classList.toggle("lost", lost && silent !== null);
  at("live").textContent = silent === null ? "connecting" : lost ? `last seen ${Math.round(silent)} s ago, retrying` : state.paused ? "paused" : "live";
}

document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));

// Hands on the keyboard, and forms.

function pause() {
  state.paused = !state.paused;
  at("pause").setAttribute("aria-pressed", String(state.paused));
  at("pause").textContent = state.paused ? "go on" : "pause";
  watch();
}

function step(by) {
  const rows = [...document.querySelectorAll("#rows tbody tr")];
  const now = rows.indexOf(document.activeElement);
  rows[Math.min(Math.max(now + by, 0), rows.length - 1)]?.focus();
}

const KEYS = {
  "/": () => at("name").focus(),
  j: () => step(1),
  k: () => step(-1),
  p: pause,
  m: () => document.body.classList.toggle("masked"),
  "?": () => at("keys").showModal(),
};

document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});

at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = at("name").value.trim();
  if (name) explain(name, at("type").value);
});
at("pause").addEventListener("click", pause);
at("help").addEventListener("click", () => at("keys").showModal());
at("which").addEventListener("change", showRows);
at("filter").addEventListener("input", showRows);

setInterval(watch, 1000);
connect();
showRows();
if (location.hash.length > 1) {
  const name = decodeURIComponent(location.hash.slice(1));
  at("name").value = name;
  explain(name, "A");
}
