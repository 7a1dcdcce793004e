// Copies a digest or a command in one click. Browsers give pages on plain HTTP no clipboard: there it is copied from a
// selected text field.

async function copy(text) {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return true;
  }
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "spoken";
  field.readOnly = true;
  document.body.append(field);
  field.select();
  try {
    return document.execCommand("copy");
  } finally {
    field.remove();
  }
}

function reveal(root) {
  for (const button of root.querySelectorAll("button[data-copy]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const done = await copy(button.dataset.copy).catch(() => false);
  button.focus();
  button.dataset.copied = done ? "yes" : "no";
  setTimeout(() => delete button.dataset.copied, 1500);
  const announcement = document.getElementById("announcement");
  if (announcement) announcement.textContent = done ? button.dataset.copy : "";
});

document.addEventListener("ferryman:swapped", () => reveal(document));
reveal(document);
