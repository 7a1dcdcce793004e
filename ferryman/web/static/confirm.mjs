// Asks before a form with data-confirm is sent. Without scripts the server asks instead, on a page of its own.

function ask(form, question, submitter) {
  const dialog = document.createElement("dialog");
  const text = document.createElement("p");
  const buttons = document.createElement("form");
  const yes = document.createElement("button");
  const no = document.createElement("button");
  text.textContent = question;
  text.id = "question";
  dialog.setAttribute("aria-labelledby", "question");
  buttons.method = "dialog";
  buttons.className = "row";
  yes.value = "yes";
  yes.className = "primary";
  yes.textContent = submitter?.textContent.trim() || "OK";
  no.value = "no";
  no.className = "quiet";
  no.autofocus = true;
  no.textContent = document.body.dataset.cancel;
  buttons.append(yes, no);
  dialog.append(text, buttons);
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (dialog.returnValue !== "yes") return;
    const confirmed = document.createElement("input");
    confirmed.type = "hidden";
    confirmed.name = "confirmed";
    confirmed.value = "yes";
    form.append(confirmed);
    form.submit();
  });
  document.body.append(dialog);
  dialog.showModal();
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-confirm]");
  if (!form) return;
  event.preventDefault();
  ask(form, form.dataset.confirm, event.submitter);
});
