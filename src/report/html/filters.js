// What is shown: servers, endpoints, rooms. A row is hidden as soon as one thing about it is.

class Filters {
  constructor(journal, rows, onchange) {
    this.journal = journal;
    this.rows = rows;
    this.onchange = onchange;
    this.servers = new Set(journal.servers);
    this.endpoints = new Set([...journal.requests.values()].map(({ endpoint }) => endpoint));
    this.room = null;
    this.showSetUp = false;
    this.showOrdinary = rows.filter((row) => row.isOrdinary && row.t >= 0).length <= 300;
  }

  lets(row) {
    if (row.t < 0 && !this.showSetUp) return false;
    if (row.isOrdinary && !this.showOrdinary) return false;
    if (row.endpoint !== null && !this.endpoints.has(row.endpoint)) return false;
    if (this.room !== null && row.room !== null && row.room !== this.room) return false;
    return row.servers.every((server) => this.servers.has(server));
  }

  visible() {
    return this.rows.filter((row) => this.lets(row));
  }

  draw(place) {
    const { journal } = this;
    const requests = new Map();
    for (const { endpoint } of journal.requests.values()) requests.set(endpoint, (requests.get(endpoint) ?? 0) + 1);
    const chips = (name, own, all, label) =>
      html("fieldset", { "data-filter": name }, html("legend", {}, name), all.map((value) => this.chip(own, value, label(value))));
    const setUp = this.rows.filter((row) => row.t < 0).length;
    const ordinary = this.rows.filter((row) => row.isOrdinary).length;
    this.hidden = html("span", { class: "faint", id: "hidden" });
    fill(place, {}, [
        chips("servers", this.servers, journal.servers, (server) => server),
        chips("endpoints", this.endpoints, [...requests.keys()].sort(), (name) => `${name} ${requests.get(name)}`),
        journal.rooms.length > 1 ? this.roomChoice() : null,
        html("fieldset", { "data-filter": "more" }, html("legend", {}, "also"),
          this.toggle("showSetUp", `set-up ${setUp}`, "Everything before the timeline begins"),
          this.toggle("showOrdinary", `ordinary pushes ${ordinary}`, "Pushes and keys that arrived and were answered as they should"),
        ),
        this.hidden,
    ]);
  }

  chip(own, value, label) {
    const input = html("input", { type: "checkbox", value, checked: own.has(value) });
    input.addEventListener("change", () => {
      if (input.checked) own.add(value);
      else own.delete(value);
      this.onchange();
    });
    return html("label", { class: "chip" }, input, label);
  }

  toggle(field, label, title) {
    const input = html("input", { type: "checkbox", value: field, checked: this[field] });
    input.addEventListener("change", () => {
      this[field] = input.checked;
      this.onchange();
    });
    return html("label", { class: "chip", title }, input, label);
  }

  roomChoice() {
    const option = (value, label) => html("option", { value }, label);
    const select = html("select", { "aria-label": "Room" }, option("", "all rooms"), this.journal.rooms.map((room) => option(room, cut(room, 40))));
    select.addEventListener("change", () => {
      this.room = select.value || null;
      this.onchange();
    });
    return html("fieldset", { "data-filter": "room" }, html("legend", {}, "room"), select);
  }

  tell(shown) {
    const hidden = this.rows.length - shown;
    this.hidden.textContent = hidden > 0 ? `${count(hidden, "row")} of ${this.rows.length} hidden` : `${count(shown, "row")}`;
  }
}
