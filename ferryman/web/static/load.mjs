// Loads what takes its time only when it is asked for: the page behind a link in <details data-load> is fetched when that
// is opened, and the element with the id in the link's hash takes the link's place. Without scripts the link leads there.

document.addEventListener("toggle", async (event) => {
  const details = event.target;
  const link = details.matches?.("details[data-load]") && details.open && details.querySelector("a[data-part]");
  if (!link || details.dataset.loading) return;
  details.dataset.loading = "yes";
  const place = link.parentElement;
  place.textContent = details.dataset.load;
  try {
    const answer = await fetch(link.href, { headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const part = page.getElementById(link.dataset.part) ?? page.querySelector("main");
    place.replaceWith(document.importNode(part, true));
  } catch {
    place.replaceChildren(link);
    delete details.dataset.loading;
  }
  document.dispatchEvent(new CustomEvent("ferryman:swapped"));
}, true);
