// The servers' copies of the room at one place of the journal, found by replaying the records up to there.

const isHistory = (standing) => standing === "accepted" || standing === "soft_failed";

class World {
  constructor(journal) {
    this.journal = journal;
    this.firstStandings = firstStandings(journal);
    this.reset();
  }

  reset() {
    this.next = 0;
    this.copies = new Map(this.journal.servers.map((name) => [name, new Copy(name, this.journal)]));
  }

  /** Replays up to the record at `index`, itself included. */
  moveTo(index) {
    if (index + 1 < this.next) this.reset();
    while (this.next <= index && this.next < this.journal.records.length) {
      this.take(this.journal.records[this.next]);
      this.next += 1;
    }
    return this;
  }

  /** A journal that was cut short does not say how what was imported stands. */
  unknown({ from }) {
    return from === "import" && this.journal.ends.size === 0 ? "accepted" : "outlier";
  }

  take(record) {
    const copy = this.copies.get(record.server);
    if (!copy) return;
    switch (record.what) {
      case "received":
        copy.receive(record.event, this.firstStandings.get(record.server).get(record.event) ?? this.unknown(record));
        break;
      case "waits":
        copy.set(record.event, "waiting");
        break;
      case "judged":
        copy.set(record.event, record.verdict);
        copy.reasons.set(record.event, record.reason);
        break;
      case "crashed":
        copy.isUp = false;
        break;
      case "started":
        copy.isUp = true;
        break;
      case "end":
        copy.finish(record);
        break;
    }
  }
}

/** One server's copy of the room. */
class Copy {
  constructor(name, journal) {
    this.name = name;
    this.journal = journal;
    this.held = new Map();
    this.reasons = new Map();
    this.isUp = false;
    this.ended = null;
    this.changed();
  }

  changed() {
    this.derived = null;
    this.version = (this.version ?? 0) + 1;
  }

  receive(id, standing) {
    if (!this.held.has(id)) this.set(id, standing);
  }

  set(id, standing) {
    this.held.set(id, standing);
    this.changed();
  }

  /** What the server itself says at the end is the truth. */
  finish(end) {
    this.held = new Map(end.events);
    for (const id of end.waiting) this.held.set(id, "waiting");
    this.ended = end;
    this.changed();
  }

  standing(id) {
    return this.held.get(id) ?? (this.view().missing.has(id) ? "missing" : null);
  }

  /** Holes and extremities, worked out when they are asked for. */
  view() {
    this.derived ??= this.ended ? viewOfEnd(this.ended) : this.derive();
    return this.derived;
  }

  derive() {
    const backward = new Set();
    const holes = new Set();
    for (const [id, standing] of this.held) {
      const event = this.journal.events.get(id);
      if (!event) continue;
      if (isHistory(standing)) {
        for (const prev of event.prev) if (this.isGap(prev) || this.held.get(prev) === "waiting") backward.add(prev);
      } else if (standing === "waiting") {
        for (const prev of event.prev) if (this.isGap(prev)) holes.add(prev);
        for (const auth of event.auth) if (!this.held.has(auth)) holes.add(auth);
      }
    }
    return { backward, missing: new Set([...holes, ...backward]), forward: this.tips() };
  }

  isGap(id) {
    const standing = this.held.get(id);
    return standing === undefined || standing === "outlier";
  }

  /** The accepted events that no other accepted event descends from, over whatever held events. */
  tips() {
    const covered = new Set();
    const open = [];
    const tips = [];
    for (const [id, standing] of this.held) {
      if (standing !== "accepted") continue;
      tips.push(id);
      open.push(...(this.journal.events.get(id)?.prev ?? []));
    }
    while (open.length > 0) {
      const id = open.pop();
      if (covered.has(id)) continue;
      covered.add(id);
      const standing = this.held.get(id);
      if (standing === undefined || standing === "accepted" || standing === "waiting") continue;
      open.push(...(this.journal.events.get(id)?.prev ?? []));
    }
    return new Set(tips.filter((id) => !covered.has(id)));
  }

  counts() {
    const counts = Object.fromEntries(STANDINGS.map((standing) => [standing, 0]));
    for (const standing of this.held.values()) counts[standing] += 1;
    counts.missing = this.view().missing.size;
    return counts;
  }
}

function viewOfEnd(end) {
  return {
    backward: new Set(end.backward_extremities),
    missing: new Set(end.missing),
    forward: new Set(end.forward_extremities),
  };
}

/**
 * How an event stands when it is received: as an outlier, until it is judged. What a server never judges (because it was
 * there before the run, or is rejected by its auth events alone) stands from the start as it does at the end.
 */
function firstStandings(journal) {
  const standings = new Map(journal.servers.map((server) => [server, new Map(journal.ends.get(server)?.events ?? [])]));
  for (const { what, server, event } of journal.records) if (what === "judged") standings.get(server)?.delete(event);
  return standings;
}
