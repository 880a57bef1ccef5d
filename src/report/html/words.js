// How the page writes times, numbers, ids and keys.

const moment = (t) => `${t < 0 ? "−" : "+"}${(Math.abs(t) / 1000).toFixed(3)}s`;
const took = (ms) => (ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s`);
const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
const spaced = (key) => key.replaceAll("_", " ");
const bytes = (number) =>
  number < 1000 ? `${number} B` : number < 1e6 ? `${(number / 1e3).toFixed(1)} kB` : `${(number / 1e6).toFixed(2)} MB`;
const short = (id) => (id.length > 10 ? `${id.slice(0, 9)}…` : id);
const listed = (names) =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;
const cut = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

const STANDINGS = ["accepted", "soft_failed", "rejected", "outlier", "waiting", "missing"];
const STANDING_WORDS = {
  accepted: "accepted",
  soft_failed: "soft-failed",
  rejected: "rejected",
  outlier: "outlier",
  waiting: "waiting",
  missing: "missing",
};

/** Texts of peers may not turn the line around that they stand in. */
const printable = (text) => text.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, "\ufffd");

/** An event in a few words: its label or id, what it is, what it says. */
function caption(event) {
  return cut([event.label ?? short(event.id), printable(said(event))].join("  "), 160);
}

/** What an event says, in a few words. */
function said(event) {
  if (!event.pdu) return "never seen in this run";
  const { type, content, state_key: key, sender } = event.pdu;
  const name = String(type ?? "?").replace(/^m\.room\./, "");
  const value = content && typeof content === "object" ? content : {};
  if (name === "member") return `${key ?? sender} ${value.membership ?? "?"}`;
  const text = [value.body, value.topic, value.name, value.join_rule, value.history_visibility];
  const found = text.find((part) => typeof part === "string");
  return found === undefined ? name : `${name} “${cut(found, 60)}”`;
}
