// Each server's graph of the room at the cursor, side by side and row by row, so that what differs stands out.

const GRAPH_ROW = 20;
const COLUMN_TITLES = {
  lacks: "Events that are history elsewhere and not here",
  forward: "Forward extremities: what a new event of this server would come after",
  backward: "Backward extremities: what history cites and is not history itself",
};

class Graph {
  constructor(journal, select, hover) {
    this.journal = journal;
    this.select = select;
    this.unfolded = new Set();
    this.layouts = new Map();
    this.rows = [];
    this.summary = html("div", { id: "standing" });
    this.head = html("div", { class: "columns", "aria-hidden": "true" });
    this.window = new Window(GRAPH_ROW, { role: "listbox", "aria-label": "Events of the room, oldest first" }, (first, last) => this.draw(first, last));
    const { scroller } = this.window;
    scroller.addEventListener("click", (event) => this.press(this.rows[this.window.rowAt(event)]));
    scroller.addEventListener("mousemove", (event) => hover(this.rows[this.window.rowAt(event)] ?? null, event));
    scroller.addEventListener("mouseleave", () => hover(null));
    scroller.addEventListener("keydown", (event) => this.key(event));
    byId("room").append(this.summary, this.head, scroller);
  }

  /** Shows the copies of the room that `world` holds; `changed` has the standings of the current row's events. */
  show({ world, servers, room, changed, selected, suspects }) {
    if (!this.layouts.has(room)) this.layouts.set(room, layOut(this.journal, room));
    this.layout = this.layouts.get(room);
    this.servers = servers;
    this.copies = servers.map((server) => world.copies.get(server));
    this.changed = changed;
    this.selected = selected;
    this.suspects = suspects;
    this.rows = foldRows(this.layout, (event) => this.look(event), this.unfolded);
    this.places = new Map();
    this.rows.forEach((row, at) => row.places.forEach((place) => this.places.set(place.event.id, at)));
    this.measure();
    this.drawSummary();
    this.drawHead();
    this.window.setRows(this.rows.length, this.textX + 220);
    const index = this.journal.events.get(selected)?.index;
    this.window.scroller.setAttribute("aria-activedescendant", index === undefined ? "" : `event-${index}`);
  }

  /** Keeps what the cursor or the reader is at in sight. */
  reveal() {
    const ids = [...this.changed.keys()];
    const id = this.places.has(this.selected) ? this.selected : ids.find((id) => this.places.has(id));
    if (id !== undefined) this.window.show(this.places.get(id));
    else if (ids.length === 0 && this.rows.length > 0) this.window.show(this.rows.length - 1);
  }

  look(event) {
    const standings = this.copies.map((copy) => copy.standing(event.id));
    if (standings.every((standing) => standing === null)) return null;
    const marks = this.copies.map((copy) => `${copy.view().forward.has(event.id) ? "f" : ""}${copy.view().backward.has(event.id) ? "b" : ""}`);
    const stays = marks.some(Boolean) || event.label !== null || event.id === this.selected || this.suspects.has(event.id);
    const changed = this.changed.get(event.id) ?? "";
    return { text: `${standings}|${changed}`, stays };
  }

  measure() {
    const lanes = this.layout.lanes;
    const free = Math.max(this.window.width - 190, 120) / this.servers.length;
    this.lane = Math.max(5, Math.min(14, (free - 24) / lanes));
    this.column = Math.max(44, this.lane * lanes + 24, Math.min(64, free * 0.5));
    this.textX = this.column * this.servers.length + 10;
  }

  x(nth, place) {
    return nth * this.column + 16 + place.lane * this.lane;
  }

  y(id) {
    return (this.places.get(id) + 0.5) * GRAPH_ROW;
  }

  // --- Above the drawing.

  drawSummary() {
    const head = ["server", ...STANDINGS.map((standing) => STANDING_WORDS[standing]), "lacks", "forward", "backward"];
    const union = new Set(this.copies.flatMap((copy) => [...copy.held].filter(([, own]) => isHistory(own)).map(([id]) => id)));
    const rows = this.copies.map((copy) => {
      const counts = copy.counts();
      const lacks = [...union].filter((id) => !isHistory(copy.held.get(id)) && copy.held.get(id) !== "rejected").length;
      const cell = (name, value) =>
        html("td", { class: value > 0 ? `count ${name}` : "count none", "data-count": name }, String(value));
      const state = copy.isUp ? "" : " down";
      return html("tr", { "data-server": copy.name, "data-events": String(eventsHeld(copy)) },
        html("th", { scope: "row" }, copy.name, state ? html("i", {}, state) : null),
        STANDINGS.map((standing) => cell(standing, counts[standing])), cell("lacks", lacks),
        cell("forward", copy.view().forward.size), cell("backward", copy.view().backward.size));
    });
    this.summary.replaceChildren(
      html("table", {},
        html("thead", {}, html("tr", {}, head.map((name) => html("th", { scope: "col", title: COLUMN_TITLES[name] ?? null }, name)))),
        html("tbody", {}, rows)),
      html("p", { id: "agreement" }, this.agreement()),
    );
  }

  /** Who has the same copy, and who another. */
  agreement() {
    if (this.copies.length < 2) return [];
    const groups = new Map();
    const verdicts = new Map();
    for (const copy of this.copies) {
      const history = [...copy.held].filter(([, own]) => isHistory(own));
      const key = history.map(([id]) => id).sort().join();
      groups.set(key, [...(groups.get(key) ?? []), copy.name]);
      for (const [id, own] of history) verdicts.set(id, (verdicts.get(id) ?? new Set()).add(own));
    }
    const split = [...verdicts.values()].filter((own) => own.size > 1).length;
    const softly = split > 0 ? ` ${count(split, "event")} soft-failed on some and not on others.` : "";
    return [...sameHistory([...groups.values()]), softly, ...this.states()];
  }

  /** At the end the servers say which state they have; where it differs, what is in it on each. */
  states() {
    const ended = this.copies.filter((copy) => copy.ended?.joined);
    const slots = new Map();
    for (const copy of ended) {
      for (const [type, key, id] of copy.ended.state) {
        const slot = JSON.stringify([type, key]);
        slots.set(slot, { name: key ? `${type} ${key}` : type, ids: slots.get(slot)?.ids ?? new Map() });
        slots.get(slot).ids.set(copy.name, id);
      }
    }
    const differing = [...slots.values()].filter(({ ids }) => ids.size < ended.length || new Set(ids.values()).size > 1);
    if (differing.length === 0) return ended.length > 1 ? [" And the same state."] : [];
    const line = ({ name, ids }) =>
      html("li", {}, html("code", {}, name), ended.map((copy) => [` ${copy.name}: `, ids.has(copy.name) ? eventButton(this.journal, ids.get(copy.name), () => this.select(ids.get(copy.name))) : "nothing"]));
    const isShort = differing.length <= 6;
    return [html("details", { open: isShort }, html("summary", {}, ` The state differs in ${count(differing.length, "place")}.`), html("ul", {}, differing.slice(0, 50).map(line)))];
  }

  drawHead() {
    const names = this.servers.map((server, nth) => {
      const name = html("b", { title: server }, server);
      name.style.left = `${(nth + 0.5) * this.column}px`;
      name.style.maxWidth = `${this.column - 4}px`;
      return name;
    });
    const what = html("span", {}, "event");
    what.style.left = `${this.textX}px`;
    this.head.replaceChildren(...names, what);
  }

  // --- The drawing.

  draw(first, last) {
    const width = Math.max(this.window.width, this.textX + 220);
    const top = first * GRAPH_ROW;
    const height = (last - first) * GRAPH_ROW;
    const rows = this.rows.slice(first, last);
    return svg("svg", { width, height, viewBox: `0 ${top} ${width} ${height}`, class: "graph" },
      rows.map((row, nth) => this.drawBand(row, first + nth, width)),
      this.copies.map((copy, nth) => [
        svg("line", { class: "divider", x1: (nth + 1) * this.column, x2: (nth + 1) * this.column, y1: top, y2: top + height }),
        this.edges(copy, nth, first, last),
        rows.map((row) => (row.key ? this.drawFold(copy, nth, row) : this.drawNode(copy, nth, row.places[0]))),
      ]),
    );
  }

  drawBand(row, at, width) {
    const { places, key } = row;
    const { event } = places[0];
    const standings = new Set(this.copies.map((copy) => copy.standing(event.id)));
    const classes = ["event", standings.size > 1 ? "differs" : "", places.some(({ event }) => this.changed.has(event.id)) ? "changed" : "", event.id === this.selected ? "selected" : "", this.suspects.has(event.id) ? "suspect" : ""];
    const text = key ? `⋯ ${places.length} events` : caption(event);
    const label = key ? `${places.length} events, folded` : `${caption(event)}: ${this.copies.map((copy) => `${copy.name} ${STANDING_WORDS[copy.standing(event.id)] ?? "not known"}`).join(", ")}`;
    return svg("g", { class: classes.join(" "), role: "option", id: `event-${event.index}`, "aria-label": label, "aria-selected": String(event.id === this.selected), "data-event": key ? null : event.id, "data-fold": key ? places.length : null },
      svg("rect", { class: "band", x: 0, y: at * GRAPH_ROW, width, height: GRAPH_ROW }),
      svg("text", { class: key ? "fold" : "said", x: this.textX, y: (at + 0.5) * GRAPH_ROW + 4 }, fitted(text, width - this.textX - 4)));
  }

  edges(copy, nth, first, last) {
    const edges = [];
    for (const place of this.layout.order) {
      const at = this.places.get(place.event.id);
      if (at === undefined || at < first || !copy.held.has(place.event.id)) continue;
      for (const parent of place.parents) {
        const above = this.places.get(parent.event.id);
        if (above === undefined || above === at || above > last) continue;
        edges.push(this.drawEdge(copy, nth, parent, place));
      }
    }
    return edges;
  }

  drawEdge(copy, nth, parent, child) {
    const [x1, y1, x2, y2] = [this.x(nth, parent), this.y(parent.event.id), this.x(nth, child), this.y(child.event.id)];
    const isOpen = copy.standing(parent.event.id) === "missing";
    const bend = GRAPH_ROW * 0.9;
    // A fork leaves its parent's lane at once, a merge comes into the other lane at the last moment.
    const isFork = child.chain !== parent.chain && child.parents.filter(({ row }) => row < child.row).length === 1;
    if (y1 === y2) return null;
    const d =
      x1 === x2 ? `M${x1},${y1} V${y2}`
      : isFork ? `M${x1},${y1} C${x1},${y1 + bend} ${x2},${y1} ${x2},${y1 + bend} V${y2}`
      : `M${x1},${y1} V${y2 - bend} C${x1},${y2} ${x2},${y2 - bend} ${x2},${y2}`;
    return svg("path", { class: isOpen ? "edge open" : "edge", d });
  }

  drawNode(copy, nth, place) {
    const { id } = place.event;
    const standing = copy.standing(id);
    if (standing === null) return null;
    const [x, y] = [this.x(nth, place), this.y(id)];
    const isChanged = (this.changed.get(id) ?? "").split(" ").includes(copy.name);
    return svg("g", { class: "node", "data-standing": standing, "data-on": copy.name },
      isChanged ? svg("circle", { class: "halo", cx: x, cy: y, r: 8.5 }) : null,
      shape(standing, x, y),
      copy.view().forward.has(id) ? svg("path", { class: "extremity forward", d: `M${x - 5},${y + 6} h10 l-5,4.5 Z` }) : null,
      copy.view().backward.has(id) ? svg("path", { class: "extremity backward", d: `M${x - 5},${y - 6} h10 l-5,-4.5 Z` }) : null,
    );
  }

  drawFold(copy, nth, { places }) {
    const standing = copy.standing(places[0].event.id);
    if (standing === null) return null;
    const y = this.y(places[0].event.id);
    const lanes = [...new Map(places.map((place) => [place.lane, place])).values()];
    const dots = lanes.map((place) => [-5, 0, 5].map((dy) => svg("circle", { class: standing, cx: this.x(nth, place), cy: y + dy, r: 1.7 })));
    return svg("g", { class: `node folded ${standing}` }, dots);
  }

  // --- By hand.

  press(row) {
    if (!row) return;
    if (row.key) this.unfold(row.key);
    else this.select(row.places[0].event.id);
  }

  unfold(key) {
    this.unfolded.add(key);
    this.select(this.selected);
  }

  /** Up and down go from event to event, enter unfolds. */
  key(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step === undefined && event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    const at = this.places.get(this.selected);
    if (event.key === "Enter") {
      const next = this.rows[(at ?? -1) + 1];
      if (next?.key) this.unfold(next.key);
      return;
    }
    let to = at === undefined ? (step > 0 ? 0 : this.rows.length - 1) : at + step;
    while (this.rows[to]?.key) to += step;
    if (this.rows[to]) this.select(this.rows[to].places[0].event.id);
  }
}

/** Servers with the same events in their history, in words. */
function sameHistory(groups) {
  if (groups.length === 1) return ["All have the same history."];
  const alone = groups.filter((names) => names.length === 1).flat();
  const together = groups.filter((names) => names.length > 1).map((names) => `${listed(names)} have the same history`);
  const others = alone.length === 0 ? [] : [alone.length === 1 ? `${alone[0]} has its own` : `${listed(alone)} have each their own`];
  return [html("b", {}, "They differ: "), [...together, ...others].join("; "), "."];
}

/** How many events a server holds in the sense of its `end` record: those that only wait are not yet part of its room. */
function eventsHeld(copy) {
  return copy.ended?.events.length ?? [...copy.held.values()].filter((standing) => standing !== "waiting").length;
}

/** Standings differ in shape and not in colour alone. */
function shape(standing, x, y) {
  switch (standing) {
    case "accepted":
      return svg("circle", { class: standing, cx: x, cy: y, r: 4.5 });
    case "soft_failed":
      return svg("path", { class: standing, d: `M${x},${y - 6} l6,6 l-6,6 l-6,-6 Z` });
    case "rejected":
      return svg("path", { class: standing, d: `M${x - 4.5},${y - 4.5} l9,9 m0,-9 l-9,9` });
    case "outlier":
      return svg("rect", { class: standing, x: x - 4, y: y - 4, width: 8, height: 8 });
    case "waiting":
      return svg("g", {}, svg("circle", { class: standing, cx: x, cy: y, r: 4.5 }), svg("circle", { class: "waiting core", cx: x, cy: y, r: 1.5 }));
    default:
      return svg("circle", { class: "missing", cx: x, cy: y, r: 5 });
  }
}
