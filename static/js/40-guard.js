// A form that writes is sent once: its buttons rest until the answer is there. The server holds the same
// line with the form's key; this only spares people the doubt.
(() => {
  "use strict";
  const sending = new Map();

  const rest = (form, submitter) => {
    // A button that rests loses the focus. A picker goes on with its keys, and a second press is refused as well.
    const pressed = form.hasAttribute("data-picker") ? [] : [...form.elements];
    const buttons = pressed.filter((element) => element.type === "submit" && !element.disabled);
    sending.set(form, { buttons, submitter });
    submitter?.setAttribute("aria-busy", "true");
    // After this turn, or the pressed button's own value would be missing from what is sent.
    setTimeout(() => {
      if (sending.has(form)) for (const button of buttons) button.disabled = true;
    });
  };

  const wake = (form) => {
    const { buttons, submitter } = sending.get(form);
    sending.delete(form);
    for (const button of buttons) button.disabled = false;
    submitter?.removeAttribute("aria-busy");
    if (submitter?.isConnected && document.activeElement === document.body) submitter.focus();
  };

  const refuse = (event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (sending.has(form) || event.submitter?.getAttribute("aria-disabled") === "true") refuse(event);
    else rest(form, event.submitter);
    // A file comes and the page stays: nothing tells when it is there.
    if (form.hasAttribute("data-download")) setTimeout(() => sending.has(form) && wake(form), 2000);
  }, true);

  document.addEventListener("click", (event) => {
    if (event.target.closest("[aria-disabled=true]")) refuse(event);
  }, true);

  document.addEventListener("htmx:finally:request", (event) => {
    for (const form of [...sending.keys()]) {
      if (!form.isConnected) sending.delete(form);
      else if (event.detail.ctx.sourceElement === form) wake(form);
    }
  });

  // It was not sent after all.
  document.addEventListener("guard:release", (event) => {
    if (sending.has(event.target)) wake(event.target);
  });

  // The page came back out of the browser's memory as it was left.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) for (const form of [...sending.keys()]) wake(form);
  });
})();
