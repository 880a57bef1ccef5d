// The top of the page: how the run ended, in a sentence, and how to play it again.

const VERDICTS = {
  holds: "Holds",
  violated: "Violated",
  not_recovered: "Not recovered",
};

function drawVerdict(journal, jumpTo) {
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
    violations(verdict?.violations ?? [], journal, jumpTo),
    run.definition.why ? html("p", { class: "why" }, run.definition.why) : null,
    replayLine(journal.replay),
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
    const whole = ms === null ? "" : ` The servers were whole ${took(ms)} after the last heal.`;
    return `Every invariant holds.${whole}${expected === "holds" ? "" : wish}`;
  }
  const names = [...new Set(verdict.violations.map(({ invariant }) => invariant))];
  const servers = [...new Set(verdict.violations.map(({ server }) => server).filter(Boolean))];
  const where = servers.length > 0 ? ` on ${listed(servers)}` : "";
  const what = `${listed(names)} ${names.length === 1 ? "does" : "do"} not hold${where}.`;
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

function violations(list, journal, jumpTo) {
  if (list.length === 0) return null;
  const item = ({ invariant, server, event_id: id, message }) =>
    html("li", {},
      html("code", { class: "invariant" }, invariant),
      server ? html("span", {}, " on ", html("b", {}, server)) : null,
      ": ",
      message,
      " ",
      id ? eventButton(journal, id, () => jumpTo(id, server)) : null,
    );
  const few = list.slice(0, 8).map(item);
  const rest = list.slice(8);
  const more = rest.length > 0 ? html("details", {}, html("summary", {}, `${rest.length} more`), html("ul", {}, rest.map(item))) : null;
  return html("div", {}, html("ul", { id: "violations" }, few), more);
}

function replayLine(command) {
  const copy = html("button", {
    title: "Copy the command",
    onclick: async () => {
      await navigator.clipboard?.writeText(command).catch(() => {});
      copy.textContent = "copied";
      setTimeout(() => (copy.textContent = "copy"), 1200);
    },
  }, "copy");
  return html("p", { class: "replay" }, html("span", { class: "faint" }, "again: "), html("code", { id: "replay" }, command), " ", copy);
}

/** An event id that can be pressed. */
function eventButton(journal, id, onclick) {
  const event = journal.events.get(id);
  return html("button", { class: "event", title: id, onclick }, event?.label ?? short(id));
}
