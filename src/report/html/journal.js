// The journal as it is embedded in the page: its records, the requests and the events in them.

function readJournal() {
  const { replay, ids, records, faults } = JSON.parse(byId("journal").textContent);
  const restore = (value) => {
    if (typeof value === "string") return value.startsWith("$") ? ids[Number(value.slice(1))] : value;
    if (Array.isArray(value)) return value.map(restore);
    if (value === null || typeof value !== "object") return value;
    // No prototype: a field may have any name.
    const copy = Object.create(null);
    for (const key of Object.keys(value)) copy[key] = restore(value[key]);
    return copy;
  };
  return new Journal(replay, records.map(restore), faults);
}

class Journal {
  constructor(replay, records, faults) {
    this.replay = replay;
    this.records = records;
    this.faults = faults;
    this.run = records[0]?.what === "run" ? records[0] : { servers: [], definition: {} };
    this.servers = this.run.servers.map(([name]) => name);
    this.verdict = records.findLast((record) => record.what === "verdict") ?? null;
    this.end = records.length > 0 ? records[records.length - 1].t : 0;
    this.healed = this.lastHeal();
    this.requests = this.readRequests();
    this.events = this.readEvents();
    this.rooms = this.readRooms();
    /** Where each server's `end` record stands: how it really was, whatever was replayed. */
    this.ends = new Map(records.filter((record) => record.what === "end").map((record) => [record.server, record]));
  }

  /** When the last fault was over. */
  lastHeal() {
    const heals = this.records.filter(
      ({ what, family }) => what === "healed" || what === "step_ends" || (what === "step" && family === "heal"),
    );
    return heals.length > 0 ? heals[heals.length - 1].t : 0;
  }

  readRequests() {
    const requests = new Map();
    this.records.forEach((record, index) => {
      const request = requests.get(record.id);
      if (record.what === "request") {
        const from = record.server;
        requests.set(record.id, { ...record, from, sent: index, arrived: null, answer: null, failed: null, lies: [], fates: [] });
      } else if (!request) return;
      else if (record.what === "arrived") request.arrived ??= { t: record.t, index };
      else if (record.what === "answer") request.answer = { ...record, index };
      else if (record.what === "failed") request.failed = { ...record, index };
      else if (record.what === "lied") request.lies.push(...record.lies);
      else if (record.what === "disturbed") request.fates.push(record.how);
    });
    return requests;
  }

  /** Every event that the run saw or that an event names as one before it. */
  readEvents() {
    const events = new Map();
    const event = (id) => {
      if (!events.has(id)) {
        events.set(id, { id, index: events.size, pdu: null, prev: [], auth: [], label: null, room: null });
      }
      return events.get(id);
    };
    for (const record of this.records) {
      if (record.what === "labelled") event(record.event).label = labels(event(record.event).label, record.label);
      if (!record.pdu) continue;
      const seen = event(record.event);
      if (seen.pdu) continue;
      seen.pdu = record.pdu;
      seen.prev = references(record.pdu.prev_events);
      seen.auth = references(record.pdu.auth_events);
      seen.room = roomOf(record.pdu, record.event);
      seen.prev.forEach(event);
    }
    // Who is only named is in the room of who names it.
    for (const { prev, room } of [...events.values()]) for (const id of prev) events.get(id).room ??= room;
    return events;
  }

  /** The rooms of this run, the one that it is about first. */
  readRooms() {
    const rooms = new Set();
    for (const { room } of this.events.values()) if (room) rooms.add(room);
    for (const request of this.requests.values()) {
      request.room = roomInPath(request.line) ?? this.roomOfEvents(request.events);
      if (request.room) rooms.add(request.room);
    }
    return [...rooms];
  }

  roomOfEvents(ids) {
    return ids.map((id) => this.events.get(id)?.room).find(Boolean) ?? null;
  }
}

/** Copies of an event can have labels of their own. */
const labels = (old, label) => (old === null ? label : old.split("/").includes(label) ? old : `${old}/${label}`);

/** `prev_events` or `auth_events`; up to room version 2 each is a pair of id and hashes. */
function references(list) {
  const ids = (Array.isArray(list) ? list : []).map((entry) => (Array.isArray(entry) ? entry[0] : entry));
  return [...new Set(ids.filter((id) => typeof id === "string"))];
}

/** From room version 12 on, a room is named after its first event. */
function roomOf(pdu, id) {
  if (typeof pdu.room_id === "string") return pdu.room_id;
  return pdu.type === "m.room.create" ? `!${id.slice(1)}` : null;
}

function roomInPath(line) {
  const path = line.split(/[ ?]/)[1] ?? "";
  const part = path.split("/").find((segment) => /^(!|%21)/i.test(segment));
  if (part === undefined) return null;
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
