// What is told of the row at the cursor and of the event that the reader picked: all that the journal has of them.

/** So many lines of one kind; a page of 500 events is no reading matter. */
const LINES = 60;

class Details {
  constructor(journal, select, jump) {
    this.journal = journal;
    this.select = select;
    this.jump = jump;
    this.box = html("div", { id: "details", tabindex: 0, "aria-label": "Details", "aria-live": "polite" });
    byId("room").append(this.box);
  }

  show(row, selected, world, faults) {
    this.box.replaceChildren(
      ...[selected ? this.event(selected, world) : null, row ? this.row(row, faults) : null].filter(Boolean),
    );
    this.box.scrollTop = 0;
  }

  id(id) {
    return eventButton(this.journal, id, () => this.select(id));
  }

  ids(list) {
    const shown = list.slice(0, LINES).map((id) => (id === "?" ? "? " : [this.id(id), " "]));
    return [shown, list.length > LINES ? `and ${list.length - LINES} more` : null];
  }

  // --- A row.

  row(row, faults) {
    const active = faults.filter((fault) => fault.first <= row.last && fault.last > row.last);
    return html("section", { class: "row-details" },
      html("h2", {}, moment(row.t), " ", row.said.split(" · ")[0]),
      active.length > 0 ? html("p", { class: "active" }, active.map((fault) => [html("span", { class: `swatch ${fault.kind}` }), fault.label, " "])) : null,
      row.request ? this.request(row.request) : null,
      this.cause(row.head.because),
      this.inner(row),
    );
  }

  /** What the row follows from: a step or a request, one press away. */
  cause(because) {
    if (!because) return null;
    const index = because.request === undefined
      ? this.journal.records.findIndex(({ what, step }) => what === "step" && step === because.step)
      : this.journal.requests.get(because.request)?.sent;
    const word = because.request === undefined ? `step ${because.step}` : `request ${because.request}`;
    return html("p", {}, html("span", { class: "faint" }, "because of "), html("button", { class: "event cause", onclick: () => this.jump(index) }, word));
  }

  request(request) {
    const { answer, failed, arrived } = request;
    const lines = [
      ["request", html("code", {}, request.line)],
      ["from, to", `${request.from} → ${request.to}, number ${request.id}`],
      ["cause", request.cause || null],
      ["events", request.events.length > 0 ? this.ids(request.events) : null],
      ["earliest", request.earliest?.length > 0 ? this.ids(request.earliest) : null],
      ["limit", request.limit ?? null],
      ["times", `sent ${moment(request.t)}${arrived ? `, arrived ${moment(arrived.t)}` : ", never arrived"}`],
      ["answer", answer ? `${answer.status} ${answer.errcode ?? ""} at ${moment(answer.t)}, after ${took(answer.t - request.t)}` : null],
      ["lies", request.lies.length > 0 ? listed(request.lies) : null],
      ["on the way", request.fates.length > 0 ? listed(request.fates) : null],
      ["failed", failed ? `${spaced(failed.why)} at ${moment(failed.t)}` : null],
      ["answered", answer && answer.events.length > 0 ? [`${count(answer.events.length, "event")}: `, this.ids(answer.events)] : null],
      ["bytes", `${bytes(request.bytes)} there${answer ? `, ${bytes(answer.bytes)} back` : ""}`],
    ];
    return facts(lines);
  }

  inner(row) {
    const shown = row.records.filter((record) => !["request", "arrived", "answer", "failed", "lied", "disturbed", "verdict"].includes(record.what));
    const lines = shown.map((record) => this.record(record)).filter(Boolean);
    const more = lines.length > LINES ? html("li", { class: "faint" }, `and ${lines.length - LINES} more`) : null;
    return lines.length > 0 ? html("ul", { class: "records" }, lines.slice(0, LINES), more) : null;
  }

  record(record) {
    const line = (...parts) => html("li", {}, parts);
    switch (record.what) {
      case "received":
        return line("takes ", this.id(record.event), source(record.from));
      case "judged":
        return line(html("span", { class: `word ${record.verdict}` }, STANDING_WORDS[record.verdict]), " ", this.id(record.event), record.reason ? `: ${record.reason}` : "");
      case "waits":
        return line(html("span", { class: "word waiting" }, "waits"), " ", this.id(record.event), " for ", this.ids([...new Set([...record.prev_events, ...record.auth_events])]));
      case "gap_opened":
        return line(html("span", { class: "word missing" }, "missing"), " ", this.id(record.missing), ", wanted by ", this.id(record.wanted_by));
      case "gap_closed":
        return line("no longer missing: ", this.id(record.missing));
      case "gap_stuck":
        return line("still missing: ", this.id(record.missing), `, ${count(record.failures, "failure")}, again in ${took(record.retry_in_ms)}`);
      case "dropped":
        return line(html("span", { class: "word missing" }, "dropped"), " ", record.event ? this.id(record.event) : "an event", source(record.from), `: ${record.reason}`);
      case "state_taken":
        return line("state at ", this.id(record.event), ` from ${record.from}: ${count(record.events, "event")}`);
      case "end":
        return line(`${record.server}: ${count(record.events.length, "event")}, ${record.missing.length} missing, ${record.waiting.length} waiting, stands at `, this.ids(record.forward_extremities));
      case "fell_behind":
        return line(`keeps only the newest for ${record.to} and drops `, record.events ? this.ids(record.events) : count(record.dropped, "event"));
      case "crafted":
      case "labelled":
        return line(`${record.what} `, this.id(record.event), record.label ? ` as ${record.label}` : "");
      case "step":
        return line(html("code", {}, JSON.stringify(record.detail)));
      case "run":
      case "step_ends":
      case "healed":
      case "started":
      case "crashed":
        return null;
      default: {
        const { t, server, what, because, ...rest } = record;
        return line(`${spaced(what)} `, html("code", {}, JSON.stringify(rest)));
      }
    }
  }

  // --- An event.

  event(id, world) {
    const event = this.journal.events.get(id);
    const copies = [...world.copies.values()];
    const standing = (copy) => {
      const own = copy.standing(id);
      const reason = copy.reasons.get(id);
      return html("li", {}, html("b", {}, copy.name), " ", html("span", { class: `word ${own}` }, STANDING_WORDS[own] ?? "not known"), reason && own !== "accepted" ? `: ${reason}` : "");
    };
    const pdu = event?.pdu;
    const lines = [
      ["event", html("code", { id: "selected" }, id)],
      ["is", pdu ? `${pdu.type}${pdu.state_key === undefined ? "" : ` “${pdu.state_key}”`} by ${pdu.sender}, depth ${pdu.depth}` : "never seen in this run: only named by others"],
      ["content", pdu ? html("code", {}, pdu.content_bytes ? `${bytes(pdu.content_bytes)}, left out here` : JSON.stringify(pdu.content)) : null],
      ["before it", event?.prev.length > 0 ? this.ids(event.prev) : null],
      ["allowed by", event?.auth.length > 0 ? this.ids(event.auth) : null],
    ];
    return html("section", { class: "event-details" },
      html("h2", {}, event?.label ?? short(id), " ", html("button", { onclick: () => this.select(null), title: "Let go of this event (Escape)" }, "×")),
      html("ul", { class: "standings" }, copies.map(standing)),
      facts(lines),
      html("p", { class: "faint" }, "n and p go to the next and the previous row that names it"));
  }
}

const source = (from) =>
  typeof from === "object" && from.peer ? ` from ${from.peer.server} by ${from.peer.endpoint}` : from === "user" ? ", its own" : "";

function facts(lines) {
  return html("dl", {}, lines.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => [html("dt", {}, name), html("dd", {}, value)]));
}
