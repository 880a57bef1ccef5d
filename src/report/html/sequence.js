// The sequence diagram: servers are columns, one row for each thing that happened, requests and answers are arrows.

const ROW = 20;
const TIME_WIDTH = 78;

class Sequence {
  constructor(journal, faults, choose, hover) {
    this.journal = journal;
    this.faults = faults;
    this.rows = [];
    this.places = new Map();
    this.servers = [];
    this.spans = [];
    this.current = null;
    this.selected = null;
    this.head = html("div", { class: "columns", "aria-hidden": "true" });
    this.window = new Window(ROW, { role: "listbox", "aria-label": "What happened, one row each" }, (first, last) => this.draw(first, last));
    const { scroller } = this.window;
    const rowOf = (event) => this.rows[this.window.rowAt(event)] ?? null;
    scroller.addEventListener("click", (event) => rowOf(event) && choose(rowOf(event)));
    scroller.addEventListener("mousemove", (event) => hover(rowOf(event), event));
    scroller.addEventListener("mouseleave", () => hover(null));
    byId("sequence").append(this.head, scroller);
  }

  setRows(rows, servers) {
    this.rows = rows;
    this.servers = servers;
    this.places = new Map(rows.map((row, place) => [row, place]));
    this.spans = this.findSpans();
    this.window.setRows(rows.length);
  }

  setCurrent(row, selected) {
    this.current = row;
    this.selected = selected;
    if (this.places.has(row)) this.window.show(this.places.get(row));
    this.window.refresh();
    this.window.scroller.setAttribute("aria-activedescendant", row ? `row-${row.number}` : "");
  }

  /** The pane may reach below the window; who moves by keys must see the row. */
  bringInSight() {
    const { scroller } = this.window;
    const bottom = scroller.getBoundingClientRect().top + (this.places.get(this.current) + 1) * ROW - scroller.scrollTop;
    if (bottom > window.innerHeight) scroller.scrollIntoView({ block: "end" });
  }

  measure() {
    const width = Math.max(260, this.window.width);
    // The more servers, the less is left for words.
    const text = Math.min(Math.max(260, 580 - 40 * this.servers.length), width * 0.6);
    const column = Math.max(34, Math.min(110, (width - TIME_WIDTH - text) / Math.max(1, this.servers.length)));
    this.column = column;
    this.textX = TIME_WIDTH + column * this.servers.length + 6;
    this.width = width;
    this.x = new Map(this.servers.map((server, index) => [server, TIME_WIDTH + column * (index + 0.5)]));
  }

  y(row) {
    const place = this.places.get(row);
    return place === undefined ? null : (place + 0.5) * ROW;
  }

  draw(first, last) {
    this.measure();
    this.drawHead();
    const top = first * ROW;
    const height = (last - first) * ROW;
    const rows = this.rows.slice(first, last);
    return svg("svg", { width: this.width, height, viewBox: `0 ${top} ${this.width} ${height}`, class: "sequence" },
      this.defs(),
      this.shades(first, last),
      [...this.x.values()].map((x) => svg("line", { class: "lifeline", x1: x, x2: x, y1: top, y2: top + height })),
      rows.map((row, nth) => this.drawRow(row, this.rows[first + nth - 1])),
      this.arrows(first, last),
      rows.map((row) => this.drawDot(row)),
    );
  }

  drawHead() {
    const key = `${this.servers} ${this.width}`;
    if (this.headKey === key) return;
    this.headKey = key;
    const names = this.servers.map((server) => {
      const name = html("b", { title: this.journal.run.servers.find(([own]) => own === server)?.[1] }, server);
      name.style.left = `${this.x.get(server)}px`;
      name.style.maxWidth = `${this.column - 4}px`;
      return name;
    });
    const time = html("span", {}, "time");
    const what = html("span", {}, "what happened");
    what.style.left = `${this.textX}px`;
    this.head.replaceChildren(time, ...names, what);
  }

  defs() {
    const head = (kind) =>
      svg("marker", { id: `head-${kind}`, class: `head ${kind}`, viewBox: "0 0 8 8", refX: 7.5, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" },
        svg("path", { d: "M0,0.5 L8,4 L0,7.5 Z" }));
    const hatch = (kind, d) =>
      svg("pattern", { id: `hatch-${kind}`, width: 8, height: 8, patternUnits: "userSpaceOnUse" }, svg("path", { class: `hatch ${kind}`, d }));
    const down = "M-2,2 L2,-2 M0,8 L8,0 M6,10 L10,6";
    const up = "M-2,6 L2,10 M0,0 L8,8 M6,-2 L10,2";
    return svg("defs", {}, ["plain", "work", "bad", "lie"].map(head), hatch("crash", down), hatch("lie", up));
  }

  /** Where faults hold, behind everything else. */
  shades(first, last) {
    return this.spans
      .filter(({ from, to }) => to >= first && from <= last)
      .map(({ kind, server, from, to }) => {
        const box = { x: this.x.get(server) - this.column / 2, width: this.column, y: from * ROW, height: (to - from) * ROW };
        const hatched = kind === "crash" || kind === "lie";
        return [
          svg("rect", { class: `shade ${kind}`, ...box }),
          hatched ? svg("rect", { class: "shade", fill: `url(#hatch-${kind})`, ...box }) : null,
        ];
      });
  }

  /** Where each kind of fault holds on each server; several of a kind look like one. */
  findSpans() {
    const spans = [];
    for (const server of this.servers) {
      for (const kind of FAULT_KINDS) {
        const own = this.faults.filter((fault) => fault.kind === kind && fault.servers.has(server));
        const rows = own.map(({ first, servers }) => this.rowsOf(first, servers.get(server)));
        const found = rows.filter(Boolean).sort((a, b) => a.from - b.from);
        for (const { from, to } of found) {
          const last = spans[spans.length - 1];
          if (last?.kind === kind && last.server === server && from <= last.to) last.to = Math.max(last.to, to);
          else spans.push({ kind, server, from, to });
        }
      }
    }
    return spans;
  }

  /** From the first row shown of some records to the first one after them. */
  rowsOf(first, last) {
    const from = this.firstRowFrom(first);
    const to = this.firstRowFrom(last + 1);
    return from < this.rows.length && to > from ? { from, to } : null;
  }

  /** Binary search: the place of the first row shown whose records do not end before a record. */
  firstRowFrom(record) {
    let [low, high] = [0, this.rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle].last < record) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  drawRow(row, before) {
    const y = this.y(row);
    const top = y - ROW / 2;
    const isCurrent = row === this.current;
    const names = this.selected && row.events.has(this.selected);
    const time = before && before.t === row.t ? null : svg("text", { class: "time", x: TIME_WIDTH - 10, y: y + 4 }, moment(row.t));
    const isBand = row.tone === "fault" || row.tone === "heal" || row.tone === "end";
    return svg("g", { role: "option", id: `row-${row.number}`, "aria-selected": String(isCurrent), "aria-label": `${moment(row.t)} ${row.said}`, class: `row ${row.tone}`, "data-row": row.number },
      svg("rect", { class: isCurrent ? "band current" : isBand ? "band" : "band none", x: 0, y: top, width: this.width, height: ROW }),
      names ? svg("rect", { class: "names", x: this.textX - 5, y: top + 3, width: 3, height: ROW - 6 }) : null,
      time,
      svg("text", { class: "said", x: this.textX + 2, y: y + 4 }, fitted(cut(row.said, 400), this.width - this.textX - 6, isBand ? 600 : 400)),
    );
  }

  /** What happened on a server without an arrow, as a dot on its line. */
  drawDot(row) {
    const x = this.x.get(row.server);
    if (x === undefined || row.kind === "request") return null;
    const r = row.kind === "step" ? 4.5 : 3;
    return svg("circle", { class: `dot ${row.tone} ${row.kind}`, cx: x, cy: this.y(row), r });
  }

  arrows(first, last) {
    const drawn = [];
    const seen = new Set();
    // An arrow may come from above what is in sight; nobody can follow one for longer than this.
    const from = Math.max(0, first - 400);
    for (let place = from; place < Math.min(this.rows.length, last + 1); place += 1) {
      const { request } = this.rows[place];
      if (!request || seen.has(request)) continue;
      seen.add(request);
      const rows = request.rows.map((row) => this.places.get(row)).filter((at) => at !== undefined);
      if (Math.max(...rows) < first) continue;
      drawn.push(this.drawRequest(request));
    }
    return drawn;
  }

  drawRequest(request) {
    const [from, to] = [this.x.get(request.from), this.x.get(request.to)];
    if (from === undefined || to === undefined) return null;
    const at = (kind) => this.y(request.rows.find((row) => row.kind === kind));
    const [sent, arrived, answer, failed] = [at("request"), at("arrived"), at("answer"), at("failed")];
    const kind = ORDINARY.has(request.endpoint) ? "plain" : "work";
    const isError = request.answer !== null && request.answer.status !== 200;
    const isCurrent = this.current?.request === request;
    const parts = [];
    const line = (tone, x1, y1, x2, y2, back) =>
      svg("line", { class: `arrow ${tone} ${back ? "back" : ""}`, x1, y1, x2, y2, "marker-end": `url(#head-${tone})` });
    if (sent !== null && arrived !== null) parts.push(line(kind, from, sent, to, arrived, false));
    if (sent !== null && !request.rows.some((row) => row.kind === "arrived")) parts.push(this.lost(from, sent, to));
    if (answer !== null && arrived !== null) parts.push(line(request.lies.length > 0 ? "lie" : isError ? "bad" : kind, to, arrived, from, answer, true));
    if (failed !== null && arrived !== null) parts.push(this.lost(to, failed, from));
    return svg("g", { class: `request ${isCurrent ? "current" : ""}`, "data-request": request.id }, parts);
  }

  /** An arrow that ends in a cross before it gets there. */
  lost(from, y, to) {
    const end = from + (to - from) * 0.6;
    return svg("g", { class: "lost" },
      svg("line", { class: "arrow bad", x1: from, y1: y, x2: end, y2: y }),
      svg("path", { class: "cross", d: `M${end - 4},${y - 4} l8,8 m0,-8 l-8,8` }));
  }
}
