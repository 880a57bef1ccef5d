// The run as rows, one for each thing that happened. What a server does at once upon it (takes events, judges them,
// finds holes) belongs to the same row.

/** Requests that go on all the time; when one arrives and is answered well, nothing has happened. */
const ORDINARY = new Set(["send", "key", "version"]);
/** Families of steps that look the same. */
const STEP_TONES = { fault: "fault", lie: "fault", heal: "heal" };
/** Records that begin a row of their own. */
const HEADS = new Set(["request", "arrived", "answer", "failed", "step", "step_ends", "healed", "crashed", "started"]);

function readRows(journal) {
  const rows = [];
  journal.records.forEach((record, index) => {
    const last = rows[rows.length - 1];
    if (last && joins(record, last)) {
      last.records.push(record);
      last.last = index;
    } else {
      rows.push(newRow(record, index, rows.length, journal));
    }
  });
  const ofRequest = new Map();
  for (const row of rows) {
    finishRow(row, journal);
    if (row.request) ofRequest.set(row.request.id, [...(ofRequest.get(row.request.id) ?? []), row]);
  }
  for (const [id, own] of ofRequest) {
    journal.requests.get(id).rows = own;
    const ordinary = isOrdinary(journal.requests.get(id), own);
    for (const row of own) row.isOrdinary = ordinary;
  }
  return rows;
}

function joins(record, row) {
  if (row.kind === "end") return true;
  // What is refused is known at once, and so is what the world does to a message.
  const isFate = record.what === "failed" || record.what === "disturbed";
  if (isFate && row.kind === "request") return record.id === row.head.id && record.t === row.t;
  if (HEADS.has(record.what) || record.what === "end" || record.what === "verdict") return false;
  if (record.t !== row.t || row.kind === "request") return false;
  return record.server === undefined || row.server === undefined || record.server === row.server || row.kind === "begin";
}

function newRow(record, index, number, journal) {
  const kind =
    record.what === "end" || record.what === "verdict" ? "end"
    : record.what === "run" ? "begin"
    : HEADS.has(record.what) ? record.what
    : "inner";
  const request = ["request", "arrived", "answer", "failed"].includes(kind) ? journal.requests.get(record.id) : null;
  const server = kind === "end" || kind === "begin" ? undefined : record.server;
  return { number, kind, t: record.t, server, head: record, request, first: index, last: index, records: [record] };
}

function isOrdinary(request, rows) {
  const well = request.answer?.status === 200 && !request.failed;
  return ORDINARY.has(request.endpoint) && well && rows.every((row) => !row.isBad && !row.isWork);
}

/** Fills in what is said of a row once all of its records are there. */
function finishRow(row, journal) {
  const { request, head, records } = row;
  row.endpoint = request?.endpoint ?? null;
  row.servers = request ? [request.from, request.to].filter((name) => journal.servers.includes(name)) : row.server ? [row.server] : [];
  row.room = request ? request.room : roomOfRecords(records, journal);
  row.failed = records.find(({ what }) => what === "failed") ?? null;
  const inner = summary(row, journal);
  row.isBad = inner.isBad || isBadHead(row);
  row.isWork = inner.isWork || (row.endpoint !== null && !ORDINARY.has(row.endpoint));
  row.tone = toneOf(row);
  row.said = [headText(row), inner.text, row.head.detail?.note].filter(Boolean).join(" · ");
  row.events = eventsIn(row);
  row.isOrdinary = false;
}

function roomOfRecords(records, journal) {
  const ids = records.map(({ event }) => event).filter((event) => typeof event === "string");
  return journal.roomOfEvents(ids);
}

function isBadHead({ kind, head, request, failed }) {
  if (failed || (kind === "answer" && head.status >= 400)) return true;
  return kind === "request" && !request.answer && !request.failed;
}

function toneOf(row) {
  const { kind, head } = row;
  if (kind === "step" && STEP_TONES[head.family]) return STEP_TONES[head.family];
  if (kind === "crashed") return "fault";
  if (kind === "healed" || kind === "step_ends") return "heal";
  if (kind === "started" && row.t >= 0) return "heal";
  if (kind === "end") return "end";
  return row.isBad ? "bad" : row.isWork ? "work" : "plain";
}

function headText({ kind, head, request, failed }) {
  switch (kind) {
    case "begin":
      return `the run begins: ${head.scenario}, seed ${head.seed}`;
    case "request": {
      const events = head.events.length > 0 ? count(head.events.length, "event") : "";
      const cause = head.cause.replace(/\$\S+/g, short);
      const parts = [`${request.from} → ${request.to} ${request.endpoint}`, failed && spaced(failed.why), events, cause];
      return parts.filter(Boolean).join(" · ");
    }
    case "arrived":
      return request ? `${request.from}'s ${request.endpoint} reaches ${head.server}` : `a request reaches ${head.server}`;
    case "answer": {
      const events = head.events.length > 0 ? count(head.events.length, "event") : "";
      const status = head.status === 200 ? "" : `${head.status} ${head.errcode ?? ""}`;
      const answered = request ? `${request.from} ← ${request.to} ${request.endpoint}` : "an answer";
      return [answered, status, events, request && `in ${took(head.t - request.t)}`].filter(Boolean).join(" · ");
    }
    case "failed":
      return request ? `${request.from} → ${request.to} ${request.endpoint}: ${spaced(head.why)}` : spaced(head.why);
    case "step":
      return stepText(head);
    case "step_ends":
      return `${spaced(head.action)} ends`;
    case "healed":
      return "the world is healed: all links are open, all servers up";
    case "crashed":
      return `${head.server} goes down`;
    case "started":
      return `${head.server} starts`;
    case "end":
      return "the run ends";
    default:
      return head.server ?? "";
  }
}

/** What the records of a row say beyond its head. */
function summary({ records, kind }, journal) {
  const parts = [];
  let isBad = false;
  let isWork = false;
  const told = (found, noun, { bad = false, work = false } = {}) => {
    if (found.length === 0) return;
    const named = found.length === 1 && found[0].event ? journal.events.get(found[0].event) : null;
    parts.push(noun(found, named ? (named.label ?? short(named.id)) : count(found.length, "event")));
    isBad ||= bad;
    isWork ||= work;
  };
  const of = (what, is = () => true) => records.filter((record) => record.what === what && is(record));
  const judged = (verdict) => of("judged", (record) => record.verdict === verdict);
  const lone = kind === "inner" && records.every(({ what }) => what === "received");
  if (lone) told(of("received"), (_, events) => `holds ${events}`);
  told(of("lied"), (found) => `lies: ${listed(found.flatMap(({ lies }) => lies))}`, { bad: true });
  told(of("disturbed"), (found) => `on the way: ${found[0].how}`, { bad: true });
  told(of("key_rotated"), (found) => `signs with the new key ${found[0].key_id}`);
  told(of("dropped"), (found, events) => `drops ${events}: ${found[0].reason}`, { bad: true });
  told(judged("rejected"), (found, events) => `rejects ${events}: ${found[0].reason}`, { bad: true });
  told(judged("soft_failed"), (found, events) => `soft-fails ${events}: ${found[0].reason}`, { bad: true });
  told(judged("accepted"), (_, events) => `accepts ${events}`);
  told(of("waits"), (found, events) => `${events} ${found.length === 1 ? "waits" : "wait"}`, { work: true });
  told(of("gap_opened"), (found) => `finds ${named(found, "missing")} missing`, { work: true });
  told(of("gap_closed"), (found) => `fills ${count(found.length, "hole")}`, { work: true });
  told(of("gap_stuck"), (found) => `still lacks ${named(found, "missing")}`, { bad: true });
  told(of("state_taken"), (found) => `takes the state of ${found[0].events} events from ${found[0].from}`, { work: true });
  told(of("paged_back"), (found) => `has paged back ${found[0].complete ? "to the beginning" : `${found[0].events} events`}`);
  told(of("fell_behind"), (found) => `keeps only the newest for ${listed(found.map(({ to }) => to))}, drops ${count(found[0].dropped, "event")}`, { bad: true });
  told(of("undeliverable"), (found) => `can't deliver to ${found[0].to}: ${found[0].reason}`, { bad: true });
  told(of("user_failed"), (found) => `a user can't ${spaced(found[0].action)}: ${found[0].reason}`, { bad: true });
  told(of("joined"), (found) => `joins via ${found[0].via}`);
  told(of("crafted"), (found) => `makes ${named(found, "event")} to measure`);
  told(of("expected", ({ met }) => met), () => "as expected");
  told(of("expected", ({ met }) => !met), (found) => `not as expected: ${found[0].message}`, { bad: true });
  return { text: parts.join(" · "), isBad, isWork };
}

const named = (records, field) =>
  records.length === 1 ? short(records[0][field]) : count(new Set(records.map((record) => record[field])).size, "event");

/** The ids of all events that a row is about. */
function eventsIn({ records, request, kind }) {
  const ids = new Set();
  if (request && (kind === "request" || kind === "arrived" || kind === "failed")) request.events.forEach((id) => ids.add(id));
  for (const record of records) {
    if (record.what === "end" || record.what === "verdict") continue;
    for (const id of [record.event, record.missing, record.wanted_by]) if (typeof id === "string") ids.add(id);
    if (record.what === "answer" || record.what === "fell_behind") record.events?.forEach((id) => ids.add(id));
  }
  return ids;
}
