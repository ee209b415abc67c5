// The session ended while a form was open: the form stays, the sign-in opens above it, and what was refused
// is sent again with the new token and its old key. The view answers 401 and, after the sign-in, the event
// `signed-in` {csrf_token}.
(() => {
  "use strict";
  const dialog = () => document.getElementById("sign-in-dialog");
  let refused = null;

  // A part that fetches itself meanwhile is refused too: it must not take the place of a password half typed.
  document.addEventListener("htmx:before:response", (event) => {
    const { ctx } = event.detail;
    if (ctx.response.status !== 401) return;
    if (dialog().open && !dialog().contains(ctx.sourceElement)) event.preventDefault();
  });

  // Only a form that somebody sent is sent again: a preview or a live part within it asked for nothing.
  document.addEventListener("htmx:response:error", (event) => {
    const { ctx } = event.detail;
    if (ctx.response.status !== 401 || !ctx.sourceElement.matches("form[method=post]")) return;
    if (dialog().contains(ctx.sourceElement)) return;
    refused = { form: ctx.sourceElement, submitter: ctx.request.submitter };
  });

  const renew = (token) => {
    const places = [document, ...[...document.querySelectorAll("template")].map((template) => template.content)];
    for (const place of places) {
      for (const input of place.querySelectorAll("input[name=csrf_token]")) input.value = token;
    }
    document.body.setAttribute("hx-headers:inherited", JSON.stringify({ "X-CSRFToken": token }));
  };

  document.addEventListener("signed-in", (event) => {
    renew(event.detail.csrf_token);
    dialog().close();
    const { form, submitter } = refused ?? {};
    refused = null;
    if (form?.isConnected) form.requestSubmit(submitter?.isConnected ? submitter : null);
  });
})();
