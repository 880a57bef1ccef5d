// A long drawing of which only what is in sight is made. Thousands of rows cost no more than a screenful.

class Window {
  /** `draw(first, last)` gives the drawing of these rows; `rowHeight` is theirs in pixels. */
  constructor(rowHeight, attributes, draw) {
    this.rowHeight = rowHeight;
    this.draw = draw;
    this.rows = 0;
    this.sheet = html("div", { class: "sheet" });
    this.scroller = html("div", { class: "scroller", tabindex: 0, ...attributes }, this.sheet);
    this.pending = false;
    this.scroller.addEventListener("scroll", () => this.refreshSoon());
    new ResizeObserver(() => this.refreshSoon()).observe(this.scroller);
  }

  get width() {
    return this.scroller.clientWidth;
  }

  setRows(rows, width) {
    this.rows = rows;
    this.sheet.style.height = `${rows * this.rowHeight}px`;
    this.sheet.style.minWidth = width ? `${width}px` : "";
    this.refresh();
  }

  refreshSoon() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.refresh();
    });
  }

  refresh() {
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / this.rowHeight) - 10);
    const last = Math.min(this.rows, first + Math.ceil(this.scroller.clientHeight / this.rowHeight) + 20);
    const drawing = this.draw(first, last);
    drawing.style.top = `${first * this.rowHeight}px`;
    this.sheet.replaceChildren(drawing);
  }

  /** The row under a mouse event, or -1. */
  rowAt(event) {
    const row = Math.floor((event.clientY - this.sheet.getBoundingClientRect().top) / this.rowHeight);
    return row >= 0 && row < this.rows ? row : -1;
  }

  /** Scrolls as little as is needed to show a row with some of its neighbours. */
  show(row) {
    const { scroller, rowHeight } = this;
    const margin = Math.min(3 * rowHeight, scroller.clientHeight / 4);
    const top = row * rowHeight - margin;
    const bottom = (row + 1) * rowHeight + margin;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (bottom > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = bottom - scroller.clientHeight;
  }
}
