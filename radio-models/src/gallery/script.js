// Everything can be read without this script: it sorts, filters, walks and copies. What a reader chose stands in the
// fragment of the address, so that it can be shared and survives a reload.
(() => {
  'use strict';
  const $ = (id) => document.getElementById(id);
  const cards = $('cards');
  if (!cards) return;

  const number = (text) => (text === '' ? null : Number(text));
  const items = Array.from(cards.children, (card, index) => {
    const { id, score, snr, z, worst } = card.dataset;
    const words = card.querySelector('header').textContent + ' ' + card.querySelector('.numbers').textContent;
    return {
      card, index, id,
      row: $('o' + card.id.slice(1)),
      kind: card.dataset.class,
      words: words.toLowerCase(),
      // Identifiers of 64 bits are no exact numbers here.
      keys: { id: BigInt(id), score: number(score), snr: number(snr), z: number(z), worst: number(worst) },
    };
  });
  const usual = (key) => (key === 'score' || key === 'snr' ? 'desc' : 'asc');
  const DEFAULTS = { sort: 'score', order: 'desc', class: '', find: '' };
  const state = { ...DEFAULTS, starred: false, stars: new Set() };
  let order = items;
  let shown = items;

  // The fragment: sort=snr&order=asc&class=QSO&find=...&stars=12.-7&starred=1
  function read() {
    const fragment = new URLSearchParams(location.hash.slice(1));
    for (const key of Object.keys(DEFAULTS)) state[key] = fragment.get(key) ?? DEFAULTS[key];
    if (!Object.hasOwn(items[0].keys, state.sort)) state.sort = DEFAULTS.sort;
    if (!fragment.has('order')) state.order = usual(state.sort);
    if (!items.some((item) => item.kind === state.class)) state.class = '';
    state.stars = new Set((fragment.get('stars') ?? '').split('.').filter(Boolean));
    state.starred = fragment.get('starred') === '1';
  }

  function remember() {
    const fragment = new URLSearchParams();
    if (state.sort !== DEFAULTS.sort || state.order !== DEFAULTS.order) {
      fragment.set('sort', state.sort);
      fragment.set('order', state.order);
    }
    for (const key of ['class', 'find']) if (state[key]) fragment.set(key, state[key]);
    if (state.stars.size) fragment.set('stars', [...state.stars].join('.'));
    if (state.starred) fragment.set('starred', '1');
    try {
      history.replaceState(null, '', '#' + fragment);
    } catch {
      // Some viewers have no address to change.
    }
  }

  function compare(a, b) {
    const [x, y] = [a.keys[state.sort], b.keys[state.sort]];
    // What is unknown comes last, whichever way round.
    if (x === null || y === null) return (x === null) - (y === null) || a.index - b.index;
    const sign = state.order === 'asc' ? 1 : -1;
    return x === y ? a.index - b.index : x > y ? sign : -sign;
  }

  function show() {
    const words = state.find.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (item) =>
      (!state.class || item.kind === state.class) &&
      (!state.starred || state.stars.has(item.id)) &&
      words.every((word) => item.words.includes(word));
    const sorted = [...items].sort(compare);
    shown = sorted.filter(fits);
    const visible = new Set(shown);
    for (const item of items) {
      item.card.hidden = item.row.hidden = !visible.has(item);
      for (const star of item.stars) star.setAttribute('aria-pressed', state.stars.has(item.id));
    }
    // What moves loses the focus, so nothing moves without need.
    if (sorted.some((item, index) => item !== order[index])) {
      order = sorted;
      cards.append(...order.map((item) => item.card));
      items[0].row.parentNode.append(...order.map((item) => item.row));
    }

    $('sort').value = state.sort;
    $('class').value = state.class;
    $('starred').checked = state.starred;
    if ($('find').value !== state.find) $('find').value = state.find;
    $('order').textContent = state.order === 'asc' ? '↑ ascending' : '↓ descending';
    for (const head of document.querySelectorAll('th[data-sort]')) {
      if (head.dataset.sort !== state.sort) head.removeAttribute('aria-sort');
      else head.setAttribute('aria-sort', state.order === 'asc' ? 'ascending' : 'descending');
    }
    count();
  }

  function count() {
    const all = shown.length === items.length ? '' : ` of ${items.length}`;
    const stars = state.stars.size ? `, ${state.stars.size} ★` : '';
    $('count').textContent = `${shown.length}${all} shown${stars}`;
  }

  function update(change) {
    Object.assign(state, change);
    remember();
    show();
  }

  // The same key again turns the order round.
  function sortBy(key) {
    const turned = state.order === 'asc' ? 'desc' : 'asc';
    update({ sort: key, order: key === state.sort ? turned : usual(key) });
  }

  function star(item) {
    if (!state.stars.delete(item.id)) state.stars.add(item.id);
    update({});
  }

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  let clearing;
  function say(words) {
    $('count').textContent = words;
    clearTimeout(clearing);
    clearing = setTimeout(count, 2500);
  }

  async function copy(text, what, fallback) {
    try {
      await navigator.clipboard.writeText(text);
      say(`copied ${what}`);
    } catch {
      // Not allowed to: leave it selected for the reader to copy.
      if (fallback) getSelection().selectAllChildren(fallback);
      say(fallback ? 'selected: now copy' : 'this browser does not let a page copy');
    }
  }

  // Where the reader is: the card in focus, else the last one that begins above the middle of the window.
  function current() {
    const focused = document.activeElement.closest('.card');
    const at = shown.findIndex((item) => item.card === focused);
    if (at >= 0) return at;
    const above = shown.filter((item) => item.card.getBoundingClientRect().top < 0.4 * innerHeight);
    return above.length - 1;
  }

  function go(item) {
    if (!item) return;
    item.card.scrollIntoView({ block: 'start' });
    item.card.focus({ preventScroll: true });
  }

  // The wavelength under the pointer.
  function follow(card) {
    const plot = card.querySelector('svg.plot');
    const [left, right, from, to, top, bottom] = plot.dataset.axis.split(' ').map(Number);
    const z = number(plot.dataset.z);
    const line = document.createElementNS(plot.namespaceURI, 'path');
    line.setAttribute('class', 'cursor');
    const out = element('output', { className: 'readout' });
    plot.append(line);
    card.querySelector('figcaption').append(out);
    const clear = () => {
      line.removeAttribute('d');
      out.textContent = '';
    };
    plot.addEventListener('pointerleave', clear);
    plot.addEventListener('pointermove', (event) => {
      const x = new DOMPoint(event.clientX, event.clientY).matrixTransform(plot.getScreenCTM().inverse()).x;
      if (!(x >= left && right >= x)) return clear();
      const wavelength = from + ((x - left) / (right - left)) * (to - from);
      line.setAttribute('d', `M${x.toFixed(1)} ${top}V${bottom}`);
      const rest = z === null ? '' : `, rest ${(wavelength / (1 + z)).toFixed(1)} Å`;
      out.textContent = `${wavelength.toFixed(1)} Å${rest}`;
    });
  }

  for (const item of items) {
    const button = () => {
      const made = element('button', { type: 'button', className: 'star', title: 'Star (s)' }, '★');
      made.setAttribute('aria-label', `Star target ${item.id}`);
      made.addEventListener('click', () => star(item));
      return made;
    };
    item.stars = [button(), button()];
    item.card.querySelector('header').append(item.stars[0]);
    item.row.cells[0].append(item.stars[1]);
    for (const text of item.card.querySelectorAll('[data-copy]')) {
      const made = element('button', { type: 'button', className: 'copy' }, 'copy');
      made.setAttribute('aria-label', `Copy ${text.textContent}`);
      const act = () => copy(text.textContent, text.textContent, text);
      made.addEventListener('click', act);
      text.addEventListener('click', () => getSelection().isCollapsed && act());
      text.title = 'Click to copy';
      text.after(made);
    }
    // The fragment is for what the reader chose.
    item.row.querySelector('a').addEventListener('click', (event) => {
      event.preventDefault();
      go(item);
    });
    follow(item.card);
  }
  for (const head of document.querySelectorAll('th[data-sort]')) {
    const button = element('button', { type: 'button' }, ...head.childNodes);
    button.addEventListener('click', () => sortBy(head.dataset.sort));
    head.replaceChildren(button);
  }
  const kinds = [...new Set(items.map((item) => item.kind))].filter(Boolean).sort();
  for (const kind of kinds) {
    const count = items.filter((item) => item.kind === kind).length;
    $('class').append(element('option', { value: kind }, `${kind} (${count})`));
  }

  $('sort').addEventListener('change', (event) => sortBy(event.target.value));
  $('order').addEventListener('click', () => sortBy(state.sort));
  $('class').addEventListener('change', (event) => update({ class: event.target.value }));
  $('find').addEventListener('input', (event) => update({ find: event.target.value }));
  $('starred').addEventListener('change', (event) => update({ starred: event.target.checked }));
  $('copy').addEventListener('click', () =>
    copy(shown.map((item) => item.id).join('\n'), `${shown.length} identifiers`, null));
  addEventListener('hashchange', () => {
    // A link to a card is no choice of the reader.
    if (/^#c\d+$/.test(location.hash)) return;
    read();
    show();
  });
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.('input, select')) {
      if (event.key === 'Escape') event.target.blur();
      return;
    }
    const keys = {
      j: () => go(shown[current() + 1]),
      k: () => go(shown[Math.max(current() - 1, 0)]),
      s: () => shown[current()] && star(shown[current()]),
      '/': () => $('find').focus(),
    };
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });

  read();
  show();
  for (const tools of document.querySelectorAll('.tools')) tools.hidden = false;
})();
