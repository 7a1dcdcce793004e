// Keeps parts of the page up to date: each message of the event stream is one as HTML, which swap.mjs puts in place. Stops
// while the tab is hidden, and when the reader pauses it.

const controls = document.querySelector("[data-live]");

function follow(controls) {
  const state = controls.querySelector(".live-state");
  const button = controls.querySelector("button");
  let source = null;
  let paused = false;

  const show = (name) => {
    state.textContent = state.dataset[name];
    state.dataset.state = name;
  };
  const stop = () => {
    source?.close();
    source = null;
    document.dispatchEvent(new Event("ferryman:stopped"));
    show("off");
  };
  const start = () => {
    if (source || paused || document.hidden) return;
    show("lost");
    source = new EventSource(controls.dataset.live);
    source.onopen = () => show("on");
    source.onerror = () => {
      show("lost");
      if (source?.readyState !== EventSource.CLOSED) return; // the browser connects again by itself
      stop();
      show("lost");
      setTimeout(start, 30000);
    };
    source.addEventListener("fragment", ({ data }) => {
      document.dispatchEvent(new CustomEvent("ferryman:fragment", { detail: data }));
    });
  };

  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    button.textContent = paused ? button.dataset.resume : button.dataset.pause;
    if (paused) stop();
    else start();
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", start);
  controls.hidden = false;
  start();
}

if (controls) follow(controls);
