// Where the events of a room stand in a drawing: oldest on top, straight runs together, forks in lanes of their own.
// Order and lanes are found once for the whole run, so that nothing jumps while the cursor moves.

/** So many like events in a straight line become one row. */
const FOLD_FROM = 4;

function layOut(journal, room) {
  const events = [...journal.events.values()].filter((event) => event.room === room);
  const places = new Map(events.map((event) => [event.id, { event, row: 0, lane: 0, parents: [], children: [] }]));
  for (const place of places.values()) {
    for (const prev of place.event.prev) {
      const parent = places.get(prev);
      if (!parent || parent === place) continue;
      place.parents.push(parent);
      parent.children.push(place);
    }
  }
  const order = topological([...places.values()]);
  order.forEach((place, row) => (place.row = row));
  const lanes = assignLanes(order);
  return { order, places, lanes };
}

/** Parents before children, and straight on as long as it goes. */
function topological(places) {
  const missing = new Map(places.map((place) => [place, place.parents.length]));
  const byAge = (a, b) => b.event.index - a.event.index;
  const open = places.filter((place) => place.parents.length === 0).sort(byAge);
  const order = [];
  const done = new Set();
  const emit = (first) => {
    open.push(first);
    while (open.length > 0) {
      const place = open.pop();
      if (done.has(place)) continue;
      done.add(place);
      order.push(place);
      const ready = place.children.filter((child) => {
        missing.set(child, missing.get(child) - 1);
        return missing.get(child) === 0;
      });
      open.push(...ready.sort(byAge));
    }
  };
  if (open.length > 0) emit(open.pop());
  // Up to room version 2 events can be their own ancestors.
  for (const place of places) if (!done.has(place)) emit(place);
  return order;
}

/** Each event goes on in the lane of one parent; what begins a lane takes the first that is free for as long as needed. */
function assignLanes(order) {
  const chains = [];
  for (const place of order) {
    const heirless = place.parents.filter((parent) => parent.row < place.row && parent.heir === undefined);
    const parent = heirless.sort((a, b) => a.chain.first - b.chain.first)[0];
    if (parent) {
      parent.heir = place;
      place.chain = parent.chain;
    } else {
      const above = place.parents.map(({ row }) => row).filter((row) => row < place.row);
      place.chain = { first: above.length > 0 ? Math.max(...above) + 1 : place.row, last: 0 };
      chains.push(place.chain);
    }
    // Edges that merge into another lane run down in this one.
    const below = place.children.map(({ row }) => row);
    place.chain.last = Math.max(place.chain.last, place.row, ...below.map((row) => row - 1));
  }
  const free = [];
  for (const chain of chains.sort((a, b) => a.first - b.first)) {
    let lane = free.findIndex((row) => row < chain.first);
    if (lane < 0) lane = free.length;
    free[lane] = chain.last;
    chain.lane = lane;
  }
  for (const place of order) place.lane = place.chain.lane;
  return Math.max(1, free.length);
}

/**
 * The rows to draw: events that `look` knows, runs of like ones folded. `look` gives what an event looks like as a text,
 * nothing if it is not to be drawn, and whether it must stay visible.
 */
function foldRows(layout, look, unfolded) {
  const shown = layout.order.map((place) => ({ place, look: look(place.event) })).filter(({ look }) => look !== null);
  const visible = new Set(shown.map(({ place }) => place));
  const links = (list) => list.filter((other) => visible.has(other));
  const inLine = shown.map(({ place, look }, at) => {
    const [parents, children] = [links(place.parents), links(place.children)];
    const before = shown[at - 1];
    const after = shown[at + 1];
    return !look.stays && parents.length === 1 && children.length === 1 && before?.place === parents[0] && after?.place === children[0];
  });
  const rows = [];
  for (let at = 0; at < shown.length; ) {
    let end = at;
    while (end < shown.length && inLine[end] && shown[end].look.text === shown[at].look.text) end += 1;
    const key = shown[at].place.event.id;
    if (end - at >= FOLD_FROM && !unfolded.has(key)) {
      rows.push({ fold: shown.slice(at, end).map(({ place }) => place), key });
      at = end;
    } else {
      const to = Math.max(end, at + 1);
      for (; at < to; at += 1) rows.push({ place: shown[at].place, key: end - at >= FOLD_FROM ? key : null });
    }
  }
  return rows;
}
