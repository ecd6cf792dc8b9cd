"use strict";
// Moves, searches and fades the graph. All that it shows is in the page already, which is whole without it.
(() => {
  const $ = (id) => document.getElementById(id);
  const svg = $("svg"), canvas = svg?.closest(".canvas");
  if (!canvas) return;
  const panel = $("panel"), said = $("said"), find = $("find"), only = $("only");
  const W = +svg.dataset.w, H = +svg.dataset.h, ratio = H / W;
  const nodes = [...svg.querySelectorAll("a.n")], edges = [...svg.querySelectorAll("#edges path")];
  const at = new Map(nodes.map((n) => [n.dataset.i, n]));
  const names = [...($("names")?.options ?? [])].map((o) => o.value);
  const places = new Map(nodes.map((n) => [n, n.getAttribute("transform").match(/-?[\d.]+/g).map(Number)]));
  const [wideOne, highOne] = ["width", "height"].map((side) => +nodes[0]?.querySelector("rect").getAttribute(side));
  const name = (n) => names[n.dataset.i] ?? n.textContent;
  const named = (href) => nodes.find((n) => n.getAttribute("href") === href) ?? null;
  const on = (what, event, act) => what?.addEventListener(event, act, { passive: false });

  // The view: x, y, width and height of what is seen. Sizes on the screen are asked for once, as asking costs a layout.
  let box = [0, 0, W, H], wide = 1, high = 1;
  const scale = () => Math.min(wide / box[2], high / box[3]);
  const look = (x, y, w) => {
    const h = w * ratio, keep = (low, size, all) => Math.min(Math.max(low, -size / 2), all - size / 2);
    box = [keep(x, w, W), keep(y, h, H), w, h]; // the middle stays inside: the drawing cannot be lost
    svg.classList.toggle("far", scale() < 0.5);
    svg.setAttribute("viewBox", box.join(" "));
    // Texts cost the most at each step: only those that can be read are there.
    const [left, top, right, bottom] = frame();
    for (const [n, [nx, ny]] of places)
      n.classList.toggle("near", scale() >= 0.5 && nx > left - wideOne && ny > top - highOne && nx < right && ny < bottom);
  };
  const frame = () => { // the box and what else is seen beside it, as its shape is not that of the screen
    const x = box[0] + box[2] / 2, y = box[1] + box[3] / 2, k = 2 * scale();
    return [x - wide / k, y - high / k, x + wide / k, y + high / k];
  };
  const fit = () => look(0, 0, W);
  const move = (x, y) => look(box[0] + x, box[1] + y, box[2]);
  const zoom = (factor, x = box[0] + box[2] / 2, y = box[1] + box[3] / 2) => {
    const w = Math.min(W * 1.5, Math.max(Math.min(300, W), box[2] * factor)), r = w / box[2];
    look(x - (x - box[0]) * r, y - (y - box[1]) * r, w);
  };
  const point = (ev) => { // where a pointer is in the drawing
    const p = new DOMPoint(ev.clientX, ev.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return [p.x, p.y];
  };
  // Show some nodes: nothing moves if they can be read where they are; the first alone if all would be too small.
  const show = (some, always) => {
    const xs = some.map((n) => places.get(n)[0]), ys = some.map((n) => places.get(n)[1]);
    const x = Math.min(...xs), x1 = Math.max(...xs) + wideOne, y = Math.min(...ys), y1 = Math.max(...ys) + highOne;
    const [left, top, right, bottom] = frame(), seen = x >= left && y >= top && x1 <= right && y1 <= bottom;
    if (seen && !always && scale() >= 0.5) return;
    const w = Math.min(Math.max(x1 - x + 80, (y1 - y + 80) / ratio, wide), W);
    if (w > 2 * wide && some[1]) show([some[0]], true);
    else look((x + x1 - w) / 2, (y + y1 - w * ratio) / 2, w);
  };

  const links = { u: {}, d: {} }; // by a node's index: the edges to its upstreams, the edges to its dependents
  for (const e of edges) for (const [to, from] of ["ud", "du"]) (links[to][e.dataset[from]] ??= []).push(e);
  const beside = (n, to) => (links[to][n.dataset.i] ?? []).map((e) => at.get(e.dataset[to]));
  const cone = (n, to, hits) => { // a set that grows while it is gone through
    const reached = new Set([n]);
    for (const each of reached) {
      for (const other of beside(each, to)) reached.add(other);
      for (const e of links[to][each.dataset.i] ?? []) hits.add(e);
      hits.add(each);
    }
    return reached.size - 1;
  };

  // What is marked follows from three things: the chosen node, the words looked for, the filter.
  let chosen = null, words = "";
  const mark = () => {
    const hits = new Set(), gone = new Set();
    for (const n of only?.checked ? nodes : []) if (n !== chosen && !n.matches(".late, .bad")) gone.add(n.dataset.i);
    let text = only?.checked ? `${nodes.length - gone.size} of ${nodes.length} shown` : "";
    if (chosen) text = `${name(chosen)}: ${cone(chosen, "u", hits)} upstream, ${cone(chosen, "d", hits)} downstream`;
    else if (words) {
      for (const n of nodes) if (name(n).toLowerCase().includes(words)) hits.add(n);
      text = `${hits.size} found`;
    }
    if (said) said.textContent = text;
    svg.classList.toggle("picked", !!(chosen || words));
    for (const each of [...nodes, ...edges]) {
      const { i, u, d } = each.dataset;
      each.classList.toggle("hit", hits.has(each));
      each.classList.toggle("me", each === chosen);
      each.classList.toggle("off", gone.has(i) || gone.has(u) || gone.has(d));
    }
  };
  const blank = [...(panel?.childNodes ?? [])];
  const describe = () => {
    const section = $(chosen?.getAttribute("href").slice(1)), copy = document.createElement("div");
    if (section) {
      const link = document.createElement("a");
      link.href = "#" + section.id;
      link.className = "there";
      link.textContent = "Go to its section";
      copy.append(...section.cloneNode(true).childNodes, link);
      for (const each of copy.querySelectorAll("[id]")) each.removeAttribute("id");
    } else if (chosen) copy.textContent = chosen.querySelector("title")?.textContent;
    panel?.replaceChildren(...(chosen ? copy.childNodes : blank));
  };
  const choose = (n, centre, push = true) => {
    if (push && n !== chosen) history.pushState(null, "", n?.getAttribute("href") ?? location.pathname + location.search);
    chosen = n;
    mark();
    describe();
    if (n) show([n, ...beside(n, "u"), ...beside(n, "d")], centre);
  };
  const clear = () => {
    if (panel?.contains(document.activeElement)) canvas.focus({ preventScroll: true });
    words = "";
    if (find) find.value = "";
    choose(null);
  };
  const search = (ev) => {
    ev.preventDefault();
    words = find.value.trim().toLowerCase();
    const enter = ev.type === "submit", has = (test) => words && nodes.find((n) => test(name(n).toLowerCase()));
    choose(has((it) => it === words) || (enter && has((it) => it.includes(words))) || null, true, enter);
  };

  const held = new Map(); // pointers that are down, by id: where each was last
  let dragged = false;
  on(canvas, "pointerdown", (ev) => {
    dragged &&= held.size > 0;
    if (!ev.button) held.set(ev.pointerId, ev);
  });
  on(canvas, "pointermove", (ev) => {
    const was = held.get(ev.pointerId), other = [...held.values()].find((o) => o.pointerId !== ev.pointerId);
    const apart = (one, two) => Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY);
    if (!was || (!dragged && apart(was, ev) < 4)) return;
    dragged = true;
    canvas.setPointerCapture(ev.pointerId); // not before: a click has to reach the node
    if (other) zoom(apart(was, other) / Math.max(apart(ev, other), 1), ...point(other)); // that finger's place stays
    else move((was.clientX - ev.clientX) / scale(), (was.clientY - ev.clientY) / scale());
    held.set(ev.pointerId, ev);
  });
  for (const end of ["pointerup", "pointercancel"]) on(window, end, (ev) => held.delete(ev.pointerId));
  on(canvas, "dragstart", (ev) => ev.preventDefault());
  on(canvas, "touchstart", (ev) => ev.touches.length > 1 && ev.preventDefault()); // one finger scrolls the page
  on(canvas, "wheel", (ev) => {
    if (!ev.ctrlKey && !canvas.contains(document.activeElement)) return; // so does the wheel
    ev.preventDefault();
    zoom(Math.exp(Math.min(Math.max(ev.deltaY * (ev.deltaMode ? 33 : 1), -100), 100) / 500), ...point(ev));
  });
  on(canvas, "click", (ev) => {
    const n = ev.target.closest("a.n");
    if (ev.ctrlKey || ev.metaKey) return;
    if (n || dragged) ev.preventDefault();
    if (!dragged) n ? choose(n) : clear();
  });
  on(canvas, "focusin", (ev) => {
    if (!ev.target.matches("a.n:focus-visible")) return; // by keyboard: under a mouse the node has to stay
    show([ev.target]);
    canvas.scrollTo(0, 0);
    canvas.scrollIntoView({ block: "nearest" });
  });
  const keys = {
    ArrowLeft: () => move(-box[2] / 10, 0), ArrowRight: () => move(box[2] / 10, 0),
    ArrowUp: () => move(0, -box[3] / 10), ArrowDown: () => move(0, box[3] / 10),
    "+": () => zoom(0.8), "=": () => zoom(0.8), "-": () => zoom(1.25), 0: fit,
  };
  on(canvas, "keydown", (ev) => {
    if (ev.ctrlKey || ev.altKey || ev.metaKey || !Object.hasOwn(keys, ev.key)) return;
    ev.preventDefault();
    keys[ev.key]();
  });
  on(canvas.closest("section"), "keydown", (ev) => ev.key === "Escape" && clear());
  on($("zin"), "click", () => zoom(0.7));
  on($("zout"), "click", () => zoom(1.4));
  on($("zfit"), "click", fit);
  on(find, "input", search);
  on(find?.form, "submit", search);
  on(only, "change", mark);
  on(panel, "click", (ev) => {
    const n = named(ev.target.closest("a:not(.there)")?.getAttribute("href"));
    if (!n) return;
    ev.preventDefault();
    choose(n, true);
  });
  const address = () => choose(named(location.hash), true, false);
  const measure = () => {
    wide = svg.clientWidth || 1;
    high = svg.clientHeight || 1;
    look(...box);
  };
  on(window, "popstate", address);
  on(window, "resize", measure);
  on(window, "beforeprint", fit);
  document.documentElement.classList.add("on");
  measure();
  // On a small screen a small graph begins at its left, where it can be read.
  if (scale() < 0.5 && nodes.length < 50) look(0, (H - (wide * ratio) / 0.75) / 2, wide / 0.75);
  if (named(location.hash)) address();
})();
