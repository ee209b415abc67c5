// The session ended while a form was open: the form stays, the sign-in opens above it, and what was refused
// is sent again with the new token and its old key. The view answers 401 and, after the sign-in, the event
// `signed-in` {csrf_token, login}. A form that is sent without htmx would be answered by another page, and
// be lost: so it asks first whether there still is a session.
(() => {
  "use strict";
  const dialog = document.getElementById("sign-in-dialog");
  if (!dialog) return;
  const check = document.getElementById("session-check");
  let refused = null;
  let asking = null;

  // A part that fetches itself meanwhile is refused too: it must not take the place of a password half typed.
  document.addEventListener("htmx:before:response", (event) => {
    const { ctx } = event.detail;
    if (ctx.response.status !== 401) return;
    if (dialog.open && !dialog.contains(ctx.sourceElement)) event.preventDefault();
  });

  // Only a form that somebody sent is sent again: a preview or a live part within it asked for nothing.
  document.addEventListener("htmx:response:error", (event) => {
    const { ctx } = event.detail;
    if (ctx.response.status !== 401 || !ctx.sourceElement.matches("form[method=post]")) return;
    if (dialog.contains(ctx.sourceElement)) return;
    refused = { form: ctx.sourceElement, submitter: ctx.request.submitter };
  });

  const send = ({ form, submitter }) => {
    if (submitter?.name) {
      const pressed = document.createElement("input");
      Object.assign(pressed, { type: "hidden", name: submitter.name, value: submitter.value });
      form.append(pressed);
    }
    if (submitter?.hasAttribute("formaction")) form.action = submitter.formAction;
    HTMLFormElement.prototype.submit.call(form);
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post" || form.matches("[hx-post], [data-leaves]")) return;
    event.preventDefault();
    asking = { form, submitter: event.submitter };
    htmx.trigger(check, "session:check");
  });

  check.addEventListener("htmx:finally:request", (event) => {
    const asked = asking;
    const status = event.detail.ctx.response?.status;
    asking = null;
    if (!asked) return;
    if (status === 204) {
      send(asked);
      return;
    }
    if (status === 401) refused = asked;
    else if (!status) {
      const message = "The server could not be reached. Nothing was sent: try again.";
      document.dispatchEvent(new CustomEvent("toast", { detail: { message, kind: "bad" } }));
    }
    asked.form.dispatchEvent(new CustomEvent("guard:release", { bubbles: true }));
  });

  const renew = (token) => {
    const places = [document, ...[...document.querySelectorAll("template")].map((template) => template.content)];
    for (const place of places) {
      for (const input of place.querySelectorAll("input[name=csrf_token]")) input.value = token;
    }
    document.body.setAttribute("hx-headers:inherited", JSON.stringify({ "X-CSRFToken": token }));
  };

  document.addEventListener("signed-in", (event) => {
    const { csrf_token: token, login } = event.detail;
    if (String(login) !== dialog.dataset.login) {
      // Somebody else: what the one before has typed is not theirs to send.
      location.reload();
      return;
    }
    renew(token);
    dialog.close();
    const { form, submitter } = refused ?? {};
    refused = null;
    if (form?.isConnected) form.requestSubmit(submitter?.isConnected ? submitter : null);
  });
})();
