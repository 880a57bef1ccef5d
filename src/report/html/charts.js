// The run in numbers: missing events over time, requests and bytes by endpoint, events in each answer.

const CHART_HEIGHT = 150;
/** Upper ends of the classes of the histogram. */
const CLASSES = [0, 1, 4, 9, 19, 49, 99, Infinity];

/** What is counted over time, each in a plot of its own. */
const PLOTS = [
  ["missing", "Missing events", "events that a server knows of and lacks: missing ones, and the edge of its history"],
  ["lacks", "Behind the others", "events that are history on some server and not on this one, whether it knows of them or not"],
];

class Charts {
  constructor(journal, rows, faults, jump) {
    this.journal = journal;
    this.rows = rows.filter((row) => row.t >= 0);
    this.faults = faults;
    this.jump = jump;
    this.series = gapsOverTime(journal, this.rows);
    this.holes = html("figure", { id: "holes" });
    this.row = null;
    byId("charts").append(this.holes, trafficTable(journal), histogram(journal));
    new ResizeObserver(() => this.drawHoles()).observe(this.holes);
  }

  setCurrent(row) {
    this.row = row;
    this.drawHoles();
  }

  drawHoles() {
    const width = Math.max(240, this.holes.clientWidth - 2);
    const keys = this.journal.servers.map((server, nth) => html("span", { class: "key" }, html("i", { class: `line s${nth % 6}` }), server));
    this.holes.replaceChildren(
      html("figcaption", {}, html("b", {}, "Holes over time"), keys, html("span", { class: "faint" }, "every row of the run is equally wide; shaded where faults hold")),
      ...PLOTS.map((plot) => this.drawPlot(plot, width)));
  }

  drawPlot([field, title, meaning], width) {
    const [left, right, top, bottom] = [40, 34, 18, 18];
    const end = Math.max(1, this.rows.length - 1);
    const most = Math.max(1, ...[...this.series.values()].flat().map((point) => point[field]));
    const x = (place) => left + (place / end) * (width - left - right);
    const y = (number) => CHART_HEIGHT - bottom - (number / most) * (CHART_HEIGHT - top - bottom);
    const chart = svg("svg", { width, height: CHART_HEIGHT, class: "chart", role: "img", "aria-label": this.describe(field, title) },
      svg("title", {}, meaning),
      this.shades(x, top, CHART_HEIGHT - top - bottom),
      ticks(most).map((value) => [
        svg("line", { class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }),
        svg("text", { class: "axis", x: left - 6, y: y(value) + 4, "text-anchor": "end" }, value),
      ]),
      this.moments(width - left - right).map((place) => svg("text", { class: "axis", x: x(place), y: CHART_HEIGHT - 4, "text-anchor": "middle" }, moment(this.rows[place].t))),
      [...this.series.values()].map((points, nth) => svg("path", { class: `series s${nth % 6}`, d: steps(points, field, x, y, end) })),
      svg("text", { class: "title", x: left, y: 12 }, title),
      this.now(x, top, CHART_HEIGHT - bottom));
    chart.addEventListener("click", (event) => {
      const at = (event.clientX - chart.getBoundingClientRect().left - left) / (width - left - right);
      const row = this.rows[Math.max(0, Math.min(end, Math.round(at * end)))];
      if (row) this.jump(row);
    });
    return chart;
  }

  describe(field, title) {
    const each = [...this.series].map(([server, points]) => `${server} at most ${Math.max(...points.map((point) => point[field]))}, ${points[points.length - 1][field]} at the end`);
    return `${title} over time: ${each.join("; ")}`;
  }

  shades(x, y, height) {
    return this.faults.map((fault) => {
      const from = this.rows.findIndex((row) => row.last >= fault.first);
      const to = this.rows.findLastIndex((row) => row.first <= fault.last);
      if (from < 0 || to < from) return null;
      return svg("rect", { class: `shade ${fault.kind}`, x: x(from), width: Math.max(1.5, x(to) - x(from)), y, height });
    });
  }

  /** Rows whose time is written below, as many as there is room for. */
  moments(width) {
    const wanted = Math.max(1, Math.floor(width / 110));
    const step = Math.max(1, Math.floor(this.rows.length / wanted));
    return this.rows.map((_, place) => place).filter((place) => place % step === 0);
  }

  now(x, top, bottom) {
    const place = this.rows.findLastIndex((row) => row.number <= (this.row?.number ?? Infinity));
    return place < 0 ? null : svg("line", { class: "now", x1: x(place), x2: x(place), y1: top - 4, y2: bottom });
  }
}

/** How many events each server lacked after each row, where that changed. */
function gapsOverTime(journal, rows) {
  const world = new World(journal);
  const series = new Map(journal.servers.map((server) => [server, []]));
  const history = new Set();
  const judged = new Map();
  rows.forEach((row, place) => {
    world.moveTo(row.last);
    let hasChanged = false;
    for (const copy of world.copies.values()) {
      if (judged.get(copy)?.version === copy.version) continue;
      hasChanged = true;
      const ids = [...copy.held].filter(([, standing]) => isHistory(standing) || standing === "rejected").map(([id]) => id);
      ids.filter((id) => isHistory(copy.held.get(id))).forEach((id) => history.add(id));
      judged.set(copy, { version: copy.version, ids: new Set(ids) });
    }
    if (!hasChanged) return;
    for (const [server, copy] of world.copies) {
      const { ids } = judged.get(copy);
      let lacks = 0;
      for (const id of history) if (!ids.has(id)) lacks += 1;
      series.get(server).push({ place, missing: copy.view().missing.size, lacks });
    }
  });
  for (const points of series.values()) if (points.length === 0) points.push({ place: 0, missing: 0, lacks: 0 });
  return series;
}

function steps(points, field, x, y, end) {
  const moves = points.map((point, nth) => (nth === 0 ? `M${x(0)},${y(point[field])}` : `H${x(point.place)}V${y(point[field])}`));
  return `${moves.join("")}H${x(end)}`;
}

function ticks(most) {
  const step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((step) => most / step <= 4) ?? most;
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, nth) => nth * step);
}

/** Requests, bytes and what answers brought, a line for each endpoint. */
function trafficTable(journal) {
  const endpoints = [...traffic(journal)].sort(([, a], [, b]) => b.requests - a.requests);
  const most = Math.max(1, ...endpoints.map(([, own]) => own.requests));
  const mostBytes = Math.max(1, ...endpoints.map(([, own]) => own.out + own.back));
  const line = ([name, own]) =>
    html("tr", { "data-endpoint": name, "data-requests": String(own.requests) },
      html("th", { scope: "row" }, name),
      html("td", {}, own.requests),
      html("td", {}, bar([["good", own.good], ["error", own.error], ["lost", own.lost]], most)),
      html("td", {}, bytes(own.out + own.back)),
      html("td", {}, bar([["out", own.out], ["back", own.back]], mostBytes)),
      html("td", {}, own.events || ""),
      html("td", {}, own.events ? own.fresh : ""));
  const all = endpoints.reduce((sum, [, own]) => sum + own.requests, 0);
  const key = (kind, word) => html("span", { class: "key" }, html("i", { class: `box ${kind}` }), word);
  return html("figure", { id: "traffic" },
    html("figcaption", {}, html("b", {}, `${count(all, "request")} by endpoint`),
      key("good", "answered"), key("error", "error"), key("lost", "no answer"), key("out", "bytes there"), key("back", "bytes back")),
    html("table", {},
      html("thead", {}, html("tr", {}, ["endpoint", "requests", "", "bytes", "", "events back", "new"].map((name) => html("th", { scope: "col", title: name === "new" ? "Events that the asker did not hold yet" : null }, name)))),
      html("tbody", {}, endpoints.map(line))));
}

function traffic(journal) {
  const endpoints = new Map();
  for (const request of journal.requests.values()) {
    const { endpoint, answer } = request;
    if (!endpoints.has(endpoint)) endpoints.set(endpoint, { requests: 0, good: 0, error: 0, lost: 0, out: 0, back: 0, events: 0, fresh: 0 });
    const own = endpoints.get(endpoint);
    own.requests += 1;
    own[!answer ? "lost" : answer.status === 200 ? "good" : "error"] += 1;
    own.out += request.bytes;
    own.back += answer?.bytes ?? 0;
    own.events += answer?.events.length ?? 0;
  }
  for (const [request, fresh] of freshEvents(journal)) endpoints.get(request.endpoint).fresh += fresh;
  return endpoints;
}

/** How many events of each answer its asker did not hold when it came. */
function freshEvents(journal) {
  const held = new Map(journal.servers.map((server) => [server, new Set()]));
  const fresh = new Map();
  for (const record of journal.records) {
    const own = held.get(record.server);
    if (record.what === "received") own?.add(record.event);
    const request = record.what === "answer" ? journal.requests.get(record.id) : null;
    if (request && own) fresh.set(request, new Set(record.events.filter((id) => !own.has(id))).size);
  }
  return fresh;
}

function bar(parts, most) {
  const box = html("div", { class: "bar" });
  for (const [kind, value] of parts) {
    if (value === 0) continue;
    const part = html("i", { class: kind, title: `${kind}: ${value}` });
    part.style.width = `${Math.max(1, (value / most) * 100)}%`;
    box.append(part);
  }
  return box;
}

/** How many answers brought how many events, by endpoint. */
function histogram(journal) {
  const answers = [...journal.requests.values()].filter(({ answer, endpoint }) => answer?.status === 200 && !ORDINARY.has(endpoint));
  const asking = answers.filter(({ endpoint }) => !["make_join", "send_join", "invite"].includes(endpoint));
  const endpoints = [...new Set(asking.map(({ endpoint }) => endpoint))].sort();
  const classOf = (events) => CLASSES.findIndex((most) => events <= most);
  const table = endpoints.map((endpoint) => {
    const own = asking.filter((request) => request.endpoint === endpoint);
    return CLASSES.map((_, nth) => own.filter(({ answer }) => classOf(answer.events.length) === nth).length);
  });
  const most = Math.max(1, ...table.flat());
  const names = CLASSES.map((high, nth) => {
    const low = nth === 0 ? 0 : CLASSES[nth - 1] + 1;
    return high === Infinity ? `${low}+` : low === high ? `${low}` : `${low}–${high}`;
  });
  const cell = (value) => {
    const td = html("td", { class: "heat" }, value || "");
    if (value > 0) td.style.setProperty("--heat", String(0.15 + 0.6 * (value / most)));
    return td;
  };
  const rows = endpoints.map((endpoint, nth) => html("tr", { "data-endpoint": endpoint }, html("th", { scope: "row" }, endpoint), table[nth].map(cell)));
  const body = rows.length > 0 ? rows : html("tr", {}, html("td", { colspan: CLASSES.length + 1, class: "faint" }, "Nobody had to ask for events."));
  return html("figure", { id: "answers" },
    html("figcaption", {}, html("b", {}, "Events in an answer"), html("span", { class: "faint" }, "how many answers brought so many")),
    html("table", {},
      html("thead", {}, html("tr", {}, html("th", { scope: "col" }, "events"), names.map((name) => html("th", { scope: "col" }, name)))),
      html("tbody", {}, body)));
}
