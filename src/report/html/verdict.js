// The top of the page: how the run ended, in a sentence, and how to play it again.

/** Longer messages are folded, in characters. */
const MESSAGE_LONG = 240;

const VERDICTS = {
  holds: "Holds",
  violated: "Violated",
  not_recovered: "Not recovered",
};

function drawVerdict(journal, jumpTo, jumpToEvent) {
  const { run, verdict } = journal;
  const word = verdict?.verdict ?? "cut";
  document.title = `${VERDICTS[word] ?? "Cut short"}: ${run.scenario ?? "a run"}`;
  const about = [`seed ${run.seed}`, run.fabric, `room version ${run.room_version}`, count(journal.servers.length, "server")];
  fill(byId("verdict"), {}, [
    html("div", { class: "title" },
      html("span", { class: `badge ${word}`, id: "badge" }, VERDICTS[word] ?? "Cut short"),
      html("h1", {}, run.scenario ?? "a journal without a beginning"),
      html("span", { class: "faint" }, about.join(" · ")),
    ),
    html("p", { id: "sentence" }, sentence(journal)),
    violations(verdict?.violations ?? [], journal, jumpTo, jumpToEvent),
    run.definition.why ? html("p", { class: "why" }, run.definition.why) : null,
    command("again", "replay", journal.replay),
    whyLine(journal),
  ]);
}

function sentence(journal) {
  const { verdict, run } = journal;
  if (!verdict) {
    return `The journal ends ${moment(journal.end)} into the run and before its end, so nothing is judged; the page shows what there is.`;
  }
  const expected = run.definition.expect?.verdict ?? "holds";
  const wish = verdict.verdict === expected ? " That is what the scenario expects." : ` The scenario expects that it ends as ${spaced(expected)}.`;
  if (verdict.verdict === "holds") {
    const ms = recoveredAfter(journal);
    const whole = !ms ? "" : ` The servers were whole ${took(ms)} after the last heal.`;
    return `Every invariant holds.${whole}${expected === "holds" ? "" : wish}`;
  }
  const names = [...new Set(verdict.violations.map(({ invariant }) => invariant))];
  const servers = [...new Set(verdict.violations.map(({ server }) => server).filter(Boolean))];
  const where = servers.length > 0 ? ` on ${listed(servers)}` : "";
  const ids = [...new Set(verdict.violations.map(({ event_id: id }) => id).filter(Boolean))];
  const about = ids.length === 0 ? "" : `, about ${ids.length > 3 ? count(ids.length, "event") : listed(ids.map((id) => journal.events.get(id)?.label ?? short(id)))}`;
  const what = `${names.length === 1 ? "Invariant" : "Invariants"} ${listed(names)} ${names.length === 1 ? "does" : "do"} not hold${where}${about}.`;
  return what + (expected === "holds" ? "" : wish);
}

/** How long after the last heal the last event reached a joined server or was judged there. */
function recoveredAfter(journal) {
  const differ = journal.run.definition.expect?.differ ?? [];
  const agreeing = [...journal.ends].filter(([name, end]) => end.joined && !differ.includes(name));
  if (agreeing.some(([, end]) => !end.idle)) return null;
  const names = new Set(agreeing.map(([name]) => name));
  const change = journal.records.findLast(
    ({ what, server }) => (what === "received" || what === "judged") && names.has(server),
  );
  return change ? Math.max(0, change.t - journal.healed) : null;
}

function violations(list, journal, jumpTo, jumpToEvent) {
  if (list.length === 0) return null;
  const item = (violation) => {
    const { invariant, server, event_id: id, message } = violation;
    return html("li", {},
      html("code", { class: "invariant" }, invariant),
      server ? html("span", {}, " on ", html("b", {}, server)) : null,
      ": ",
      long(message, (part) => withEvents(part, journal, jumpToEvent)),
      id && !message.includes(id) ? [" ", eventButton(journal, id, () => jumpTo(violation))] : null,
      " ",
      html("button", { class: "show", onclick: () => jumpTo(violation) }, "show"),
    );
  };
  const few = list.slice(0, 8).map(item);
  const rest = list.slice(8);
  const more = rest.length > 0 ? html("details", {}, html("summary", {}, `${rest.length} more`), html("ul", {}, rest.map(item))) : null;
  return html("div", {}, html("ul", { id: "violations" }, few), more);
}

/** A text of which the end is folded away if it is long, such as a whole answer. */
function long(text, write) {
  if (text.length <= MESSAGE_LONG) return write(text);
  return [write(text.slice(0, MESSAGE_LONG)), html("details", {}, html("summary", {}, "…"), write(text.slice(MESSAGE_LONG)))];
}

/** A text whose event ids can be pressed. */
function withEvents(text, journal, press) {
  const parts = text.split(/(\$[\w+/-]{43})/);
  return parts.map((part, nth) => (nth % 2 === 1 ? eventButton(journal, part, () => press(part)) : part));
}

/** The command that tells in words how the first event came to what is wrong with it. */
function whyLine({ verdict, replay }) {
  const found = verdict?.violations.find(({ event_id: id, server }) => id && server);
  if (!found) return null;
  const file = "run.ndjson";
  return command("why", "why", `${replay} --journal ${file}; backfire explain ${file} '${found.event_id}' ${found.server}`);
}

function command(word, id, text) {
  const copy = html("button", {
    class: "copy",
    title: "Copy the command",
    onclick: async () => {
      await navigator.clipboard?.writeText(text).catch(() => {});
      copy.textContent = "copied";
      setTimeout(() => (copy.textContent = "copy"), 1200);
    },
  }, "copy");
  return html("p", { class: "command" }, html("span", { class: "faint" }, `${word}: `), html("code", { id }, text), " ", copy);
}

/** An event id that can be pressed. */
function eventButton(journal, id, onclick) {
  const event = journal.events.get(id);
  return html("button", { class: "event", title: id, onclick }, event?.label ?? short(id));
}
