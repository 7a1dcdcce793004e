// Puts a fragment in the place of the element with its id, and changes only what differs: so focus, scrolling, typed
// text and open <details> stay. What the reader holds (focus, a selection, a pressed button, a question that is asked)
// stays as it is until it is let go.

const waiting = new Map(); // fragments that came too early, by the id of their element
let pressed = null;

const USED = "a, button, input, select, summary, textarea"; // with the focus on one of these, what is around it is held

function holders() {
  const focused = document.activeElement?.matches(USED) ? document.activeElement : null;
  return [focused, pressed].filter((each) => each?.isConnected);
}

function selected(node) {
  const selection = document.getSelection();
  return selection && !selection.isCollapsed && selection.getRangeAt(0).intersectsNode(node);
}

// The innermost element with an id is what somebody holds: the rows around it may change.
function isHeld(element) {
  if (!element.id) return false;
  if (holders().some((each) => each.closest("[id]") === element)) return true;
  return selected(element) && ![...element.querySelectorAll("[id]")].some(selected);
}

function contains(node, what = holders()) {
  return what.some((each) => node.contains(each)) || selected(node);
}

function alike(old, made) {
  return old && !old.id && !made.id && old.nodeType === made.nodeType && old.nodeName === made.nodeName;
}

function remove(node) {
  if (contains(node)) return false;
  node.remove();
  return true;
}

function changeAttributes(old, made) {
  for (const { name } of [...old.attributes]) {
    if (!made.hasAttribute(name) && name !== "open") old.removeAttribute(name); // what is open, the reader has opened
  }
  for (const { name, value } of made.attributes) {
    if (old.getAttribute(name) !== value && name !== "open") old.setAttribute(name, value);
  }
}

// Each of these says whether all could be put in place.
function change(old, made) {
  if (old.isEqualNode(made)) return true;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (selected(old)) return false;
    old.nodeValue = made.nodeValue;
    return true;
  }
  if (isHeld(old)) return false;
  changeAttributes(old, made);
  return changeChildren(old, made);
}

function changeChildren(old, made) {
  const known = new Map([...old.children].filter((each) => each.id).map((each) => [each.id, each]));
  const wanted = new Set([...made.children].map((each) => each.id));
  let done = true;
  for (const [id, child] of known) if (!wanted.has(id)) done = remove(child) && done;
  let place = old.firstChild;
  for (const node of [...made.childNodes]) {
    const match = node.id ? known.get(node.id) : alike(place, node) ? place : null;
    if (!match) old.insertBefore(document.importNode(node, true), place);
    else if (match === place) place = place.nextSibling;
    else if (contains(match)) done = false; // to move it would take its focus away
    else old.insertBefore(match, place);
    if (match) done = change(match, node) && done;
  }
  for (let next; place; place = next) {
    next = place.nextSibling;
    if (!wanted.has(place.id) || !place.id) done = remove(place) && done;
  }
  return done;
}

function swap(html) {
  const template = document.createElement("template"); // unlike a document it takes a row without its table
  template.innerHTML = html.trim();
  const made = template.content.firstElementChild;
  const old = made?.id ? document.getElementById(made.id) : null;
  if (!old) return;
  const token = document.querySelector("input[name=form_token]")?.getAttribute("value") ?? "";
  for (const field of made.querySelectorAll("input[name=form_token]")) field.setAttribute("value", token);
  waiting.delete(made.id);
  const isAsked = document.querySelector("dialog[open]") !== null; // about a form that must stay
  if (isAsked || !change(old, made)) waiting.set(made.id, html);
  document.dispatchEvent(new CustomEvent("ferryman:swapped", { detail: made.id }));
}

function retry() {
  if (waiting.size) setTimeout(() => [...waiting.values()].forEach(swap)); // once the focus has gone where it goes
}

document.addEventListener("ferryman:fragment", (event) => swap(event.detail));
document.addEventListener("ferryman:stopped", () => waiting.clear()); // a new stream begins with all of them
document.addEventListener("pointerdown", (event) => { pressed = event.target.closest(USED); });
for (const name of ["pointerup", "pointercancel"]) {
  document.addEventListener(name, () => setTimeout(() => { pressed = null; retry(); })); // after its click
}
for (const name of ["focusout", "selectionchange"]) document.addEventListener(name, retry);
document.addEventListener("close", retry, true); // of a dialog; it does not bubble
