// The page: one cursor, and everything that follows it.

class Page {
  constructor(journal) {
    this.journal = journal;
    this.rows = readRows(journal);
    this.faults = readFaults(journal);
    this.world = new World(journal);
    this.suspects = new Set((journal.verdict?.violations ?? []).map(({ event_id: id }) => id).filter(Boolean));
    this.selected = null;
    this.timer = null;
    drawVerdict(journal, (violation) => this.jumpTo(violation), (id) => this.jumpTo({ event_id: id }));
    this.filters = new Filters(journal, this.rows, () => this.filter());
    this.filters.draw(byId("filters"));
    this.sequence = new Sequence(journal, this.faults, (row) => this.moveTo(row), (row, event) => this.hover(row, event));
    this.graph = new Graph(journal, (id) => this.select(id), (row, event) => this.hoverEvent(row, event));
    this.details = new Details(journal, (id) => this.select(id), (record) => this.moveToRecord(record));
    this.charts = new Charts(journal, this.rows, this.faults, (row) => this.moveTo(this.nearest(row)));
    this.listen();
    this.current = this.rows[this.rows.length - 1] ?? null;
    this.filter();
    drawLegend();
  }

  // --- What is shown.

  filter() {
    this.visible = this.filters.visible();
    this.filters.tell(this.visible.length);
    const servers = this.journal.servers.filter((server) => this.filters.servers.has(server));
    this.sequence.setRows(this.visible, servers);
    byId("slider").max = String(Math.max(0, this.visible.length - 1));
    this.moveTo(this.nearest(this.current));
  }

  /** The last visible row that is not after `row`. */
  nearest(row) {
    const number = row?.number ?? 0;
    return this.visible.findLast((row) => row.number <= number) ?? this.visible[0] ?? null;
  }

  moveTo(row) {
    this.current = row;
    this.draw();
    this.graph.reveal();
  }

  draw() {
    const { current: row, journal } = this;
    this.world.moveTo(row ? row.last : -1);
    this.sequence.setCurrent(row, this.selected);
    const servers = journal.servers.filter((server) => this.filters.servers.has(server));
    const room = this.filters.room ?? journal.rooms[0] ?? null;
    const { world, selected, suspects } = this;
    this.graph.show({ world, servers, room, changed: changedBy(row), selected, suspects });
    this.details.show(row, selected, world, this.faults);
    this.charts.setCurrent(row);
    const place = this.visible.indexOf(row);
    byId("slider").value = String(Math.max(0, place));
    byId("slider").setAttribute("aria-valuetext", row ? `${moment(row.t)} ${row.said}` : "nothing");
    byId("moment").textContent = row ? `${moment(row.t)}  row ${place + 1} of ${this.visible.length}` : "no row";
  }

  step(by) {
    if (this.visible.length === 0) return;
    const place = this.visible.indexOf(this.current) + by;
    this.moveTo(this.visible[Math.max(0, Math.min(this.visible.length - 1, place))]);
  }

  /** To the row of a record, or the last one shown before it. */
  moveToRecord(index) {
    const row = this.visible.findLast(({ first }) => first <= index);
    if (row) this.moveTo(row);
  }

  // --- Events.

  select(id) {
    this.selected = id;
    this.draw();
    if (id !== null) this.graph.reveal();
  }

  /** To what a violation is about: the answer that is not as expected, or the last dealing with the event there. */
  jumpTo({ server, event_id: id, message }) {
    const isUnmet = ({ what, met, message: unmet }) => what === "expected" && !met && message?.includes(unmet);
    const about = this.visible.filter((row) => (id ? row.events.has(id) : row.records.some(isUnmet)));
    const row = about.findLast((row) => row.servers.includes(server)) ?? about[about.length - 1];
    this.selected = id ?? null;
    this.moveTo(row ?? this.visible[this.visible.length - 1] ?? null);
    this.sequence.bringInSight();
  }

  /** To the next row that names the picked event; with none picked, to the next trouble. */
  seek(by) {
    const wanted = (row) => (this.selected ? row.events.has(this.selected) : row.isBad || row.tone === "fault" || row.tone === "heal");
    for (let place = this.visible.indexOf(this.current) + by; this.visible[place]; place += by) {
      if (wanted(this.visible[place])) return this.moveTo(this.visible[place]);
    }
  }

  // --- By hand.

  listen() {
    byId("slider").addEventListener("input", (event) => this.moveTo(this.visible[Number(event.target.value)] ?? null));
    const presses = { "to-start": () => this.step(-Infinity), back: () => this.step(-1), play: () => this.play(), forth: () => this.step(1), "to-end": () => this.step(Infinity) };
    for (const [id, press] of Object.entries(presses)) byId(id).addEventListener("click", press);
    document.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { tagName, type } = event.target;
    // Fields and buttons keep the keys that they have a use for.
    if (tagName === "SELECT" || (tagName === "INPUT" && type === "range" && event.key !== " ")) return;
    if (event.key === " " && ["BUTTON", "INPUT", "SUMMARY"].includes(tagName)) return;
    if (event.target.id === "details" && /^(Arrow|Page|Home|End)/.test(event.key)) return;
    const presses = {
      ArrowDown: () => this.step(1), j: () => this.step(1), ArrowUp: () => this.step(-1), k: () => this.step(-1),
      PageDown: () => this.step(20), PageUp: () => this.step(-20),
      Home: () => this.step(-Infinity), End: () => this.step(Infinity),
      n: () => this.seek(1), p: () => this.seek(-1),
      " ": () => this.play(), Escape: () => this.select(null),
    };
    const press = Object.hasOwn(presses, event.key) ? presses[event.key] : null;
    if (!press) return;
    event.preventDefault();
    press();
    this.sequence.bringInSight();
  }

  play() {
    const stop = () => {
      clearInterval(this.timer);
      this.timer = null;
      byId("play").textContent = "▶ Play";
    };
    if (this.timer !== null) return stop();
    if (this.current === this.visible[this.visible.length - 1]) this.step(-Infinity);
    byId("play").textContent = "⏸ Pause";
    this.timer = setInterval(() => {
      if (this.current === this.visible[this.visible.length - 1]) stop();
      else this.step(1);
    }, 250);
  }

  // --- Under the mouse.

  hover(row, event) {
    if (!row) return this.tip(null);
    const { request } = row;
    const lines = [html("b", {}, `${moment(row.t)} ${row.said}`)];
    if (request) {
      lines.push(html("code", {}, cut(request.line, 300)));
      if (request.events.length > 0) lines.push(`names ${eventNames(this.journal, request.events)}`);
      if (request.answer) lines.push(`answer ${request.answer.status} after ${took(request.answer.t - request.t)}, ${bytes(request.answer.bytes)}${request.answer.events.length > 0 ? `: ${eventNames(this.journal, request.answer.events)}` : ""}`);
      else lines.push(request.failed ? spaced(request.failed.why) : "no answer");
    }
    this.tip(lines, event);
  }

  hoverEvent(row, event) {
    if (!row) return this.tip(null);
    const [place] = row.places;
    const standings = this.graph.copies.map((copy) => `${copy.name} ${STANDING_WORDS[copy.standing(place.event.id)] ?? "–"}`).join(" · ");
    const text = row.key ? `${row.places.length} events that look alike; press to unfold` : place.event.id;
    this.tip([html("b", {}, text), row.key ? null : said(place.event), standings], event);
  }

  tip(lines, event) {
    const tip = byId("tip");
    tip.hidden = lines === null;
    if (lines === null) return;
    tip.replaceChildren(...lines.filter(Boolean).map((line) => html("div", {}, line)));
    const x = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8);
    const below = event.clientY + 18;
    const y = below + tip.offsetHeight > window.innerHeight ? event.clientY - tip.offsetHeight - 10 : below;
    tip.style.left = `${Math.max(4, x)}px`;
    tip.style.top = `${Math.max(4, y)}px`;
  }
}

/** The events whose standing a row changes, with the servers on which it does. */
function changedBy(row) {
  const changed = new Map();
  for (const record of row?.records ?? []) {
    const id = record.what === "gap_opened" ? record.missing : record.event;
    if (!["received", "judged", "waits", "gap_opened"].includes(record.what)) continue;
    const servers = new Set((changed.get(id) ?? "").split(" ").filter(Boolean));
    changed.set(id, [...servers.add(record.server)].sort().join(" "));
  }
  return changed;
}

function eventNames(journal, ids) {
  const names = ids.slice(0, 6).map((id) => journal.events.get(id)?.label ?? short(id));
  return names.join(" ") + (ids.length > 6 ? ` and ${ids.length - 6} more` : "");
}

function drawLegend() {
  const key = (drawing, word) => html("span", { class: "key" }, svg("svg", { width: 18, height: 18, class: "graph" }, drawing), word);
  const mark = (kind, d) => svg("path", { class: `extremity ${kind}`, d });
  const shade = (kind, word) => html("span", { class: "key" }, html("i", { class: `swatch ${kind}` }), word);
  const arrow = (kind, word) => html("span", { class: "key" }, svg("svg", { width: 26, height: 10 }, svg("line", { class: `arrow ${kind}`, x1: 0, x2: 26, y1: 5, y2: 5 })), word);
  byId("legend").append(
    html("p", {}, STANDINGS.map((standing) => key(shape(standing, 9, 9), STANDING_WORDS[standing])),
      key(mark("forward", "M4,6 h10 l-5,5 Z"), "forward extremity"), key(mark("backward", "M4,12 h10 l-5,-5 Z"), "backward extremity")),
    html("p", {}, arrow("plain", "push"), arrow("work", "recovery, joins"), arrow("bad", "refused, lost, an error"), arrow("plain back", "answer"), arrow("lie back", "a lie"),
      shade("break", "partition, cut, silence"), shade("slow", "latency, disturbed messages"), shade("crash", "server down"), shade("lie", "a liar, told answers")),
    html("p", { class: "faint" }, "Keys: ↑ ↓ or j k a row, Page ↑ ↓ twenty, Home and End, space plays, n and p to the next and the previous row that names the picked event (or the next trouble), Escape lets go of it."));
}

new Page(readJournal());
